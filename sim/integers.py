# SPDX-License-Identifier: Apache-2.0
"""Rounding, overflow and packing in exact Python integers. This is the reference."""

import math
from fractions import Fraction

from hw.spec import FixedAccumulator, Format, Overflow, Rounding
from hw.spec.errors import require

#: A real number with an exact value.
Number = int | float | Fraction


def shift_right(value: int, shift: int, rounding: Rounding = Rounding.RNE) -> int:
    """Compute ``value / 2**shift`` rounded to an integer; a negative shift multiplies exactly."""
    if shift <= 0:
        return value << -shift
    magnitude = abs(value)
    quotient = magnitude >> shift
    twice_rest = magnitude - (quotient << shift) << 1
    if rounding is Rounding.RNE and twice_rest + (quotient & 1) > 1 << shift:
        quotient += 1
    return -quotient if value < 0 else quotient


def fit(value: int, acc: FixedAccumulator) -> int:
    """Bring a sum in units of ``2**acc.lsb_exp`` into the accumulator's range: wrap or saturate."""
    if acc.overflow is Overflow.SATURATE:
        return min(max(value, acc.min), acc.max)
    return (value - acc.min) % (1 << acc.width) + acc.min


def pack(
    value: int,
    lsb: int,
    fmt: Format,
    *,
    rounding: Rounding = Rounding.RNE,
    overflow: Overflow = Overflow.INF,
    subnormals: bool = True,
    minus_zero: bool = False,
) -> int:
    """Round ``value * 2**lsb_exp`` once and return its code in ``fmt``.

    The value is rounded as if the exponent had no upper bound, then compared with the largest
    finite value (OFP8 rev. 1.0, table 3).

    Parameters
    ----------
    value, lsb
        Exact value, an integer in units of ``2**lsb_exp``.
    fmt
        Format of the code.
    rounding
        To nearest even or toward zero. Rounding toward zero never gives infinity (IEEE 754).
    overflow
        INF: infinity where the format has one, else NaN, else the largest finite value. SATURATE:
        the largest finite value.
    subnormals
        If false, or if ``fmt`` has none, a rounded result below the smallest normal becomes zero.
    minus_zero
        Whether a ``value`` of 0 stands for minus zero.

    Notes
    -----
    A negative value that rounds to zero gives minus zero if the format has it. In an unsigned
    format, all negative values give zero.
    """
    negative = value < 0 or (value == 0 and minus_zero)
    if negative and not fmt.signed:
        return 0
    if fmt.is_integer:
        units = shift_right(value, fmt.lsb_exp - lsb, rounding)
        return min(max(units, fmt.min_units), fmt.max_units) % (1 << fmt.width)
    magnitude = abs(value)
    exp = max(magnitude.bit_length() + lsb - fmt.precision - fmt.lsb_exp, 0) if magnitude else 0
    sig = shift_right(magnitude, exp + fmt.lsb_exp - lsb, rounding)
    # If there is a hidden bit, adding it increments the exponent field.
    code = (exp << fmt.man_bits) + sig
    if code > fmt.max_code:
        return _beyond(fmt, negative, overflow if rounding is Rounding.RNE else Overflow.SATURATE)
    if not (subnormals and fmt.subnormals) and code < 1 << fmt.man_bits:
        code = 0
    return code | (fmt.sign_code if negative and (code or fmt.has_minus_zero) else 0)


def _beyond(fmt: Format, negative: bool, overflow: Overflow) -> int:
    """Code of a value that overflows."""
    sign = fmt.sign_code if negative else 0
    if overflow is Overflow.SATURATE:
        return fmt.max_code | sign
    if fmt.inf_code is not None:
        return fmt.inf_code | sign
    return fmt.max_code | sign if fmt.nan_code is None else fmt.nan_code


def encode(value: Number, fmt: Format, *, saturate: bool = True) -> int:
    """Code of one real number, rounded to nearest even; the scalar version of `sim.encode`."""
    overflow = Overflow.SATURATE if saturate else Overflow.INF
    if value != value:
        require(fmt.nan_code is not None, f"Value for {fmt.name}", "a number", float(value))
        return fmt.nan_code or 0
    if abs(value) == math.inf:
        return infinite(fmt, value < 0, overflow)
    minus_zero = value == 0 and math.copysign(1, value) < 0
    return pack(*_units(value, fmt), fmt, overflow=overflow, minus_zero=minus_zero)


def infinite(fmt: Format, negative: bool, overflow: Overflow) -> int:
    """Code of an infinity."""
    if fmt.is_integer or (negative and not fmt.signed):
        return (fmt.min_units if negative else fmt.max_units) % (1 << fmt.width)
    return _beyond(fmt, negative, overflow)


def _units(value: Number, fmt: Format) -> tuple[int, int]:
    """``(units, lsb)`` of a finite number: exact, or precise enough to round correctly in ``fmt``.

    A fraction that has no finite binary expansion is truncated two bits below the format's lsb, and
    its last bit is set (sticky), so that it stays on the same side of every midpoint.
    """
    numerator, denominator = value.as_integer_ratio()
    places = denominator.bit_length() - 1
    if denominator == 1 << places:
        return numerator, -places
    places = max(2 - fmt.lsb_exp, 0)
    quotient, rest = divmod(abs(numerator) << places, denominator)
    units = quotient | (rest > 0)
    return -units if numerator < 0 else units, -places
