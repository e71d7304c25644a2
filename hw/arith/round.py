# SPDX-License-Identifier: Apache-2.0
"""The only RTL that rounds."""

from amaranth import *

from hw.spec import Rounding

__all__ = ["drop_bits"]


def drop_bits(m: Module, magnitude: Value, count: int, rounding: Rounding, *, name: str) -> Value:
    """``magnitude / 2**count`` rounded to a whole number, one bit wider than what is kept."""
    kept = magnitude[count:]
    rounded = Signal(len(kept) + 1, name=name)
    if rounding is Rounding.RTZ:
        m.d.comb += rounded.eq(kept)
        return rounded
    # Zeros below make a magnitude that ends at the guard bit, or above it, an ordinary case.
    low = Cat(magnitude, Const(0, max(0, count - len(magnitude))))
    guard, sticky = low[count - 1], low[:count - 1].any()
    odd = kept[0] if len(kept) else Const(0)
    m.d.comb += rounded.eq(kept + (guard & (sticky | odd)))
    return rounded
