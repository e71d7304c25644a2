# SPDX-License-Identifier: Apache-2.0
"""Weight-stationary arrays as compiled RTL: sums, cycles, stalls, resets, wrong tiles."""

import pytest

from hw.array import array
from hw.spec import parse_array
from sim.rtl import RtlError
from tests.support.array_checks import check_array, check_cycles
from tests.support.compiled import compile_module, unchanged
from tests.support.specs import WEIGHT_ARRAYS
from tests.support.tiers import tiers

#: Integers, registers in a floating-point adder and in carry chains, lanes, a single element.
FAST = ("3x2x5:int8", "3x2x5:e4m3,acc=fp16,pipeline=2", "1x1x2:e4m3",
        "2x2x9:int8,acc=int20-sat,pipeline=3", "2x3x6:e4m3,acc=aligned:13,lanes=4,pipeline=1")


def compiled_array(spec, folder, change=unchanged):
    return compile_module(array(spec), folder, change=change)


@pytest.mark.parametrize("spelling", tiers(WEIGHT_ARRAYS, FAST))
def test_array_keeps_its_sums_and_its_protocol(spelling, tmp_path):
    spec = WEIGHT_ARRAYS[spelling]
    model = compiled_array(spec, tmp_path)
    assert check_array(spec, model, seed=1) > 100 * spec.rows * spec.cols
    assert check_cycles(spec, model, seed=2) >= (40 if spec.rows > 1 else 24)


@pytest.mark.parametrize(("old", "new"), [
    ("assign a_tready = ", "assign a_tready = 1'b1 | "),
    ("assign b_tready = ", "assign b_tready = 1'b1 | "),
    ("assign c_tlast = ", "assign c_tlast = 1'b1 ^ "),
])
def test_checks_see_what_is_wrong(old, new, tmp_path):
    def change(verilog, top):
        assert verilog.count(old) == 1
        return verilog.replace(old, new)

    spec = parse_array("2x1", "e2m1", dataflow="ws", depth=3)
    with pytest.raises((AssertionError, RtlError)):
        check_array(spec, compiled_array(spec, tmp_path, change), seed=1)
