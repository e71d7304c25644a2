# SPDX-License-Identifier: Apache-2.0
"""Arrays as compiled RTL: pauses, protocol violations, resets, and ends that disagree."""

import pytest

from hw.array import array
from hw.spec import Dataflow, parse_array
from sim.rtl import RtlError
from tests.support.array_checks import check_array, check_cycles
from tests.support.compiled import compile_module, unchanged
from tests.support.specs import ARRAYS, WEIGHT_ARRAYS
from tests.support.tiers import tiers

#: Output stationary: tall, wide and single; an event simulator sees the others. Weight stationary:
#: integers, registers in a floating-point adder and in carry chains, lanes, a single element.
FAST = (
    "e2m1,array=3x5",
    "int8,array=1x1",
    "int8xuint8,array=3x1",
    "int8,array=3x2,dataflow=ws,depth=5",
    "e4m3,acc=fp16,pipeline=2,array=3x2,dataflow=ws,depth=5",
    "e4m3,array=1x1,dataflow=ws,depth=2",
    "int8,acc=int20-sat,pipeline=3,array=2x2,dataflow=ws,depth=9",
    "e4m3,acc=aligned:13,lanes=4,pipeline=1,array=2x3,dataflow=ws,depth=6",
)


def compiled_array(spec, folder, change=unchanged):
    return compile_module(array(spec), folder, change=change)


@pytest.mark.parametrize("spelling", tiers(ARRAYS | WEIGHT_ARRAYS, FAST))
def test_array_keeps_its_sums_and_its_protocol(spelling, tmp_path):
    spec = (ARRAYS | WEIGHT_ARRAYS)[spelling]
    model = compiled_array(spec, tmp_path)
    assert check_array(spec, model, seed=1) > 100 * spec.rows * spec.cols
    if spec.dataflow is Dataflow.WS:
        assert check_cycles(spec, model, seed=2) >= (40 if spec.rows > 1 else 24)


@pytest.mark.parametrize(
    ("array_options", "old", "new"),
    [
        ({}, "assign a_tready = ", "assign a_tready = 1'b1 | "),
        ({}, "= a_tlast ^ b_tlast;", "= a_tlast & ~b_tlast;"),
        ({}, "assign c_tlast = ", "assign c_tlast = 1'b1 ^ "),
        ({"dataflow": "ws", "depth": 3}, "assign a_tready = ", "assign a_tready = 1'b1 | "),
        ({"dataflow": "ws", "depth": 3}, "assign b_tready = ", "assign b_tready = 1'b1 | "),
        ({"dataflow": "ws", "depth": 3}, "assign c_tlast = ", "assign c_tlast = 1'b1 ^ "),
    ],
)
def test_checks_see_what_is_wrong(array_options, old, new, tmp_path):
    def change(verilog, top):
        assert verilog.count(old) == 1
        return verilog.replace(old, new)

    spec = parse_array("2x1", "e2m1", **array_options)
    with pytest.raises((AssertionError, RtlError)):
        check_array(spec, compiled_array(spec, tmp_path, change), seed=1)
