# SPDX-License-Identifier: Apache-2.0
"""The weight-stationary model in lockstep with the RTL: every register of every element."""

import numpy as np
import pytest

from hw.spec import parse_array
from tests.support.lockstep import CYCLES, lockstep, stimulus

#: Unit, size, depth of the memory of sums, output stage at the drain.
UNITS = [("int8", "3x2", 5, "int8,scale=pow2,zero_point=yes"),
         ("e5m2,acc=fp32,pipeline=1", "2x3", 2, None),
         ("int8,acc=int20,pipeline=3", "3x2", 4, None), ("e4m3", "2x3", 4, None),
         ("int8", "1x2", 2, None), ("int8,adder=carry-save", "2x2", 3, None),
         ("e4m3,acc=fp16,pipeline=2", "2x3", 3, "e5m2,saturate=no"),
         ("e4m3,acc=aligned:13,lanes=2", "3x2", 6, None)]


@pytest.mark.parametrize(("mac", "size", "depth", "out"), UNITS)
def test_every_register_equals_the_rtl_at_every_cycle(tmp_path, mac, size, depth, out):
    """With stalls, resets and passes of any length; what the RTL never wrote is left out."""
    spec = parse_array(size, mac, dataflow="ws", depth=depth, out=out)
    ends = np.random.default_rng(3).random(CYCLES) < 1 / spec.rows
    compared, unknown, finished = lockstep(spec, stimulus(spec, 12, ends), tmp_path)
    # Words are unknown until they are written, and what is read where a pass was too long.
    assert unknown < compared / 16
    assert compared > CYCLES * 7 * spec.rows * spec.cols
    assert finished > 20
