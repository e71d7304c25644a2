# SPDX-License-Identifier: Apache-2.0
"""Arrays: closed forms against a cycle-by-cycle count of events, names, wrong values."""

import re
from itertools import product

import pytest

from hw.spec import (
    CATALOG,
    ArraySpec,
    OutputSpec,
    Scale,
    SpecError,
    parse_array,
    parse_mac,
    parse_output,
)


def _last_cycle(spec, m, k, n):
    """Cycle of the last beat of C, counted from 0, by following every beat through the array.

    A tile's first operand beat waits until its results can drain right behind those of the tile
    before: one row of C leaves a cycle.
    """
    beats = len(range(0, k, spec.mac.lanes))
    start, drained = 0, -1
    for tile in range(len(range(0, m, spec.rows)) * len(range(0, n, spec.cols))):
        if tile:
            start += max(beats, spec.rows)
        last_operand = start + beats - 1
        # Skew: the corner farthest from both inputs sees a beat rows - 1 + cols - 1 later.
        corner = last_operand + (spec.rows - 1) + (spec.cols - 1)
        first_row = corner + spec.mac.latency + 1
        assert first_row > drained, "two tiles drain at once"
        drained = first_row + spec.rows - 1
    return drained


@pytest.mark.parametrize("size", ["1x1", "4x4", "2x8", "8x2", "16x16"])
@pytest.mark.parametrize("mac", ["int8", "e4m3,lanes=4,pipeline=2"])
def test_cycles_match_a_count_of_events(size, mac):
    spec = parse_array(size, mac)
    shapes = [*product((1, 4, 17), (1, 3, 8, 40), (1, 16, 33))]
    for shape in shapes:
        assert spec.cycles(*shape) == _last_cycle(spec, *shape) + 1, f"{spec} at {shape}"
    assert len(shapes) == 36


def test_cycles_of_one_product():
    # The pair enters in cycle 0, the sum is registered in 1, drained in 2.
    assert parse_array("1x1", "int8").cycles(1, 1, 1) == 3


def test_beats_and_tiles_cover_the_edges():
    spec = parse_array("4x8", "int8,lanes=4")
    assert [spec.beats(k) for k in (1, 4, 5, 8)] == [1, 1, 2, 2]
    assert [spec.tiles(m, n) for m, n in ((1, 1), (4, 8), (5, 8), (4, 9), (9, 17))] == [
        1,
        1,
        2,
        2,
        9,
    ]
    assert [spec.interval(k) for k in (1, 16, 17, 32)] == [4, 4, 5, 8]


def test_utilisation_is_a_share_of_all_products():
    spec = parse_array("16x16", "int8")
    assert spec.utilisation(16, 1 << 20, 16) == pytest.approx(1, abs=1e-4)
    assert spec.utilisation(8, 1 << 20, 16) == pytest.approx(0.5, abs=1e-4)
    assert spec.utilisation(1, 1, 1) == 1 / (spec.cycles(1, 1, 1) * 256)


def test_array_name():
    spec = parse_array("16x4", "e4m3xe5m2,acc=fp32")
    assert spec.name == "array_16x4_os_e4m3xe5m2_fp32"
    assert str(spec) == "e4m3xe5m2,acc=fp32,array=16x4,dataflow=os"


def test_array_with_an_output_stage():
    spec = parse_array("4x2", "e5m2", out="int4,saturate=no,scale=fp32,zero_point=yes")
    assert spec.name == "array_4x2_os_e5m2_fx77m32_out_int4_nosat_fp32_zp"
    assert str(spec).endswith(",dataflow=os,out=int4,saturate=no,scale=fp32,zero_point=yes")
    assert parse_array("4x2", "e5m2", out=spec.drain) == spec
    assert parse_array("4x2", "e5m2", out=spec.out) == spec
    assert spec.out == OutputSpec.behind(
        spec.mac, CATALOG["int4"], saturate=False, scale=Scale.FP32, zero_point=True
    )
    assert (spec.result_width, spec.result_signed, spec.slot_width, spec.flag_bits) == (
        4,
        True,
        8,
        0,
    )
    plain = parse_array("4x2", "e5m2")
    assert plain.out is None
    assert (plain.result_width, plain.result_signed, plain.slot_width, plain.flag_bits) == (
        77,
        True,
        80,
        2,
    )
    for shape in ((1, 1, 1), (9, 5, 3), (4, 40, 8)):
        assert spec.cycles(*shape) == plain.cycles(*shape) + spec.out.latency
        assert spec.interval(shape[1]) == plain.interval(shape[1])


@pytest.mark.parametrize(
    ("out", "width", "signed"),
    [("e4m3", 8, False), ("bf16", 16, False), ("uint8", 8, False), ("int16", 16, True)],
)
def test_result_is_the_output_stage_s(out, width, signed):
    spec = parse_array("2x2", "e4m3,acc=fp32", out=out)
    assert (spec.slot_width, spec.result_signed) == (width, signed)


MAC = parse_mac("int8")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"mac": "int8"}, "Array mac must be a MacSpec, not 'int8'"),
        ({"rows": 0}, "Array rows must be an integer from 1 to 512, not 0"),
        ({"rows": True}, "Array rows must be an integer from 1 to 512, not True"),
        ({"cols": 513}, "Array cols must be an integer from 1 to 512, not 513"),
        ({"dataflow": "os"}, "Array dataflow must be a Dataflow, not 'os'"),
        ({"out": "e4m3"}, "Array out must be an OutputSpec or None, not 'e4m3'"),
        (
            {"out": parse_output("e4m3,from=fp32")},
            "Array out must be an output stage for the sums of int8,acc=fx28, not 'e4m3,from=fp32'",
        ),
        (
            {"out": parse_output("e4m3,from=fx28,flags=1")},
            (
                "Array out must be an output stage for the sums of int8,acc=fx28, not "
                "'e4m3,from=fx28,flags=1'"
            ),
        ),
    ],
)
def test_array_wrong(fields, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        ArraySpec(**{"mac": MAC, "rows": 4, "cols": 4} | fields)


@pytest.mark.parametrize("side", ["m", "k", "n"])
@pytest.mark.parametrize("value", [0, -1, 1.5, (1 << 48) + 1])
def test_cycles_wrong(side, value):
    message = f"GEMM {side} must be an integer from 1 to {1 << 48}, not {value!r}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        parse_array("4x4", "int8").cycles(**{"m": 1, "k": 1, "n": 1} | {side: value})
