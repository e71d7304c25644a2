# SPDX-License-Identifier: Apache-2.0
"""What operand codes mean and what their products are, from the definition of the formats alone."""

from functools import cache
from typing import NamedTuple

from hw.spec import FixedAccumulator, Format, Rounding, Specials


class Meaning(NamedTuple):
    """One code: its sign bit, and a magnitude ``sig * 2**(exp + fmt.lsb_exp)`` or a special."""

    negative: bool
    sig: int
    exp: int
    nan: bool = False
    inf: bool = False

    @property
    def units(self) -> int:
        """Magnitude in units of ``2**fmt.lsb_exp``."""
        return self.sig << self.exp


class Product(NamedTuple):
    """Exact product, ``(-1)**negative * sig * 2**(exp + a.lsb_exp + b.lsb_exp)``, or a special."""

    negative: bool
    sig: int
    exp: int
    nan: bool
    inf: bool

    @property
    def units(self) -> int:
        """Magnitude in units of ``2**(a.lsb_exp + b.lsb_exp)``."""
        return self.sig << self.exp


@cache
def meaning(fmt: Format, code: int) -> Meaning:
    """Meaning of a code. A special one has no magnitude."""
    sign_place = fmt.exp_bits + fmt.man_bits
    negative = fmt.signed and bool(code >> sign_place)
    if fmt.exp_bits == 0:
        return Meaning(negative, abs(code - (negative << fmt.width)), 0)
    magnitude = code % (1 << sign_place)
    field, man = divmod(magnitude, 1 << fmt.man_bits)
    nan, inf = _special(fmt, negative, field, man, magnitude)
    if nan or inf:
        return Meaning(negative, 0, 0, nan, inf)
    if field:
        return Meaning(negative, man + (1 << fmt.man_bits), field - 1)
    return Meaning(negative, man if fmt.subnormals else 0, 0)


def _special(
    fmt: Format, negative: bool, field: int, man: int, magnitude: int
) -> tuple[bool, bool]:
    """Whether a code is NaN, and whether it is infinite."""
    highest, last = (1 << fmt.exp_bits) - 1, (1 << fmt.exp_bits + fmt.man_bits) - 1
    match fmt.specials:
        case Specials.NONE:
            return False, False
        case Specials.IEEE:
            return field == highest and man != 0, field == highest and man == 0
        case Specials.FN:
            return magnitude == last, False
        case Specials.FNUZ | Specials.P3109 | Specials.P3109E:
            has_inf = fmt.specials is Specials.P3109E
            if not fmt.signed:
                return magnitude == last, has_inf and magnitude == last - 1
            return negative and magnitude == 0, has_inf and magnitude == last
    raise ValueError(f"Nothing is known of {fmt.specials}")


@cache
def products(a: Format, b: Format) -> tuple[Product, ...]:
    """Product of every pair of codes; pair ``code_a + code_b * 2**a.width`` has that index."""
    return tuple(
        _product(meaning(a, x), meaning(b, y))
        for y in range(1 << b.width)
        for x in range(1 << a.width)
    )


def _product(x: Meaning, y: Meaning) -> Product:
    """Product of two numbers, infinities or NaNs according to IEEE 754."""
    negative = x.negative != y.negative
    nan = (
        x.nan
        or y.nan
        or (x.inf and not y.inf and y.sig == 0)
        or (y.inf and not x.inf and x.sig == 0)
    )
    inf = (x.inf or y.inf) and not nan
    if nan or inf:
        return Product(negative, 0, 0, nan, inf)
    return Product(negative, x.sig * y.sig, x.exp + y.exp, False, False)


def rounded(acc: FixedAccumulator, product: Product, product_lsb: int) -> int:
    """Product in units of the accumulator, rounded."""
    coarser = acc.lsb_exp - product_lsb
    whole, rest = divmod(product.units << max(0, -coarser), 1 << max(0, coarser))
    if acc.rounding is Rounding.RNE:
        double = 2 * rest >> max(0, coarser)
        exact_half = 2 * rest == 1 << max(0, coarser)
        whole += whole % 2 if exact_half else double
    return -whole if product.negative else whole
