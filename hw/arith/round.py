# SPDX-License-Identifier: Apache-2.0
"""The only RTL that rounds."""

from amaranth import *

from hw.spec import Rounding


def rounds_up(
    rounding: Rounding, *, odd: Value, guard: Value, sticky: Value, short: Value | None = None
) -> Value:
    """Whether a magnitude gains a unit: by its last bit, the first bit below, and the rest.

    If ``short``, the magnitude ends in the last bit but is one unit of a column far below it less,
    so that ``guard`` and ``sticky`` are set and the unit is due.
    """
    if rounding is Rounding.RTZ:
        return Const(0) if short is None else short
    return guard & (sticky | odd)


def rounds_up_short(
    rounding: Rounding, *, odd: Value, guard: Value, rest: Value, sticky: Value, short: Value
) -> Value:
    """As `rounds_up`, where all the bits below may count.

    ``rest`` are the bits behind ``guard``, ``sticky`` says whether more were cut. If ``short`` and
    nothing was cut, the magnitude is less by one unit of the last bit of ``rest``.
    """
    carries = short & rest.all() & ~sticky
    if rounding is Rounding.RTZ:
        return carries & guard
    # A unit that carries into a guard bit of 0 makes a tie of it.
    return rounds_up(rounding, odd=odd, guard=guard, sticky=rest.any() | sticky | short) | (
        carries & ~guard & odd
    )


def drop_bits(m: Module, magnitude: Value, count: int, rounding: Rounding, *, name: str) -> Value:
    """``magnitude / 2**count`` rounded to a whole number, one bit wider than what is kept."""
    kept = magnitude[count:]
    rounded = Signal(len(kept) + 1, name=name)
    if rounding is Rounding.RTZ:
        m.d.comb += rounded.eq(kept)
        return rounded
    # Zeros below make a magnitude that ends at the guard bit, or above it, an ordinary case.
    low = Cat(magnitude, Const(0, max(0, count - len(magnitude))))
    guard, sticky = low[count - 1], low[: count - 1].any()
    odd = kept[0] if len(kept) else Const(0)
    m.d.comb += rounded.eq(kept + rounds_up(rounding, odd=odd, guard=guard, sticky=sticky))
    return rounded
