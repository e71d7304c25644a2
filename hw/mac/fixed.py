# SPDX-License-Identifier: Apache-2.0
"""MAC with a fixed-point accumulator: INT32 and exact (Kulisch) accumulation are the same unit."""

from amaranth import *

from hw.arith.add import add, add_signed_magnitude, step_by_one
from hw.arith.columns import Columns
from hw.mac.addends import add_integers, signed_magnitudes
from hw.mac.passing_sum import addend_of_lanes, pass_sum
from hw.mac.unit import MacUnit
from hw.spec import Adder, Overflow

__all__ = ["FixedMac"]


class FixedMac(MacUnit):
    """``o_data += sum(a * b)`` over the lanes, in units of ``2**spec.acc.lsb``.

    Integers are multiplied as rows that share their adder tree with the accumulator. All other
    pairs are multiplied as significands, aligned, rounded if the accumulator's lsb is coarser than
    the product's, and added as signed magnitudes.
    """

    reset_less = True

    @property
    def stage_points(self) -> tuple[str, ...]:
        """Registers behind the multiplier, then behind the aligner; rows have neither."""
        return ("operand",) if self._spec.is_fused else ("product", "term", "operand")

    @property
    def step_points(self) -> tuple[str, ...]:
        """Registers behind the sum of all lanes, then behind the multipliers."""
        return ("addend", "operand") if self._spec.is_fused else ("addend", "product", "operand")

    def next_sum(self, m, old, a, b, first, stages):
        """Sum of the accumulator and the lanes' products."""
        acc = self._spec.acc
        saturates = acc.overflow is Overflow.SATURATE
        start = Signal(acc.width + saturates, name="old")
        m.d.comb += start.eq(Mux(first, 0, old.as_signed()))
        total, flags = self._add(m, start, a, b, stages)
        return (_saturate(m, total) if saturates else total), flags

    def _add(self, m, old, a, b, stages):
        """Sum and flags: one signed magnitude is added directly, all else through a tree."""
        spec = self._spec
        if stages["addend"]:
            addend, flags = addend_of_lanes(m, spec, a, b, stages)
            return pass_sum(m, old, addend, stages, spec.adder), flags
        columns = Columns(m, by_arrival=spec.adder is not Adder.RIPPLE, name="sum")
        if spec.is_fused:
            add_integers(m, spec, columns, a, b)
            return _sum_columns(m, columns, old, spec.adder), None
        terms, flags = signed_magnitudes(m, spec, a, b, stages)
        if len(terms) == 1:
            return add_signed_magnitude(m, old, *terms[0], adder=spec.adder, name="sum"), flags
        for magnitude, sign in terms:
            columns.add_signed(magnitude, sign)
        return _sum_columns(m, columns, old, spec.adder), flags


def _sum_columns(m: Module, columns: Columns, old: Value, adder: Adder) -> Value:
    """Sum of the columns and of ``old``, modulo ``2**len(old)``.

    Above the highest column only the carries out of it and the constant are left. As soon as these
    come to one step up or down, the bits of ``old`` are stepped; until then they join the tree.
    """
    top = min(columns.top, len(old))
    columns.add_vector(0, old[:top])
    low = _add_columns(m, columns, 0, top, adder)
    while (step := columns.step(top)) is None and top < len(old):
        columns.add(top, old[top])
        low += _add_columns(m, columns, top, top + 1, adder)
        top += 1
    up, down = step or (Const(0), Const(0))
    total = Signal(len(old), name="total")
    m.d.comb += total.eq(Cat(*low, step_by_one(m, old[top:], up ^ down, down, adder=adder,
                                               name="guard")))
    return total


def _add_columns(m: Module, columns: Columns, start: int, stop: int, adder: Adder) -> list[Value]:
    """Sum of the columns from ``start`` to ``stop - 1``; carries wait in later ones."""
    if adder is Adder.RIPPLE:
        return columns.reduce(start, stop)
    rows = [(*bits, Const(0), Const(0))[:2] for bits in columns.compress(start, stop)]
    x, y = (Cat(*row) for row in zip(*rows, strict=True))
    total, carry = add(m, x, y, Const(0), adder=adder, name=f"sum_{start}")
    columns.add(stop, carry)
    return list(total)


def _saturate(m: Module, total: Value) -> Value:
    """``total`` without its top bit, held at the extremes of what is left."""
    sign, overflow = Signal(name="total_sign"), Signal(name="overflow")
    m.d.comb += [sign.eq(total[-1]), overflow.eq(total[-1] ^ total[-2])]
    width = len(total) - 1
    extreme = Cat((~sign).replicate(width - 1), sign)
    return Mux(overflow, extreme, total[:width])
