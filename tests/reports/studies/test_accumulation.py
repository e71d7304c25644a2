# SPDX-License-Identifier: Apache-2.0
"""Errors of accumulators: right sums, compared with exact ones, and a reproducible record; the plot
and the page show the records, and refuse wrong ones.
"""

import copy
import itertools
import json
import re
import shutil
from dataclasses import replace
from fractions import Fraction
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

import sim
from hw.spec import CATALOG, parse_mac
from hw.spec.folders import ROOT
from reports.render import main as render
from reports.report import site
from reports.studies.accumulation import measure as sums
from reports.studies.accumulation.measure import SIDE, draw
from reports.studies.accumulation.page import LABEL, NAMES, Curve, Curves, accumulation, limits
from reports.study import main
from sim.digits import load_digits, quantize, train
from synth.record import read_records
from tests.support.pages import said

DATA = ROOT / "reports" / "data" / "accumulation.json"
KEPT = read_records(DATA)
RECORDS = json.loads(DATA.read_text())["records"]
SVG = "{http://www.w3.org/2000/svg}"
E4M3 = CATALOG["e4m3"]


@pytest.fixture(scope="module")
def few():
    """Operands of all kinds for 64 products, of a briefly trained network."""
    return draw(64, epochs=1)


def test_operands_fill_the_format(few):
    """The largest code is the format's largest; with headroom it is smaller by that factor."""
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
    """Whole images and whole columns of weights, quantised as the demo does."""
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
        for got, wanted in zip(
            sums._chained(pairs, mac, [16, 64]), sums._anew(pairs, mac, [16, 64]), strict=True
        ):
            assert got.shape == (3, SIDE, SIDE)
            assert (got == wanted).all(), (headroom, acc)
            infinite += int(np.isinf(got).sum())
    assert (infinite > 0) == (acc == "fp16")


def test_error_is_that_of_fractions(few):
    """The root mean square by hand, on rational numbers, of the least precise accumulator."""
    mac = parse_mac("e4m3", acc="bf16")
    a, b = few[0].codes(mac)
    x, y = (
        [[Fraction(float(value)) for value in row] for row in sim.decode(codes, E4M3)]
        for codes in (a, b.T)
    )
    exact = [[sum(p * q for p, q in zip(row, col, strict=True)) for col in y] for row in x]
    got = sim.values(sim.matmul(a, b, mac), mac)
    errors = [
        (Fraction(float(got[i][j])) - exact[i][j]) ** 2 for i in range(SIDE) for j in range(SIDE)
    ]
    wanted = float(sum(errors) / sum(value**2 for row in exact for value in row)) ** 0.5
    [[point]] = sums.errors(few[:1], mac, 0, [64])
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
    whole = draw(sums.DEPTH, epochs=1)[:2]
    compared = 0
    for acc, headroom in sums.SERIES:
        mac = parse_mac("e4m3", acc=acc)
        for each, points in zip(
            whole, zip(*sums.errors(whole, mac, headroom, ks), strict=True), strict=True
        ):
            [kept] = [
                record
                for record in KEPT
                if record.subject == mac.name
                and record.conditions["operands"] == each.kind
                and record.conditions["headroom"] == headroom
            ]
            assert sums._metrics(points).items() <= kept.metrics.items(), (acc, each.kind)
            assert len(kept.metrics) == 13
            compared += len(points)
    assert compared == 7 * 2 * 5
    assert len(KEPT) == 3 * (1 + len(sums.SERIES))


def test_command_writes_records(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.setattr(sums, "draw", lambda depth: draw(depth, epochs=1))
    steps: list[str] = []
    monkeypatch.setattr(sums.Progress, "at_once", lambda self, text: steps.append(text))
    out = tmp_path / "records.json"
    assert main(["accumulation", "--longest", "32", "--json", "--out", str(out)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads(out.read_text())
    assert len(steps) == 1 + len(sums.SERIES)
    found = read_records(out)
    assert len(found) == len(KEPT)
    assert set(found[0].metrics) == {"error_at_16", "error_at_32"}
    assert found[0].provenance.seed == sums.SEED
    hopper = next(each for each in found if each.conditions["accumulator"] == "aligned:13")
    assert (hopper.conditions["bits"], hopper.conditions["lanes"]) == (22, 32)


@pytest.mark.parametrize("depth", ["8", "100", "131072", "-16"])
def test_command_wrong_depth(tmp_path: Path, capsys, depth):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["accumulation", "--longest", depth, "--out", str(tmp_path / "x.json")])
    assert capsys.readouterr() == (
        "",
        (
            "python -m reports.study accumulation: error: Depth must be a power of two from 16 to "
            f"65536, not {depth}\n"
        ),
    )
    assert not list(tmp_path.iterdir())


def record(
    accumulator: str,
    errors: dict[int, float],
    infinite: dict[int, float] | None = None,
    headroom: int = 0,
) -> dict:
    """Values of a record that a figure shows."""
    metrics = {f"error_at_{k}": {"value": value, "unit": ""} for k, value in errors.items()}
    metrics |= {
        f"infinite_at_{k}": {"value": value, "unit": ""} for k, value in (infinite or {}).items()
    }
    return {
        "metrics": metrics,
        "conditions": {
            "operands": "gaussian",
            "source": "numbers",
            "accumulator": accumulator,
            "bits": 9,
            "headroom": headroom,
            "format": "e4m3",
            "dot products": 64,
            "largest code": 448.0,
        },
    }


FEW = [
    record("none", {16: 0.04, 32: 0.03, 64: 0.02}),
    record("exact", {16: 0, 32: 0, 64: 0}),
    record("narrow", {16: 0.02, 32: 0.001, 64: 0.05}),
    record("short", {16: 0.003}, {32: 0.25, 64: 1.0}),
    record("short", {16: 0.003, 32: 0.004, 64: 0.011}, headroom=3),
]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Root with the records and a page that shows them, rendered."""
    (tmp_path / "reports/data").mkdir(parents=True)
    shutil.copy(DATA, tmp_path / "reports/data")
    (tmp_path / "README.md").write_text("<!-- begin:accumulation -->\n<!-- end:accumulation -->\n")
    assert render([], root=tmp_path) == 0
    return tmp_path


@pytest.mark.parametrize(
    ("limit", "first"), [(0.01, 64), (0.06, None), (0.0005, 16), ({16: 1, 32: 0.0009, 64: 0.0}, 32)]
)
def test_curve_passes_where_it_stays_above(limit, first):
    curve = Curve("narrow", 0, 9, {16: 0.02, 32: 0.001, 64: 0.05}, {})
    assert curve.passes(limit) == first
    assert Curve("short", 0, 9, {16: 0.2}, {32: 0.5}).passes(0.5) == 32


def test_answer_is_read_off_the_records():
    assert said("accumulation", FEW) == (
        "Up to K = 64, the error of e4m3 dot products stays below 1 % with exact (9 bits). It "
        "exceeds 1 % with narrow (9 bits) from K = 64 for Gaussian operands and with short on "
        "operands / 8 (9 bits) from K = 64 for Gaussian operands. If operands use the whole range "
        "of the format, short (9 bits) overflows from K = 32."
    )


def test_limits_are_a_line_for_each_accumulator():
    assert limits(FEW).rows == [
        ["exact", "9", "-", "-"],
        ["narrow", "9", "K >= 64", "K >= 64"],
        ["short", "9", "K >= 32", "K >= 32"],
        ["short on operands / 8", "9", "K >= 64", "-"],
    ]


def test_panels_hold_every_point():
    """Errors lie where their logarithm is, zero below all, infinite shares in a row of dots."""
    [panel] = accumulation(FEW)["panels"]
    height = {
        line.label: [float(y) for y in re.findall(r" ([\d.]+)", line.path)]
        for line in [*panel.lines, panel.codes]
    }
    assert {name: len(ys) for name, ys in height.items()} == {
        "exact (9)": 3,
        "narrow (9)": 3,
        "short (9)": 1,
        "short /8 (9)": 3,
        "operands": 3,
    }
    high, low, _ = height["narrow (9)"]
    assert low - high == pytest.approx(32 * 1.30103, abs=0.11)  # log10(0.02 / 0.001)
    assert min(height["exact (9)"]) > max(height["narrow (9)"] + height["operands"])
    assert [(dot.label, dot.share) for dot in panel.dots] == [("short (9)", 0.25), ("short (9)", 1)]


def test_labels_keep_their_distance():
    for panel in accumulation(RECORDS)["panels"]:
        places = sorted(line.label_y for line in [*panel.lines, panel.codes])
        assert len(places) == 7
        assert min(b - a for a, b in itertools.pairwise(places)) >= LABEL - 1e-6


def test_figure_is_well_formed_and_within_its_card(root: Path):
    tree = ElementTree.parse(root / "reports/figures/accumulation.svg").getroot()
    assert (tree.tag, bool(tree.get("aria-label"))) == (f"{SVG}svg", True)
    width, height = (float(size) for size in tree.get("viewBox").split()[2:])
    seen = 0
    groups = [(tree, 0.0)] + [
        (group, float((re.findall(r"[\d.]+", panel.get("transform", "")) or [0])[0]))
        for panel in tree.findall(f"{SVG}g")
        for group in [panel, *panel.iter(f"{SVG}g")]
    ]
    for group, shift in groups:
        for item in [*group.findall(f"{SVG}rect"), *group.findall(f"{SVG}text")]:
            # A letter is about 6.5 wide at this size, and the anchor at most at its left end.
            room = 6.3 * len(item.text or "") if shift and group.get("text-anchor") is None else 0
            assert 0 <= float(item.get("x")) + shift + room <= width, item.text
            assert 0 <= float(item.get("y")) <= height
            seen += 1
    assert seen > 50


def test_pages_show_answer_figure_and_tables(root: Path):
    """The README has the answer and the figure, the page every value, and the report both."""
    page = (root / "reports/accumulation.md").read_text()
    readme = (root / "README.md").read_text()
    text = said("accumulation", RECORDS)
    assert text in page
    assert text in readme
    assert text in unescape(site(root)["accumulation.html"])
    assert re.findall(r"\]\((.+?)\)", readme) == [
        "reports/accumulation.md",
        "reports/figures/accumulation.svg",
    ]
    assert all((root / file).exists() for file in re.findall(r"\]\((.+?)\)", readme))
    assert (root / "reports" / re.search(r"\]\((.+?)\)", page)[1]).exists()
    study, shown = Curves(RECORDS), 0
    for kind, curves in study.curves.items():
        table = page.partition(f"## Error by K: {NAMES[kind]}\n")[2].partition("\n## ")[0]
        for k in study.ks:
            [row] = re.findall(rf"^\| {k:,} \| (.*) \|$", table, re.MULTILINE)
            cells = row.split(" | ")[1:]
            for cell, curve in zip(cells, curves, strict=True):
                wanted = (curve.infinite if k in curve.infinite else curve.errors)[k]
                value = re.fullmatch(r"Inf: (.*) %", cell)
                got = float(value[1]) / 100 if value else float(cell)
                assert got == pytest.approx(wanted, rel=0.05), (kind, k, curve.label)
                shown += 1
    assert shown == 3 * 7 * 13


def test_check_finds_page_of_other_records(root: Path, capsys: pytest.CaptureFixture[str]):
    assert render(["--check"], root=root) == 0
    changed = copy.deepcopy(RECORDS)
    next(each for each in changed if each["conditions"]["accumulator"] == "bf16")["metrics"][
        "error_at_16"
    ]["value"] = 0.5
    (root / "reports/data/accumulation.json").write_text(json.dumps({"records": changed}))
    capsys.readouterr()
    assert render(["--check"], root=root) == 1
    assert capsys.readouterr().err == (
        "Out of date, run `make reports`: reports/figures/accumulation.svg, "
        "reports/accumulation.md\n"
    )


#: Wrong value in the first record of that accumulator, and the error message.
FAULTS = [
    (
        "exact",
        lambda it: it["metrics"]["error_at_16"].update(value=0.5),
        r"Accumulation error must be 0 where sums are exact, not 0\.5",
    ),
    (
        "fp32",
        lambda it: it["metrics"].pop("error_at_16"),
        r"Accumulation records must be of the same K, not \[32, .*\]",
    ),
    (
        "fp32",
        lambda it: it["metrics"]["error_at_16"].update(value=-1),
        r"Accumulation error must be from 0 to inf, not \[-1\]",
    ),
    (
        "fp16",
        lambda it: it["metrics"]["infinite_at_16"].update(value=2),
        r"Accumulation infinite must be from 0 to 1, not \[2\]",
    ),
    (
        "fp32",
        lambda it: it["metrics"].update(infinite_at_16={"value": 1, "unit": ""}),
        r"Accumulation K must be of one metric, not \[16\]",
    ),
    (
        "bf16",
        lambda it: it["metrics"].update(speed={"value": 1, "unit": ""}),
        "Accumulation metrics must be error_at_K or infinite_at_K, not 'speed'",
    ),
    (
        "none",
        lambda it: it["conditions"].pop("headroom"),
        r"Accumulation record must be complete, not \"without \['headroom'\]\"",
    ),
    (
        "bf16",
        lambda it: it["conditions"].update(operands="others"),
        "Accumulation records must be of the same accumulators for all operands, not .*",
    ),
]


@pytest.mark.parametrize(("accumulator", "plant", "message"), FAULTS)
def test_render_refuses_planted_record(
    root: Path, capsys: pytest.CaptureFixture[str], accumulator: str, plant, message: str
):
    """One line, and no page is changed."""
    changed = copy.deepcopy(RECORDS)
    plant(next(each for each in changed if each["conditions"]["accumulator"] == accumulator))
    (root / "reports/data/accumulation.json").write_text(json.dumps({"records": changed}))
    before = {path: path.read_bytes() for path in root.rglob("*.*") if path.suffix != ".json"}
    capsys.readouterr()
    with pytest.raises(SystemExit, match=r"^2$"):
        render([], root=root)
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(f"python -m reports.render: error: {message}\n", err), err
    assert {path: path.read_bytes() for path in before} == before
