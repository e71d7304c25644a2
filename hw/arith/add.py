# SPDX-License-Identifier: Apache-2.0
"""Adders of the accumulate loop: a signed magnitude into two's complement, and guard bits."""

from amaranth import *

from hw.arith.columns import full_adder

__all__ = ["add_signed_magnitude", "extend", "ripple_add", "step_by_one"]


def extend(value: Value, width: int, *, signed: bool = False, fill: int = 0) -> Value:
    """``value`` with ``fill`` or, if it is signed, its top bit above it; or cut to ``width``."""
    top = value[-1] if signed else Const(fill, 1)
    return Cat(value, top.replicate(max(width - len(value), 0)))[:width]


def ripple_add(m: Module, x: Value, y: Value, carry: Value, *, name: str) -> tuple[Value, Value]:
    """``x + y + carry`` for two values of one width: the sum's low bits, and the carry out."""
    bits = []
    for index, (left, right) in enumerate(zip(x, y, strict=True)):
        bit, carry = full_adder(m, left, right, carry, name=f"{name}_{index}")
        bits.append(bit)
    total = Signal(len(x), name=name)
    m.d.comb += total.eq(Cat(*bits))
    return total, carry


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
