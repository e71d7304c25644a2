# SPDX-License-Identifier: Apache-2.0
"""Possible values of a floating-point accumulator and its terms; widths and features of the adder.

Only the unit writes its accumulator. So the accumulator holds only multiples of the unit of the
products, stops growing when a product is too small to change it, and has a single NaN. Such facts
let the adder omit logic. All of them follow from the spec.
"""

from dataclasses import dataclass
from functools import cached_property

from hw.mac.product import extreme_units
from hw.spec import Format, MacSpec, Overflow, Rounding


@dataclass(frozen=True, kw_only=True, slots=True)
class TermShape:
    """Form of the term that is added to the accumulator: its bits and their exponents.

    Attributes
    ----------
    bits
        Bits of the significand.
    low, high
        Lowest and highest exponent of the weight of its top bit.
    ragged
        Highest exponent at which the top bit of a term can be 0; None if it is always 1 (a flag
        then marks zero).
    leads
        Whether operands are shifted left until their significands start with a one.
    by_one
        Whether a product whose top bit is 0 is shifted left by one place.
    gates
        Rough cost of this form in two-input gates.
    """

    bits: int
    low: int
    high: int
    ragged: int | None
    leads: bool = False
    by_one: bool = False
    gates: int = 0


def term_shapes(spec: MacSpec) -> list[TermShape]:
    """Possible forms of the term."""
    a, b = spec.a, spec.b
    if spec.lanes > 1 or (a.is_integer and b.is_integer):
        bits = extreme_units(spec, spec.lanes).bit_length()
        top = spec.product_lsb + bits - 1
        return [TermShape(bits=bits, low=top, high=top, ragged=top)]
    bits = sig_bits(a) + sig_bits(b)
    low, high = _top(a, 0) + _top(b, 0), _top(a, _max_exp(a)) + _top(b, _max_exp(b)) + 1
    shapes = [TermShape(bits=bits, low=low + 1, high=high, ragged=high)]
    if not (a.is_integer or b.is_integer):
        ragged = max(_top(a, 0) + _top(b, _max_exp(b)), _top(a, _max_exp(a)) + _top(b, 0))
        shapes.append(
            TermShape(bits=bits, low=low, high=high, ragged=ragged, by_one=True, gates=3 * bits)
        )
    gates = 3 * bits + sum(n * (n - 1) for n in (sig_bits(f) for f in (a, b) if not leads(f)))
    low = sum(_top(fmt, 0) if leads(fmt) else fmt.lsb_exp for fmt in (a, b))
    shapes.append(
        TermShape(bits=bits, low=low, high=high, ragged=None, leads=True, by_one=True, gates=gates)
    )
    return shapes


def leads(fmt: Format) -> bool:
    """Whether the significand of every number except zero starts with a hidden one."""
    return not (fmt.is_integer or fmt.subnormals)


def sig_bits(fmt: Format) -> int:
    """Bits of a decoded significand."""
    return fmt.width if fmt.is_integer else fmt.precision


def _max_exp(fmt: Format) -> int:
    """Exponent of the largest number, relative to that of the smallest."""
    return fmt.unpack(fmt.max_code).exp


def _top(fmt: Format, exp: int) -> int:
    """Exponent of the weight of a significand's top bit."""
    return fmt.lsb_exp + exp + sig_bits(fmt) - 1


#: Rough cost of one more column, in two-input gates of aligner, adder and normaliser.
COLUMN_GATES = 30


class AlignWindow:
    """Facts about the step ``acc' = round(acc + term)`` of a `MacSpec`.

    The window has ``width`` columns, down from the top bit of the larger of accumulator and term.
    All bits below the window are combined into one sticky bit. Exponents are biased by ``bias``.
    """

    def __init__(self, spec: MacSpec):
        self.spec = spec
        self.fmt: Format = spec.acc.fmt
        self.shape = min(
            term_shapes(spec), key=lambda shape: shape.gates + COLUMN_GATES * self._width(shape)
        )

    # ---- what the accumulator can hold

    @cached_property
    def lsb_exp(self) -> int:
        """Every value in the accumulator is a multiple of ``2**lsb_exp``."""
        lsb = max(self.spec.product_lsb, self.fmt.lsb_exp)
        if self.overflows and not self.to_inf:
            # The largest number may have bits below the products' unit.
            return min(lsb, self.fmt.bias - self.fmt.man_bits)
        return lsb

    @cached_property
    def clamps(self) -> bool:
        """Whether a sum can lie below the smallest normal number."""
        return self.lsb_exp < 1 - self.fmt.bias

    @cached_property
    def top(self) -> int:
        """No finite sum exceeds ``2**top``.

        There, the products of a step are at most half a unit in the last place.
        """
        largest = extreme_units(self.spec, self.spec.lanes)
        return self.fmt.precision + (largest - 1).bit_length() + self.spec.product_lsb

    @cached_property
    def overflows(self) -> bool:
        """Whether a sum can lie beyond the largest finite number."""
        return self.top > self.fmt.bias

    @cached_property
    def to_inf(self) -> bool:
        """Whether a finite sum can become an infinity."""
        acc = self.spec.acc
        return self.overflows and acc.overflow is Overflow.INF and acc.rounding is Rounding.RNE

    @cached_property
    def inf_terms(self) -> bool:
        """Whether a term can be infinite."""
        return self.spec.a.has_inf or self.spec.b.has_inf

    @cached_property
    def nan_terms(self) -> bool:
        """Whether a term can be NaN."""
        return self.spec.a.has_nan or self.spec.b.has_nan

    @cached_property
    def has_special(self) -> bool:
        """Whether the accumulator can hold an infinity or NaN."""
        return self.to_inf or self.inf_terms or self.nan_terms

    @cached_property
    def has_negative(self) -> bool:
        """Whether a term can be negative."""
        return self.spec.a.signed or self.spec.b.signed

    @cached_property
    def has_minus_zero(self) -> bool:
        """Whether a sum that is not zero can round, or be flushed, to zero."""
        flushes = self.clamps and not self.spec.acc.subnormals
        return self.has_negative and (flushes or self.spec.product_lsb < self.fmt.lsb_exp)

    def holds(self, code: int) -> bool:
        """Whether the accumulator can hold ``code``; the set of these codes is closed."""
        fmt = self.fmt
        magnitude = code & ~fmt.sign_code
        if code != magnitude and not self.has_negative:
            return False
        if magnitude >= fmt.inf_code:
            known_inf = magnitude == fmt.inf_code and (self.to_inf or self.inf_terms)
            return known_inf or (code == fmt.nan_code and (self.inf_terms or self.nan_terms))
        if magnitude == 0:
            return code == 0 or self.has_minus_zero
        if not self.spec.acc.subnormals and magnitude < 1 << fmt.man_bits:
            return False
        _, _, sig, exp = fmt.unpack(magnitude)
        units = sig << exp
        return units % (1 << self.lsb_exp - fmt.lsb_exp) == 0 and (
            self.overflows or units <= 1 << self.top - fmt.lsb_exp
        )

    # ---- exponents

    @cached_property
    def exp_bits(self) -> int:
        """Exponent bits that are enough to distinguish all values of the accumulator.

        Zero and the special codes keep the exponent fields 0 and all ones. In any other number,
        each omitted bit is the inverse of the top bit.
        """
        fmt = self.fmt
        if self.clamps or self.overflows:
            return fmt.exp_bits
        half = 1 << fmt.exp_bits - 1
        return next(
            (
                bits
                for bits in range(2, fmt.exp_bits)
                if half - (1 << bits - 1) < self.lsb_exp + fmt.bias
                and self.top + fmt.bias < half + (1 << bits - 1) - self.has_special
            ),
            fmt.exp_bits,
        )

    @cached_property
    def bias(self) -> int:
        """Bias of an exponent of ``exp_bits`` bits."""
        return self.fmt.bias - (1 << self.fmt.exp_bits - 1) + (1 << self.exp_bits - 1)

    @cached_property
    def lowest_hidden(self) -> int:
        """Index of an exponent bit: a sum is normal if this bit or a higher one is set."""
        return 0 if self.clamps else (self.lsb_exp + self.bias).bit_length() - 1

    @cached_property
    def exponent_low(self) -> int:
        """Lowest exponent of a term's top bit."""
        return self.shape.low + self.bias

    @cached_property
    def exponent_high(self) -> int:
        """Highest exponent of a term's top bit."""
        return self.shape.high + self.bias

    @cached_property
    def exponent_bits(self) -> int:
        """Bits of a term's exponent in two's complement."""
        return signed_bits(self.exponent_low, self.exponent_high)

    @cached_property
    def distance_bits(self) -> int:
        """Bits of the difference of the exponents of accumulator and term, two's complement."""
        return signed_bits(
            self.clamps - self.exponent_high, (1 << self.exp_bits) - self.exponent_low
        )

    @cached_property
    def result_bits(self) -> int:
        """Bits of the exponent of a result, before overflow is treated."""
        if not self.overflows:
            return self.exp_bits
        return (max(self.exponent_high, (1 << self.exp_bits) - 1) + 2).bit_length()

    # ---- columns

    @cached_property
    def width(self) -> int:
        """Columns of the window."""
        return self._width(self.shape)

    def _width(self, shape: TermShape) -> int:
        """Columns for ``shape``.

        A sum with deep cancellation must be exact. Cancellation can be deep if the exponents differ
        by at most one, or if the term does not lead with a one. In other sums, three bits below the
        accumulator's last bit suffice.
        """
        return max(self.fmt.man_bits + 3, self._exact_columns(shape))

    def _exact_columns(self, shape: TermShape) -> int:
        """Columns that keep every sum with deep cancellation exact."""
        ragged = self.lsb_exp if shape.ragged is None else shape.ragged
        return max(self.fmt.man_bits + 2, shape.bits + 1, ragged - self.lsb_exp + 1)

    @cached_property
    def has_spare_column(self) -> bool:
        """Whether the last column is empty in every sum with deep cancellation."""
        return self.width > self._exact_columns(self.shape)

    @cached_property
    def is_narrow(self) -> bool:
        """Whether sums are exact if their sign is not that of the larger exponent's operand."""
        shape, precision = self.shape, self.fmt.precision
        ragged = self.lsb_exp if shape.ragged is None else shape.ragged
        below = self.clamps and self.spec.product_lsb < self.fmt.lsb_exp
        return shape.bits <= precision and ragged - self.lsb_exp < precision and not below

    @cached_property
    def special_stays(self) -> bool:
        """Whether no term can change a special code that is treated as a number."""
        distance = (1 << self.exp_bits) - 1 - self.exponent_high
        return self.spec.acc.rounding is Rounding.RNE and distance >= self.fmt.man_bits + 3


def signed_bits(low: int, high: int) -> int:
    """Bits of a two's complement number from ``low`` to ``high``."""
    return max((-low - 1).bit_length() if low < 0 else 0, high.bit_length() if high > 0 else 0) + 1
