# SPDX-License-Identifier: Apache-2.0
"""MAC whose fixed-point sum is kept as sum and carry, so that its loop is one adder cell deep."""

from amaranth import *

from hw.arith.add import step_by_one
from hw.arith.columns import Columns
from hw.mac.addends import fill_columns
from hw.mac.fixed import FixedMac
from hw.mac.saved import saved_sum
from hw.spec import Adder

__all__ = ["CarrySaveMac"]


class CarrySaveMac(FixedMac):
    """As `FixedMac`; the sum is resolved in a stage behind the accumulator, or by who takes it."""

    def next_sum(self, m, old, a, b, first, stages):
        """Kept bits of the accumulator and the lanes' products."""
        saved = saved_sum(self._spec)
        start = Signal(saved.bits, name="old")
        m.d.comb += start.eq(Mux(first, 0, old))
        total, carries, up, down = saved.split(start)
        columns = Columns(m, name="sum")
        flags = fill_columns(m, self._spec, columns, a, b, stages)
        low, carries = saved.fold(columns, total, carries)
        high = step_by_one(m, total[saved.top:], up ^ down, down, adder=Adder.PREFIX, name="guard")
        return Cat(low, high, carries, *saved.step(columns)), flags
