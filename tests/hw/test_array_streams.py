# SPDX-License-Identifier: Apache-2.0
"""Arrays as compiled RTL: streams that pause, break the rules, are reset and end apart."""

import pytest

from hw.array.stream_top import stream_top
from hw.spec import parse_array
from sim.rtl import RtlError
from tests.support.array_checks import check_array
from tests.support.compiled import compile_module, unchanged
from tests.support.specs import ARRAYS
from tests.support.tiers import tiers

#: Tall, wide and single; an event simulator sees the others.
FAST = ("3x5:e2m1", "1x1:int8", "3x1:int8xuint8")


def compiled_array(spec, folder, change=unchanged):
    return compile_module(stream_top(spec), folder, change=change)


@pytest.mark.parametrize("spelling", tiers(ARRAYS, FAST))
def test_array_keeps_its_sums_and_its_protocol(spelling, tmp_path):
    spec = ARRAYS[spelling]
    assert check_array(spec, compiled_array(spec, tmp_path), seed=1) > 100 * spec.rows * spec.cols


@pytest.mark.parametrize(("old", "new"), [
    ("assign a_tready = ", "assign a_tready = 1'b1 | "),
    ("= a_tlast ^ b_tlast;", "= a_tlast & ~b_tlast;"),
    ("assign c_tlast = ", "assign c_tlast = 1'b1 ^ "),
])
def test_checks_see_what_is_wrong(old, new, tmp_path):
    def change(verilog, top):
        assert verilog.count(old) == 1
        return verilog.replace(old, new)

    spec = parse_array("2x1", "e2m1")
    with pytest.raises((AssertionError, RtlError)):
        check_array(spec, compiled_array(spec, tmp_path, change), seed=1)
