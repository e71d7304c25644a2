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

    @property
    def adds_zero(self) -> bool:
        """Not behind registers: a reset has to take back the pair that is in them."""
        return not self._spec.pipeline

    @property
    def step_points(self) -> tuple[str, ...]:
        """The same as in a loop: the adder is one cell deep."""
        return self.stage_points

    def next_sum(self, m, old, a, b, first, stages):
        """Kept bits of the accumulator and the lanes' products."""
        saved = saved_sum(self._spec)
        total, carries, up, down = saved.split(old)
        columns = Columns(m, name="sum")
        flags = fill_columns(m, self._spec, columns, a, b, stages)
        low, high = Signal(saved.top, name="low"), Signal(saved.width - saved.top, name="high")
        stepped = step_by_one(m, total[saved.top:], up ^ down, down, adder=Adder.PREFIX,
                              name="guard")
        m.d.comb += [
            low.eq(Mux(first, 0, total[:saved.top])),
            # Behind the step, whose own path is long.
            high.eq(Mux(first, 0, stepped)),
        ]
        added, carries = saved.fold(columns, low, Mux(first, 0, carries))
        return Cat(added, high, carries, *saved.step(columns)), flags
