# SPDX-License-Identifier: Apache-2.0
"""Adders of the accumulate loop: a signed magnitude into two's complement, and guard bits."""

from amaranth import *

__all__ = ["add_signed_magnitude", "step_by_one"]


def add_signed_magnitude(m: Module, x: Value, magnitude: Value, negative: Value, *,
                         name: str) -> Value:
    """``x - magnitude`` if ``negative`` else ``x + magnitude``, modulo ``2**len(x)``.

    One chain is carry or borrow as the sign says: six gates a bit and no carry-in, against seven
    for complementing the magnitude and adding. Bits above the magnitude step by one at most.
    """
    width = min(len(magnitude), len(x))
    total = Signal(len(x), name=name)
    carry: Value = Const(0)
    for index in range(width):
        own, other = x[index], magnitude[index]
        differs, following = Signal(name=f"{name}_{index}_x"), Signal(name=f"{name}_{index}_c")
        m.d.comb += [
            differs.eq(own ^ other),
            total[index].eq(differs ^ carry),
            following.eq(other ^ ((differs ^ negative) & (other ^ carry))),
        ]
        carry = following
    m.d.comb += total[width:].eq(
        step_by_one(m, x[width:], carry, negative, name=f"{name}_guard"))
    return total


def step_by_one(m: Module, x: Value, enable: Value, down: Value, *, name: str) -> Value:
    """``x - enable`` if ``down`` else ``x + enable``, modulo ``2**len(x)``: three gates a bit."""
    total = Signal(len(x), name=name)
    for index in range(len(x)):
        m.d.comb += total[index].eq(x[index] ^ enable)
        if index + 1 < len(x):
            following = Signal(name=f"{name}_{index}_c")
            m.d.comb += following.eq(enable & (x[index] ^ down))
            enable = following
    return total
