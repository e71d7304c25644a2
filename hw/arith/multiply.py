# SPDX-License-Identifier: Apache-2.0
"""Exact multipliers that add bits to columns, so an accumulator can be added in the same tree."""

from amaranth import *

from hw.arith.columns import Columns
from hw.spec import Multiplier


def multiply_magnitudes(
    m: Module, x: Value, y: Value, *, multiplier: Multiplier = Multiplier.ARRAY, name: str
) -> Value:
    """Product of two unsigned values, ``len(x) + len(y)`` bits: rows, ripple carries."""
    product = Signal(len(x) + len(y), name=name)
    if multiplier is Multiplier.INFERRED:
        m.d.comb += product.eq(x * y)
        return product
    columns = Columns(m, name=name)
    if multiplier is Multiplier.BOOTH:
        zero = Const(0, 1)
        booth_rows(m, columns, Cat(x, zero), Cat(y, zero), weight=0, name=name)
    else:
        array_rows(columns, x, y, weight=0)
    m.d.comb += product.eq(Cat(columns.reduce(0, len(product))))
    return product


def array_rows(
    columns: Columns,
    x: Value,
    y: Value,
    *,
    weight: int,
    x_signed: bool = False,
    y_signed: bool = False,
) -> None:
    """Add the rows of ``x * y`` to ``columns``, one AND gate per bit.

    The top bit of a signed operand has negative weight. Bits with exactly one such factor are
    stored inverted, and the constant corrects for that (Baugh-Wooley).
    """
    x_top, y_top = (
        (len(side) - 1 if signed else None) for side, signed in ((x, x_signed), (y, y_signed))
    )
    for i in range(len(x)):
        for j in range(len(y)):
            inverted = (i == x_top) != (j == y_top)
            bit = x[i] & y[j]
            columns.add(weight + i + j, ~bit if inverted else bit, depth=1)
            columns.constant -= inverted << weight + i + j


def inferred_row(
    m: Module, columns: Columns, x: Value, y: Value, *, weight: int, name: str
) -> None:
    """Add ``x * y`` (both two's complement) to ``columns``, multiplied by Verilog's operator."""
    product = Signal(len(x) + len(y), name=f"{name}_product")
    m.d.comb += product.eq(x.as_signed() * y.as_signed())
    columns.add_vector(weight, Cat(product[:-1], ~product[-1]), depth=1)
    columns.constant -= 1 << weight + len(product) - 1


def booth_rows(m: Module, columns: Columns, x: Value, y: Value, *, weight: int, name: str) -> None:
    """Add the radix-4 Booth rows of ``x * y`` (both two's complement) to ``columns``.

    A row is ``x`` times a digit of ``y`` in {-2, -1, 0, 1, 2}: ``len(x) + 1`` bits. If the digit is
    negative, the row is complemented and one is added at its lowest bit. The top bit is stored
    inverted and the constant corrects for that, so no row needs sign extension.
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
