# SPDX-License-Identifier: Apache-2.0
"""The accumulate loop of a floating-point sum with a small range, added in fixed point.

If the accumulator's largest number is not far above the unit of the products, no exponents need to
be compared. The accumulator is shifted to its place among fixed columns, the products are added,
and the sum is normalised and rounded. For INT8 products and an FP16 accumulator this is smaller
than the adder of an `AlignWindow`.
"""

from collections import Counter
from dataclasses import replace
from functools import cached_property

from amaranth import *

from hw.arith.add import add, extend
from hw.arith.columns import Columns
from hw.arith.shift import shift_right
from hw.mac.align_window import AlignWindow
from hw.mac.float_add import OldSum, Total, normalize_total, pack_sum, round_normal, unpack_sum
from hw.mac.float_term import Term
from hw.mac.product import extreme_units, fill_columns
from hw.mac.stages import delayed, delayed_fields
from hw.spec import FixedAccumulator

#: How many more columns than an `AlignWindow` still cost less than its comparison and selection.
SPARE_COLUMNS = 3


class FixedWindow:
    """Fixed columns that hold the accumulator plus all products of a step, and that addition."""

    def __init__(self, window: AlignWindow):
        self.window = window
        self.spec = window.spec

    @cached_property
    def lsb_exp(self) -> int:
        """Exponent of the lowest column's weight."""
        return min(self.window.lsb_exp, self.spec.product_lsb)

    @cached_property
    def width(self) -> int:
        """Number of columns: bits of the largest magnitude of a sum."""
        window = self.window
        if window.overflows:
            held = window.fmt.max_units << window.fmt.lsb_exp - min(
                window.fmt.lsb_exp, self.lsb_exp
            )
            held >>= max(self.lsb_exp - window.fmt.lsb_exp, 0)
        else:
            held = 1 << window.top - self.lsb_exp
        return (held + self._added).bit_length()

    @cached_property
    def _added(self) -> int:
        """Largest magnitude of a sum of the products of all lanes, in units of ``2**lsb_exp``."""
        return extreme_units(self.spec, self.spec.lanes) << self.spec.product_lsb - self.lsb_exp

    @cached_property
    def is_worth_it(self) -> bool:
        """Whether this circuit can be built and is smaller than that of the `AlignWindow`.

        It needs finite products, and no minus zero: a sum must be zero before rounding if it is
        zero after rounding.
        """
        window = self.window
        finite = not (window.inf_terms or window.nan_terms)
        # A mantissa and a guard bit below the leading one.
        rounds = self.width >= window.fmt.man_bits + 2
        small = self.width <= window.width + SPARE_COLUMNS
        return finite and rounds and small and not window.has_minus_zero

    def products(self, m: Module, a: Value, b: Value) -> Value:
        """Exact sum of the products of all lanes in two's complement, units of ``2**lsb_exp``."""
        columns = Columns(m, name="products")
        as_fixed = replace(
            self.spec, acc=FixedAccumulator(lsb_exp=self.lsb_exp, width=self.width + 1)
        )
        fill_columns(m, as_fixed, columns, a, b, {"product": 0, "term": 0})
        total = Signal(self._added.bit_length() + 1, name="term")
        m.d.comb += total.eq(Cat(*columns.reduce(0, len(total))))
        return total

    def next_sum(
        self, m: Module, code: Value, term: Value, first: Value, stages: Counter[str]
    ) -> Value:
        """Code of the accumulator plus ``term``, see `hw.mac.float_add.add_term`."""
        window = self.window
        old = unpack_sum(m, window, code, first)
        aligned = self._aligned(m, old, first)
        old = replace(old, sig=Const(0), exponent=Const(0))
        term, aligned = (
            delayed(m, value, stages["aligned"], name=f"aligned_{name}")
            for name, value in (("term", term), ("old", aligned))
        )
        old = delayed_fields(m, old, stages["aligned"], name="aligned_old")
        columns = Columns(m, name="window")
        # The top bit has negative weight: it is stored inverted, and the constant corrects it.
        columns.add_vector(0, Cat(term[:-1], ~term[-1]))
        columns.constant -= 1 << len(term) - 1
        columns.add_signed(aligned, old.sign)
        total = delayed(m, Cat(*columns.reduce(0, self.width + 1)), stages["total"], name="total")
        old = delayed_fields(m, old, stages["total"], name="total_old")
        negative = total[-1]
        total = Total(total[:-1] ^ negative.replicate(self.width), negative, Const(0))
        # `normalize_total` expects the exponent of the column below the top one.
        exponent = Const(self._top - 1, window.result_bits)
        total = normalize_total(m, window, total, exponent, spare=False)
        total, old = (
            delayed_fields(m, part, stages["normal"], name=name)
            for part, name in ((total, "normal"), (old, "normal_old"))
        )
        negative = total.short
        rounded = round_normal(m, window, total, narrow=False)
        sign = Signal(name="sum_sign")
        m.d.comb += sign.eq(Mux(old.special, old.sign, negative) if self._may_turn else negative)
        zero = Const(0)
        finite = Term(sign=zero, sig=zero, exponent=zero, zero=zero, nan=zero, inf=zero)
        return pack_sum(m, window, replace(rounded, infinite=old.special), sign, old, finite)

    @cached_property
    def _may_turn(self) -> bool:
        """Whether products can change the sign of an infinity that is added as a number."""
        return self._added.bit_length() + self.lsb_exp > self.window.fmt.bias + 1

    @cached_property
    def _top(self) -> int:
        """Exponent of the top column's weight, biased as in `AlignWindow`."""
        return self.lsb_exp + self.width - 1 + self.window.bias

    def _aligned(self, m: Module, old: OldSum, first: Value) -> Value:
        """Magnitude of the accumulator in the columns."""
        window = self.window
        lowest = max(window.lsb_exp + window.bias, 1)
        stages = (self._top - lowest).bit_length()
        sig = Cat(
            Const(0, max(self.width - len(old.sig), 0)), old.sig & ~first.replicate(len(old.sig))
        )
        # A wrong shift amount is harmless for a zero, and for an infinity: `pack_sum` encodes it
        # from ``special``.
        amount, _ = add(
            m,
            ~extend(old.exponent, stages),
            Const((self._top + 1) % (1 << stages), stages),
            Const(0),
            adder=self.spec.adder,
            name="amount",
        )
        moved, _ = shift_right(m, sig, amount, name="aligned")
        return moved[-self.width :]
