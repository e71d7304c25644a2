# SPDX-License-Identifier: Apache-2.0
"""The page of a weight-stationary array: what it holds is the closed form, in any browser."""

import json
import re

import numpy as np
import pytest

import sim
from hw.spec import parse_array
from sim.trace.view import page, record
from tests.sim.test_view import octets, unpacked
from tests.sim.test_view_browser import opened

UNITS = [("e4m3,acc=fp32", "4x3", 5), ("int8,lanes=2", "2x3", 4),
         ("e4m3,acc=fp16,pipeline=2", "3x2", 7)]


def product(mac, size, depth, m, k, n):
    spec = parse_array(size, mac, dataflow="ws", depth=depth)
    rng = np.random.default_rng(9)
    return spec, *(rng.integers(0, 120, shape).astype(np.uint8) for shape in ((m, k), (k, n)))


def order(spec, m, passes, across):
    """Row of C, number of the tile and pass of each beat of A."""
    tops = range(0, m, spec.depth)
    return [(row, chunk * across + tile, part)
            for chunk, top in enumerate(tops) for tile in range(across) for part in range(passes)
            for row in range(top, min(top + spec.depth, m))]


@pytest.mark.parametrize("stalls", [{}, {"a": [0, 1, 1], "c": [1, 0]}, {"b": [1, 0, 0, 0]}])
@pytest.mark.parametrize(("mac", "size", "depth"), UNITS)
def test_tags_name_operands_weights_and_sums(mac, size, depth, stalls):
    """Whatever stalls: what is tagged is what the product has there, and all of it is tagged."""
    m, n = 9, 5
    spec, a, b = product(mac, size, depth, m, 7, n)
    lanes, across = spec.mac.lanes, -(-n // spec.cols)
    passes = -(-spec.beats(7) // spec.rows)
    trace = record(a, b, spec, stalls=stalls)
    steps = passes * spec.rows
    # Lanes are filled up with zeros, steps with products that change no sum.
    whole, (neutral_a, neutral_b) = spec.beats(7) * lanes, spec.mac.neutral
    a, b = np.pad(a, ((0, 0), (0, steps * lanes - 7))), np.pad(
        b, ((0, steps * lanes - 7), (0, across * spec.cols - n)))
    a[:, whole:], b[whole:] = neutral_a, neutral_b
    prefixes = np.array([sim.matmul(a[:, :stop * lanes], b[:stop * lanes], spec.mac)
                         for stop in range(1, steps + 1)])
    beats = np.array(order(spec, m, passes, across))
    cycle, row, col = np.nonzero(trace.sums)
    i, tile, part = beats[trace.sums[cycle, row, col] - 1].T
    j = tile % across * spec.cols + col
    assert (trace.acc[cycle, row, col] == prefixes[part * spec.rows + row, i, j]).all()
    assert len({*zip(i, j, part, row, strict=True)}) == m * across * spec.cols * steps
    cycle, row, col = np.nonzero(trace.operands)
    i, tile, part = beats[trace.operands[cycle, row, col] - 1].T
    taken = trace.a[cycle, row, :, col]
    assert (taken == a.reshape(m, steps, lanes)[i, part * spec.rows + row]).all()
    weights = b.reshape(steps, lanes, -1)
    for name, codes in (("weights", trace.b), ("owners", trace.waiting)):
        cycle, row, col = np.nonzero(getattr(trace, name))
        came, back = np.divmod(getattr(trace, name)[cycle, row, col] - 1, spec.rows)
        (tile, part), step = np.divmod(came, passes), spec.rows - 1 - back
        wanted = weights[part * spec.rows + step, :, tile % across * spec.cols + col]
        # In use is a weight in its own element alone.
        assert name == "owners" or (step == row).all()
        assert (codes[cycle, row, :, col] == wanted).all()
        count = len({*zip(tile, part, step, col, strict=True)})
        assert count == spec.tiles(m, n) * passes * spec.rows * spec.cols
    assert (trace.c[:, :1] == prefixes[-1, :, ::spec.cols].T.reshape(-1, 1)).all() or across > 1
    assert stalls or trace.cycles == spec.cycles(m, 7, n)


def test_page_holds_the_trace():
    """Every register comes out again; the orders of beats are those of the product."""
    spec, a, b = product("e4m3,acc=fp32", "4x3", 5, 9, 7, 5)
    trace = record(a, b, spec)
    [text] = re.findall(r'<script type="application/json" id="trace">(.*?)</script>', page(trace))
    data = json.loads(text)
    for name in ("operands", "sums", "owners", "weights"):
        assert (unpacked(data["planes"][name]) == getattr(trace, name).reshape(
            trace.cycles, -1)).all()
    for table, name in (("a", "a"), ("b", "b"), ("b", "waiting"), ("c", "acc"), ("c", "c")):
        codes = octets(data["tables"][table]["codes"])
        codes = codes.reshape(-1, 1 if table != "c" else 4)
        wide = np.pad(codes, [(0, 0), (0, 8 - codes.shape[1])]).view("<i8")[:, 0]
        kept = getattr(trace, name).reshape(len(getattr(trace, name)), -1)
        assert (wide[unpacked(data["planes"][name])] == kept).all(), name
    assert data["of_a"] == [list(each) for each in zip(*order(spec, 9, 2, 2), strict=True)]
    assert data["beats"] == 8


def test_page_steps_scrubs_and_plays(tmp_path):
    """As that of an output-stationary array; every sum that is shown is the right one."""
    spec, a, b = product("e4m3,acc=fp32", "3x3", 6, 6, 5, 4)
    trace = record(a, b, spec)
    said = opened(trace, tmp_path, "#cycle=3")
    last = trace.cycles - 1
    assert [int(shown.split("|")[0]) for shown in said["keys"]] == [
        3, 4, 5, 4, 14, last, last, 0, 0]
    assert said["scrub"].startswith("7|7|")
    assert said["requests"] == said["unlabelled"] == 0
    assert said["playing"] == "Pause"
    assert said["played"] > 0
    shown = {(cycle, row, col): sums for cycle, row, col, sums, *_ in said["sums"]}
    compared = 0
    for at in np.ndindex(trace.sums.shape):
        text = shown[at]
        assert (text == "\u2013") == (trace.sums[at] == 0)
        if trace.sums[at]:
            value, code = text.replace("\u2212", "-").split()
            assert int(code, 16) == trace.acc[at]
            assert float(value) == sim.decode(np.array([trace.acc[at]], np.uint64), "fp32")[0]
            compared += 1
    assert compared == 6 * 2 * 2 * 9
