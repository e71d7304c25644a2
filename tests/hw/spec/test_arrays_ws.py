# SPDX-License-Identifier: Apache-2.0
"""Weight-stationary arrays: closed forms against a count of events, names, refusals."""

import re
from itertools import product

import pytest

from hw.spec import ArraySpec, Dataflow, SpecError, parse_array, parse_mac


def _passes(spec, m, k, n):
    """Rows of A of each pass, in order."""
    steps = len(range(0, k, spec.mac.lanes * spec.rows))
    columns = len(range(0, n, spec.cols))
    return [
        min(spec.depth, m - top) for top in range(0, m, spec.depth) for _ in range(columns * steps)
    ]


def _last_cycle(spec, down, m, k, n):
    """Cycle of the last beat of C, counted from 0, by following weights and rows of A.

    A sum takes ``down`` cycles from row to row.
    """
    loaded, swap, row = -1, None, -1
    for rows in _passes(spec, m, k, n):
        # Weights load a beat a cycle, and a row a cycle, from when the last row has swapped on.
        reach = (spec.rows - 1) * (down - 1)
        loaded = (loaded + 1 if swap is None else max(loaded + 1, swap + reach)) + spec.rows - 1
        # They are all there a cycle later, and the pass before has had its last row.
        earliest = [loaded + 1, row] if swap is None else [loaded + 1, row, swap + spec.rows * down]
        swap = max(earliest)
        row = swap + rows
    # From row to row, registers of the unit, then the columns that wait for the last.
    out = row + (spec.rows - 1) * down + spec.mac.latency + (spec.cols - 1)
    return out + (spec.out.latency if spec.out else 0)


@pytest.mark.parametrize("size", ["1x1", "4x4", "2x8", "8x2"])
@pytest.mark.parametrize(
    ("mac", "down"),
    [
        ("int8", 1),
        ("e4m3,lanes=4,pipeline=1", 1),
        ("e5m2,acc=fp16,pipeline=2", 2),
        ("e4m3,pipeline=8", 4),
        ("e5m2,pipeline=3,adder=carry-save", 1),
    ],
)
@pytest.mark.parametrize("depth", [8, 11])
def test_cycles_match_a_count_of_events(size, mac, down, depth):
    spec = parse_array(size, mac, dataflow="ws", depth=depth)
    shapes = [*product((1, 4, 8, 9, 17, 22, 40), (1, 8, 9, 40), (1, 16, 33))]
    for shape in shapes:
        assert spec.cycles(*shape) == _last_cycle(spec, down, *shape) + 1, f"{spec} at {shape}"
    assert len(shapes) == 84


def test_cycles_of_one_product():
    # The weight in cycle 0, its swap in 1, the row of A in 2, the sum is registered in 3.
    spec = parse_array("1x1", "int8", dataflow="ws")
    assert (spec.cycles(1, 1, 1), spec.first_result(1)) == (4, 3)


def test_first_result_is_that_of_a_product_of_one_tile():
    spec = parse_array("4x3", "e4m3,acc=fp16,pipeline=2", dataflow="ws", depth=9)
    for m, k in product((1, 4, 9), (1, 4, 5, 30)):
        assert spec.cycles(m, k, 3) == spec.first_result(k, m) + m
    assert spec.first_result(30, 20) == spec.first_result(30, 9)
    # Two cycles a row: a sum is back after 8 of them.
    assert [spec.interval(1, m) for m in (1, 4, 8, 9, 10)] == [8, 8, 8, 9, 9]
    assert spec.interval(7) == 8


def test_tiles_and_beats():
    spec = parse_array("4x8", "int8,lanes=2", dataflow="ws", depth=10)
    assert [spec.tiles(m, n) for m, n in ((1, 1), (10, 8), (11, 8), (10, 9), (21, 17))] == [
        1,
        1,
        2,
        2,
        9,
    ]
    assert spec.stream_beats(1, 1, 1) == (1, 4, 1)
    assert spec.stream_beats(21, 17, 9) == (21 * 3 * 2, 4 * 3 * 2 * 3, 21 * 2)


@pytest.mark.parametrize("m", [16, 17, 256, 512])
def test_utilisation_tends_to_one(m):
    spec = parse_array("16x16", "int8", dataflow="ws")
    assert spec.utilisation(m, 1 << 16, 16) > 0.98
    assert spec.utilisation(m, 1 << 20, 16) == pytest.approx(1, abs=1e-3)


def test_utilisation_of_few_rows_is_their_share():
    spec = parse_array("16x16", "int8", dataflow="ws")
    assert spec.utilisation(8, 1 << 20, 16) == pytest.approx(0.5, abs=1e-3)


def test_names():
    spec = parse_array("16x4", "e4m3xe5m2,acc=fp32", dataflow="ws")
    assert (spec.name, spec.depth) == ("array_16x4_ws_e4m3xe5m2_fp32", 256)
    assert str(spec) == "e4m3xe5m2,acc=fp32,array=16x4,dataflow=ws"
    small = parse_array("16x4", "int8", dataflow="ws", depth=32, out="int8")
    assert small.name == "array_16x4_ws_int8_fx28_d32_out_int8"
    assert str(small) == "int8,acc=fx28,array=16x4,dataflow=ws,depth=32,out=int8"
    assert parse_array("16x4", "int8", dataflow="ws", depth=256).name == "array_16x4_ws_int8_fx28"
    assert parse_array("300x4", "int8", dataflow="ws").depth == 300


MAC = parse_mac("int8")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"depth": 1}, "Array depth must be an integer from 2 to 65536, not 1"),
        ({"depth": 65537}, "Array depth must be an integer from 2 to 65536, not 65537"),
        ({"depth": "8"}, "Array depth must be an integer from 2 to 65536, not '8'"),
        (
            {"depth": 8, "dataflow": Dataflow.OS},
            "Array depth applies to dataflow ws only; leave it out, or choose dataflow ws",
        ),
    ],
)
def test_depth_wrong(fields, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        ArraySpec(**{"mac": MAC, "rows": 4, "cols": 4, "dataflow": Dataflow.WS} | fields)
