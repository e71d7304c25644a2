# SPDX-License-Identifier: Apache-2.0
"""Rounding; all RTL that rounds uses these functions."""

from amaranth import *

from hw.spec import Rounding


def rounds_up(
    rounding: Rounding, *, odd: Value, guard: Value, sticky: Value, short: Value | None = None
) -> Value:
    """Whether to add one unit in the last place.

    ``odd`` is the last bit, ``guard`` the first bit below it, ``sticky`` the OR of all other bits.
    If ``short``, the magnitude is too small by one unit of a column far below its last bit, and all
    bits below the last one are 1. Then one unit must be added.
    """
    if rounding is Rounding.RTZ:
        return Const(0) if short is None else short
    return guard & (sticky | odd)


def rounds_up_short(
    rounding: Rounding, *, odd: Value, guard: Value, rest: Value, sticky: Value, short: Value
) -> Value:
    """As `rounds_up`, for a magnitude with arbitrary bits below the last one.

    ``rest`` are the bits below ``guard``; ``sticky`` is set if more nonzero bits were dropped. If
    ``short`` and not ``sticky``, the magnitude is too small by one unit of the last bit of
    ``rest``.
    """
    carries = short & rest.all() & ~sticky
    if rounding is Rounding.RTZ:
        return carries & guard
    # If the unit carries into a guard bit of 0, there is a tie.
    return rounds_up(rounding, odd=odd, guard=guard, sticky=rest.any() | sticky | short) | (
        carries & ~guard & odd
    )


def drop_bits(m: Module, magnitude: Value, count: int, rounding: Rounding, *, name: str) -> Value:
    """``magnitude / 2**count`` rounded to a whole number, one bit wider than the kept bits."""
    kept = magnitude[count:]
    rounded = Signal(len(kept) + 1, name=name)
    if rounding is Rounding.RTZ:
        m.d.comb += rounded.eq(kept)
        return rounded
    # Pad with zeros, so that magnitudes which end at or above the guard bit need no special case.
    low = Cat(magnitude, Const(0, max(0, count - len(magnitude))))
    guard, sticky = low[count - 1], low[: count - 1].any()
    odd = kept[0] if len(kept) else Const(0)
    m.d.comb += rounded.eq(kept + rounds_up(rounding, odd=odd, guard=guard, sticky=sticky))
    return rounded
