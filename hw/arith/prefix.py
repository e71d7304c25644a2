# SPDX-License-Identifier: Apache-2.0
"""Parallel-prefix adders: delay grows with the logarithm of the width."""

from collections.abc import Callable

from amaranth import *

__all__ = ["prefix_add", "prefix_step"]

#: Generate and propagate of a run of bits.
Carry = tuple[Value, Value]


def prefix_add(m: Module, x: Value, y: Value, carry: Value, *, name: str) -> tuple[Value, Value]:
    """``x + y + carry`` for two values of one width: the sum's low bits, and the carry out."""
    half = Signal(len(x), name=f"{name}_h")
    m.d.comb += half.eq(x ^ y)
    runs = _scan([(carry, Const(0)), *((x[i] & y[i], half[i]) for i in range(len(x)))],
                 lambda low, high, label: _join(m, low, high, name=f"{name}_{label}"))
    carries = [generate for generate, _ in runs]
    total = Signal(len(x), name=name)
    m.d.comb += total.eq(Cat(half[i] ^ carries[i] for i in range(len(x))))
    return total, carries[-1]


def prefix_step(m: Module, x: Value, enable: Value, down: Value, *, name: str) -> Value:
    """``x - enable`` if ``down`` else ``x + enable``, modulo ``2**len(x)``.

    Whether a step reaches a bit is known of both directions before it is known which one it is.
    """
    total, changes = Signal(len(x), name=name), Signal(len(x), name=f"{name}_changes")
    ups, downs = (_scan([Const(1), *bits], lambda low, high, label, side=side: _both(
        m, low, high, name=f"{name}_{side}_{label}")) for side, bits in (("up", x), ("down", ~x)))
    plus, minus = Signal(name=f"{name}_plus"), Signal(name=f"{name}_minus")
    m.d.comb += [
        plus.eq(enable & ~down),
        minus.eq(enable & down),
        changes.eq(Cat((plus & ups[i]) | (minus & downs[i]) for i in range(len(x)))),
        total.eq(x ^ changes),
    ]
    return total


def _scan(items: list, join: Callable) -> list:
    """Join of each item and all before it, in as few levels as there can be (Sklansky)."""
    items = list(items)
    span = 1
    while span < len(items):
        # An item in the upper half of a block takes all that the lower half comes to.
        items = [join(items[(i | span - 1) - span], item, f"{i}_{span}") if i & span else item
                 for i, item in enumerate(items)]
        span *= 2
    return items


def _join(m: Module, low: Carry, high: Carry, *, name: str) -> Carry:
    """Generate and propagate of two runs that follow each other."""
    generate, propagate = Signal(name=f"{name}_g"), Signal(name=f"{name}_p")
    m.d.comb += [
        generate.eq(high[0] | (high[1] & low[0])),
        propagate.eq(high[1] & low[1]),
    ]
    return generate, propagate


def _both(m: Module, low: Value, high: Value, *, name: str) -> Value:
    """Whether two runs both let a step pass."""
    passes = Signal(name=name)
    m.d.comb += passes.eq(low & high)
    return passes
