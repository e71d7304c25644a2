# SPDX-License-Identifier: Apache-2.0
"""MAC with a fixed-point accumulator: INT32 and exact (Kulisch) accumulation are the same unit."""

from amaranth import *

from hw.arith.add import add_signed_magnitude, step_by_one
from hw.arith.columns import Columns
from hw.arith.multiply import booth_rows
from hw.arith.round import drop_bits
from hw.arith.shift import shift_left
from hw.mac.product import Product, multiply
from hw.mac.stages import delayed
from hw.mac.unit import MacUnit
from hw.spec import Overflow

__all__ = ["FixedMac"]


class FixedMac(MacUnit):
    """``o_data += sum(a * b)`` over the lanes, in units of ``2**spec.acc.lsb``.

    Integers are multiplied by Booth rows that share their adder tree with the accumulator. All
    other pairs are multiplied as significands, aligned, rounded if the accumulator's lsb is coarser
    than the product's, and added as signed magnitudes.
    """

    @property
    def _fused(self) -> bool:
        """Whether the products are added as Booth rows."""
        spec = self._spec
        return spec.a.is_integer and spec.b.is_integer and spec.acc.lsb <= spec.product_lsb

    @property
    def stage_points(self) -> tuple[str, ...]:
        """Registers behind the multiplier, then behind the aligner; Booth rows have neither."""
        return ("operand",) if self._fused else ("product", "term", "operand")

    def next_sum(self, m, a, b, first, stages):
        """Sum of the accumulator and the lanes' products."""
        acc = self._spec.acc
        saturates = acc.overflow is Overflow.SATURATE
        old = Signal(acc.width + saturates)
        m.d.comb += old.eq(Mux(first, 0, self.o_data.as_signed()))
        add = self._add_integers if self._fused else self._add_products
        total, flags = add(m, old, a, b, stages)
        return (_saturate(m, total) if saturates else total), flags

    def _add_integers(self, m, old, a, b, stages):
        """Booth rows of every lane and the accumulator in one tree; the bits above step by one."""
        spec = self._spec
        columns = Columns(m, name="sum")
        for lane, (x, y) in enumerate(self.operand_pairs(a, b)):
            x, y = (_signed(code, fmt) for code, fmt in ((x, spec.a), (y, spec.b)))
            longer, shorter = (x, y) if len(x) >= len(y) else (y, x)
            booth_rows(m, columns, longer, shorter, name=f"lane{lane}",
                       weight=spec.product_lsb - spec.acc.lsb)
        return _sum_columns(m, columns, old), None

    def _add_products(self, m, old, a, b, stages):
        """Aligned products as signed magnitudes: one is added directly, several through a tree."""
        lanes = [multiply(m, self._spec, x, y, name=f"lane{lane}")
                 for lane, (x, y) in enumerate(self.operand_pairs(a, b))]
        flags = Signal(self._spec.flag_bits)
        for product in lanes:
            flags = flags | product.flags
        terms = [self._align(m, product, stages, name=f"lane{lane}")
                 for lane, product in enumerate(lanes)]
        if len(terms) == 1:
            return add_signed_magnitude(m, old, *terms[0], name="sum"), flags
        columns = Columns(m, name="sum")
        for magnitude, sign in terms:
            columns.add_signed(magnitude, sign)
        return _sum_columns(m, columns, old), flags

    def _align(self, m: Module, product: Product, stages: dict[str, int], *, name: str):
        """Magnitude in units of ``2**acc.lsb``, and sign."""
        spec = self._spec
        sig, exp, sign = (delayed(m, value, stages["product"], name=f"{name}_{part}")
                          for part, value in (("sig", product.sig), ("exp", product.exp),
                                              ("sign", product.sign)))
        extreme = max(abs(x * y) for x in (spec.a.min_units, spec.a.max_units)
                      for y in (spec.b.min_units, spec.b.max_units))
        magnitude = shift_left(m, sig, exp, base=product.base, width=extreme.bit_length(),
                               name=f"{name}_aligned")
        coarser = spec.acc.lsb - spec.product_lsb
        if coarser > 0:
            magnitude = drop_bits(m, magnitude, coarser, spec.acc.rounding, name=f"{name}_rounded")
        elif coarser < 0:
            magnitude = Cat(Const(0, -coarser), magnitude)
        return (delayed(m, magnitude, stages["term"], name=f"{name}_term"),
                delayed(m, sign, stages["term"], name=f"{name}_term_sign"))


def _signed(code: Value, fmt) -> Value:
    """Integer code as two's complement."""
    return code if fmt.signed else Cat(code, Const(0, 1))


def _sum_columns(m: Module, columns: Columns, old: Value) -> Value:
    """Sum of the columns and of ``old``, modulo ``2**len(old)``.

    Above the highest column only the carries out of it and the constant are left. Where these come
    to one step up or down, the bits of ``old`` are stepped; else they join the tree.
    """
    top = min(columns.top, len(old))
    columns.add_vector(0, old[:top])
    low = columns.reduce(0, top)
    carries, constant = columns.at(top), columns.constant >> top
    total = Signal(len(old), name="total")
    match len(carries), constant:
        case 2, -1:
            step = ~(carries[0] ^ carries[1]), ~carries[0]
        case 1, 0:
            step = carries[0], Const(0)
        case 1, -1:
            step = ~carries[0], Const(1)
        case _:
            columns.add_vector(top, old[top:])
            m.d.comb += total.eq(Cat(*low, *columns.reduce(top, len(old))))
            return total
    high = step_by_one(m, old[top:], *step, name="guard")
    m.d.comb += total.eq(Cat(*low, high))
    return total


def _saturate(m: Module, total: Value) -> Value:
    """``total`` without its top bit, held at the extremes of what is left."""
    sign, overflow = Signal(name="total_sign"), Signal(name="overflow")
    m.d.comb += [sign.eq(total[-1]), overflow.eq(total[-1] ^ total[-2])]
    width = len(total) - 1
    extreme = Cat((~sign).replicate(width - 1), sign)
    return Mux(overflow, extreme, total[:width])
