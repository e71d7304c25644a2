# SPDX-License-Identifier: Apache-2.0
"""MAC with a floating-point accumulator: exact product, exact sum, one rounding per step."""

from collections import Counter

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.mac.align_window import AlignWindow
from hw.mac.fixed_window import FixedWindow
from hw.mac.float_add import add_term
from hw.mac.float_term import make_term
from hw.mac.stages import delayed
from hw.mac.unit import MacUnit
from hw.spec import MacSpec


class FloatStep(wiring.Component):
    """One step of a `FloatMac` without registers: computes the new accumulator from the old one.

    Parameters
    ----------
    spec
        The unit.

    Members
    -------
    i_acc
        Code of the accumulator; must be a code that the unit can produce.
    i_first, i_a, i_b
        As in a MAC.
    o_acc
        Code of the new accumulator.
    """

    def __init__(self, spec: MacSpec):
        self._spec = spec
        super().__init__(
            {
                "i_acc": In(spec.acc.width),
                "i_first": In(1),
                "i_a": In(spec.lanes * spec.a.width),
                "i_b": In(spec.lanes * spec.b.width),
                "o_acc": Out(spec.acc.width),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"{self._spec.name}_step"

    def elaborate(self, platform):
        m = Module()
        m.d.comb += self.o_acc.eq(
            next_float_sum(m, self._spec, self.i_acc, self.i_a, self.i_b, self.i_first, Counter())
        )
        return m


class FloatMac(MacUnit):
    """``o_data = round(o_data + sum(a * b))`` over the lanes; an exact sum, rounded once."""

    @property
    def stage_points(self) -> tuple[str, ...]:
        """Registers before the accumulate loop, then after the multipliers of several lanes."""
        return _stage_points(self._spec)

    def next_sum(self, m, old, a, b, first, stages):
        """Rounded sum of the accumulator and the lanes' products."""
        return next_float_sum(m, self._spec, old, a, b, first, stages), None


def _stage_points(spec: MacSpec) -> tuple[str, ...]:
    """Places for registers; a single lane and a `FixedWindow` have none after the multiplier."""
    short = spec.lanes == 1 or FixedWindow(AlignWindow(spec)).is_worth_it
    return ("term", "operand") if short else ("term", "product", "operand")


def next_float_sum(
    m: Module, spec: MacSpec, old: Value, a: Value, b: Value, first: Value, stages: Counter[str]
) -> Value:
    """Code of the next sum, from the smaller of the two circuits."""
    window = AlignWindow(spec)
    fixed = FixedWindow(window)
    if fixed.is_worth_it:
        term = delayed(m, fixed.products(m, a, b), stages["term"], name="term")
        return fixed.next_sum(m, old, term, first, stages)
    term = make_term(m, window, a, b, stages["product"]).delayed(m, stages["term"])
    return add_term(m, window, old, term, first, stages)
