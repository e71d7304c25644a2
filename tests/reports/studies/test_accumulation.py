# SPDX-License-Identifier: Apache-2.0
"""Errors of accumulators: the right sums, held to exact ones, and a record that repeats."""

import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import sim
from hw.spec import CATALOG, parse_mac
from reports.studies.accumulation import measure as command
from reports.studies.accumulation import operands, sums
from reports.studies.accumulation.operands import SIDE, draw
from sim.digits import load_digits, quantize, sums_to_float, train
from synth.record import ROOT, read_records

KEPT = read_records(ROOT / "reports" / "data" / "accumulation.json")
E4M3 = CATALOG["e4m3"]


@pytest.fixture(scope="module")
def few():
    """Operands of all kinds for 64 products, of a network that was hardly trained."""
    return draw(64, epochs=1)


def test_operands_fill_the_format(few):
    """The largest code is that of the format; with headroom it is as much smaller."""
    assert [each.kind for each in few] == ["gaussian", "positive", "digits"]
    mac = parse_mac("e4m3")
    for each in few:
        for headroom in (0, 7):
            a, b = each.codes(mac, headroom)
            assert (a.shape, b.shape) == ((SIDE, 64), (64, SIDE))
            values = np.abs(sim.decode(np.concatenate([a.ravel(), b.ravel()]), E4M3))
            assert values.max() == 448 / 2**headroom, (each.kind, headroom)
    gaussian, positive, _ = few
    assert (np.abs(gaussian.a) == positive.a).all()
    assert positive.a.min() >= 0 > gaussian.a.min()


def test_digits_are_the_codes_of_the_demo():
    """Whole images and whole columns of weights, quantised as synth.demo does."""
    mac, digits = parse_mac("e4m3"), load_digits()
    network = quantize(train(digits, epochs=1), mac, digits.train_images)
    [first, _] = network.codes
    images = {row.tobytes() for row in sim.encode(digits.test_images / first.input_scale, E4M3)}
    columns = {col.tobytes() for col in np.ascontiguousarray(first.weights.T)}
    a, b = draw(128, epochs=1)[2].codes(mac)
    assert all(row.tobytes() in images for row in a.reshape(-1, 64))
    assert all(col.tobytes() in columns for col in np.ascontiguousarray(b.T).reshape(-1, 64))


@pytest.mark.parametrize("acc", ["fp32", "fp16", "bf16", "fp16-sat"])
def test_chained_sums_are_those_of_the_model(few, monkeypatch, acc):
    """Bit for bit, across chunks that end between two lengths, with infinite sums and without."""
    monkeypatch.setattr(sums, "CHUNK", 24)
    mac = parse_mac("e4m3", acc=acc)
    infinite = 0
    for headroom in (0, 7):
        pairs = [each.codes(mac, headroom) for each in few]
        for got, wanted in zip(sums._chained(pairs, mac, [16, 64]),
                               sums._anew(pairs, mac, [16, 64]), strict=True):
            assert got.shape == (3, SIDE, SIDE)
            assert (got == wanted).all(), (headroom, acc)
            infinite += int(np.isinf(got).sum())
    assert (infinite > 0) == (acc == "fp16")


def test_error_is_that_of_fractions(few):
    """The root mean square by hand, on rational numbers, of the least precise accumulator."""
    mac = parse_mac("e4m3", acc="bf16")
    a, b = few[0].codes(mac)
    x, y = ([[Fraction(float(value)) for value in row] for row in sim.decode(codes, E4M3)]
            for codes in (a, b.T))
    exact = [[sum(p * q for p, q in zip(row, col, strict=True)) for col in y] for row in x]
    got = sums_to_float(sim.matmul(a, b, mac), mac)
    errors = [(Fraction(float(got[i][j])) - exact[i][j])**2 for i in range(SIDE)
              for j in range(SIDE)]
    wanted = float(sum(errors) / sum(value**2 for row in exact for value in row))**0.5
    [[point]] = sums.accumulation(few[:1], mac, 0, [64])
    assert point == (64, pytest.approx(wanted, rel=1e-9), 0)
    assert wanted > 1e-3


def test_rounding_of_operands_is_measured_against_real_numbers(few):
    """Operands that are codes already lose nothing; real ones at most half a unit each."""
    [point] = sums.encoding(few[1], [64])
    assert 1e-4 < point.error < 2 / 16
    ones = np.ones_like(few[0].a)
    coded = replace(few[0], a=ones, b=ones.T, scales=(1 / 448, 1 / 448))
    assert [point.error for point in sums.encoding(coded, [16, 64])] == [0, 0]


def test_share_of_infinite_sums_has_no_error():
    values = np.full((SIDE, SIDE), 3.0)
    values[0, :4] = np.inf
    assert sums._point(16, values, np.ones((SIDE, SIDE))) == (16, 0, 4 / 64)


def test_kept_records_are_what_the_model_computes():
    """Every accumulator anew, on the shorter sums of the same random numbers, to all digits."""
    ks = [1 << place for place in range(4, 9)]
    whole = draw(command.DEPTH, epochs=1)[:2]
    compared = 0
    for acc, headroom in command.SERIES:
        mac = parse_mac("e4m3", acc=acc)
        for each, points in zip(whole, zip(*sums.accumulation(whole, mac, headroom, ks),
                                           strict=True), strict=True):
            [kept] = [record for record in KEPT if record.subject == mac.name
                      and record.conditions["operands"] == each.kind
                      and record.conditions["headroom"] == headroom]
            assert command._metrics(points).items() <= kept.metrics.items(), (acc, each.kind)
            assert len(kept.metrics) == 13
            compared += len(points)
    assert compared == 7 * 2 * 5
    assert len(KEPT) == 3 * (1 + len(command.SERIES))


def test_command_writes_records(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr(command, "draw", lambda depth: draw(depth, epochs=1))
    out = tmp_path / "records.json"
    assert command.main(["--depth", "32", "--json", "--out", str(out)]) == 0
    printed, progress = capsys.readouterr()
    assert json.loads(printed) == json.loads(out.read_text())
    assert len(re.findall(r"^\[ +\d+\.\d s\] ", progress, re.MULTILINE)) == 1 + len(command.SERIES)
    found = read_records(out)
    assert len(found) == len(KEPT)
    assert set(found[0].metrics) == {"error_at_16", "error_at_32"}
    assert found[0].provenance.seed == operands.SEED
    hopper = next(each for each in found if each.conditions["accumulator"] == "aligned:13")
    assert (hopper.conditions["bits"], hopper.conditions["lanes"]) == (22, 32)


@pytest.mark.parametrize("depth", ["8", "100", "131072", "-16"])
def test_command_wrong_depth(tmp_path: Path, capsys, depth):
    with pytest.raises(SystemExit, match=r"^2$"):
        command.main(["--depth", depth, "--out", str(tmp_path / "x.json")])
    assert capsys.readouterr() == (
        "", ("python -m synth.accumulation: error: Depth must be a power of two from 16 to 65536, "
        f"not {depth}\n"))
    assert not list(tmp_path.iterdir())
