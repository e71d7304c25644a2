# SPDX-License-Identifier: Apache-2.0
"""Exact multipliers as bits in columns, so that an accumulator can be added in the same tree."""

from amaranth import *

from hw.arith.columns import Columns

__all__ = ["booth_rows", "multiply_magnitudes"]


def multiply_magnitudes(m: Module, x: Value, y: Value, *, name: str) -> Value:
    """Product of two unsigned values, ``len(x) + len(y)`` bits: AND array, ripple carries."""
    columns = Columns(m, name=name)
    for i in range(len(x)):
        for j in range(len(y)):
            columns.add(i + j, x[i] & y[j], depth=1)
    product = Signal(len(x) + len(y), name=name)
    m.d.comb += product.eq(Cat(columns.reduce(0, len(product))))
    return product


def booth_rows(m: Module, columns: Columns, x: Value, y: Value, *, weight: int, name: str) -> None:
    """Add the radix-4 Booth rows of ``x * y`` (both two's complement) to ``columns``.

    A row is a digit of ``y`` in {-2, -1, 0, 1, 2} times ``x``: ``len(x) + 1`` bits, complemented
    where the digit is negative, plus one at its foot. The top bit is stored inverted and the
    constant makes up for it, so no row is sign-extended.
    """
    for index in range(-(-len(y) // 2)):
        place = weight + 2 * index
        one, two, negative = _booth_digit(m, y, index, name=f"{name}_row{index}")
        row = Signal(len(x) + 1, name=f"{name}_row{index}")
        chosen = [(x[j] & one) | (x[j - 1] & two) if j else x[0] & one for j in range(len(x))]
        top = x[-1] & (one | two)
        m.d.comb += row.eq(Cat(*(bit ^ negative for bit in chosen), ~(top ^ negative)))
        columns.add_vector(place, row, depth=3)
        columns.add(place, negative)
        columns.constant -= 1 << place + len(x)


def _booth_digit(m: Module, y: Value, index: int, *, name: str) -> tuple[Value, Value, Value]:
    """Whether a digit's size is one, whether it is two, and whether it is negative."""
    def bit(place: int) -> Value:
        return Const(0) if place < 0 else y[min(place, len(y) - 1)]

    low, middle, high = (bit(2 * index + offset) for offset in (-1, 0, 1))
    one, two = Signal(name=f"{name}_one"), Signal(name=f"{name}_two")
    m.d.comb += [one.eq(middle ^ low), two.eq((high ^ middle) & ~one)]
    return one, two, high
