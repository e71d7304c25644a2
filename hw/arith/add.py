# SPDX-License-Identifier: Apache-2.0
"""Adders: ripple, parallel prefix or Verilog's operator; signed magnitudes and guard bits."""

from collections.abc import Callable
from typing import Any

from amaranth import *

from hw.arith.columns import full_adder, shared
from hw.spec import Adder


def extend(value: Value, width: int, *, signed: bool = False, fill: int = 0) -> Value:
    """``value`` extended with ``fill`` or, if signed, its top bit; or truncated to ``width``."""
    top = value[-1] if signed else Const(fill, 1)
    return Cat(value, top.replicate(max(width - len(value), 0)))[:width]


def add(
    m: Module, x: Value, y: Value, carry: Value, *, adder: Adder, name: str
) -> tuple[Value, Value]:
    """``x + y + carry`` for two values of equal width: sum, and carry out."""
    x, y = (shared(m, value, name=f"{name}_{side}") for side, value in (("x", x), ("y", y)))
    functions = {Adder.RIPPLE: ripple_add, Adder.INFERRED: inferred_add}
    return functions.get(adder, prefix_add)(m, x, y, carry, name=name)


def ripple_add(m: Module, x: Value, y: Value, carry: Value, *, name: str) -> tuple[Value, Value]:
    """`add` as one chain of full adders."""
    bits = []
    for index, (left, right) in enumerate(zip(x, y, strict=True)):
        bit, carry = full_adder(m, left, right, carry, name=f"{name}_{index}")
        bits.append(bit)
    total = Signal(len(x), name=name)
    m.d.comb += total.eq(Cat(*bits))
    return total, carry


def inferred_add(m: Module, x: Value, y: Value, carry: Value, *, name: str) -> tuple[Value, Value]:
    """`add` with Verilog's operator; the carry enters through an extra column below bit 0."""
    total = Signal(len(x) + 2, name=name)
    m.d.comb += total.eq(Cat(Const(1, 1), x) + Cat(carry, y))
    return total[1:-1], total[-1]


def add_signed_magnitude(
    m: Module, x: Value, magnitude: Value, negative: Value, *, adder: Adder, name: str
) -> Value:
    """``x - magnitude`` if ``negative`` else ``x + magnitude``, modulo ``2**len(x)``.

    The magnitude is complemented, and the sign is the carry in. Therefore bit 0 needs no full
    adder. The bits above the magnitude change by at most one step.
    """
    if adder is Adder.INFERRED:
        # One carry chain for the whole width; FPGAs have dedicated carry logic.
        other = extend(magnitude, len(x)) ^ negative.replicate(len(x))
        return inferred_add(m, x, other, negative, name=name)[0]
    width = min(len(magnitude), len(x))
    lowest, carry = Signal(name=f"{name}_0"), Signal(name=f"{name}_0_c")
    m.d.comb += [
        lowest.eq(x[0] ^ magnitude[0]),
        carry.eq(Mux(magnitude[0], x[0], negative)),
    ]
    other = magnitude[1:width] ^ negative.replicate(width - 1)
    low, carry = add(m, x[1:width], other, carry, adder=adder, name=name)
    return Cat(
        lowest,
        low,
        step_by_one(m, x[width:], carry ^ negative, negative, adder=adder, name=f"{name}_guard"),
    )


def step_by_one(
    m: Module, x: Value, enable: Value, down: Value, *, adder: Adder, name: str
) -> Value:
    """``x - enable`` if ``down`` else ``x + enable``, modulo ``2**len(x)``.

    A ripple chain takes three gates per bit.
    """
    x = shared(m, x, name=f"{name}_x")
    if adder is Adder.INFERRED:
        other = Cat(enable, (enable & down).replicate(max(len(x) - 1, 0)))[: len(x)]
        return inferred_add(m, x, other, Const(0), name=name)[0]
    if adder is not Adder.RIPPLE:
        return prefix_step(m, x, enable, down, name=name)
    total = Signal(len(x), name=name)
    for index in range(len(x)):
        m.d.comb += total[index].eq(x[index] ^ enable)
        if index + 1 < len(x):
            following = Signal(name=f"{name}_{index}_c")
            m.d.comb += following.eq(enable & (x[index] ^ down))
            enable = following
    return total


#: Generate and propagate of a run of bits.
Carry = tuple[Value, Value]


def prefix_add(m: Module, x: Value, y: Value, carry: Value, *, name: str) -> tuple[Value, Value]:
    """`add` as a parallel-prefix adder."""
    half = Signal(len(x), name=f"{name}_h")
    m.d.comb += half.eq(x ^ y)
    runs = _scan(
        [(carry, Const(0)), *((x[i] & y[i], half[i]) for i in range(len(x)))],
        lambda low, high, label: _join(m, low, high, name=f"{name}_{label}"),
    )
    carries = [generate for generate, _ in runs]
    total = Signal(len(x), name=name)
    m.d.comb += total.eq(Cat(half[i] ^ carries[i] for i in range(len(x))))
    return total, carries[-1]


def prefix_step(m: Module, x: Value, enable: Value, down: Value, *, name: str) -> Value:
    """``x - enable`` if ``down`` else ``x + enable``, modulo ``2**len(x)``.

    Both directions are prepared in parallel, before ``down`` is known.
    """
    total, changes = Signal(len(x), name=name), Signal(len(x), name=f"{name}_changes")
    ups, downs = (
        _scan(
            [Const(1), *bits],
            lambda low, high, label, side=side: _both(m, low, high, name=f"{name}_{side}_{label}"),
        )
        for side, bits in (("up", x), ("down", ~x))
    )
    plus, minus = Signal(name=f"{name}_plus"), Signal(name=f"{name}_minus")
    m.d.comb += [
        plus.eq(enable & ~down),
        minus.eq(enable & down),
        changes.eq(Cat((plus & ups[i]) | (minus & downs[i]) for i in range(len(x)))),
        total.eq(x ^ changes),
    ]
    return total


def _scan(items: list[Any], join: Callable[[Any, Any, str], Any]) -> list[Any]:
    """Prefix of each item, in the fewest levels (Sklansky)."""
    items = list(items)
    span = 1
    while span < len(items):
        # Each item in the upper half of a block is joined with the result of the lower half.
        items = [
            join(items[(i | span - 1) - span], item, f"{i}_{span}") if i & span else item
            for i, item in enumerate(items)
        ]
        span *= 2
    return items


def _join(m: Module, low: Carry, high: Carry, *, name: str) -> Carry:
    """Generate and propagate of two adjacent runs together."""
    generate, propagate = Signal(name=f"{name}_g"), Signal(name=f"{name}_p")
    m.d.comb += [
        generate.eq(high[0] | (high[1] & low[0])),
        propagate.eq(high[1] & low[1]),
    ]
    return generate, propagate


def _both(m: Module, low: Value, high: Value, *, name: str) -> Value:
    """Whether both of two adjacent runs propagate a step."""
    passes = Signal(name=name)
    m.d.comb += passes.eq(low & high)
    return passes
