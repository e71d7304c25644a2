# SPDX-License-Identifier: Apache-2.0
"""Unpack and pack arrays of codes.

`unpack` is the numpy version of `hw.spec.Format.unpack`. The rest is the numpy version of
`sim.integers.pack`: integers times powers of two are rounded and packed into codes.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import Flag, Format, Overflow, Rounding, Specials

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


class Class(IntEnum):
    """Class of an operand, which determines the flag of a product. Finite classes come first."""

    ZERO = 0
    POS = 1
    NEG = 2
    POS_INF = 3
    NEG_INF = 4
    NAN = 5


def _flags() -> npt.NDArray[np.uint8]:
    """Table of the flag of a product by the classes of its operands."""
    c = Class
    table = np.zeros((len(c), len(c)), dtype=np.uint8)
    for inf, flag in ((c.POS_INF, Flag.POS_INF), (c.NEG_INF, Flag.NEG_INF)):
        other = Flag(flag ^ Flag.NAN)
        for sign, product in ((c.POS, flag), (c.POS_INF, flag), (c.NEG, other), (c.NEG_INF, other)):
            table[inf, sign] = table[sign, inf] = product
        table[inf, c.ZERO] = table[c.ZERO, inf] = Flag.NAN
    table[c.NAN, :] = table[:, c.NAN] = Flag.NAN
    return table


#: ``FLAGS[class of a, class of b]`` is the `Flag` of the product.
FLAGS = _flags()
#: `Flag` of a value by its `Class`.
CLASS_FLAGS = np.array([Flag.FINITE] * 3 + [Flag.POS_INF, Flag.NEG_INF, Flag.NAN], np.uint8)


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Unpacked codes. A finite value is ``sig * 2**(exp + lsb_exp)`` with ``exp >= 0``.

    Attributes
    ----------
    sig, exp
        As in `hw.spec.Unpacked`, int64.
    negative
        Sign bit, including zeros and infinities.
    classes
        `Class`, uint8.
    """

    sig: Ints
    exp: Ints
    negative: Bools
    classes: npt.NDArray[np.uint8]

    def __getitem__(self, index: Any) -> "Unpacked":
        """Index all arrays."""
        return Unpacked(self.sig[index], self.exp[index], self.negative[index], self.classes[index])

    @property
    def special(self) -> Bools:
        """Mask of values that are infinite or NaN."""
        return self.classes >= Class.POS_INF


def unpack(codes: Ints, fmt: Format) -> Unpacked:
    """Unpack checked codes of at most 63 bits."""
    if fmt.is_integer:
        sig = codes - ((codes & fmt.sign_code) << 1)
        return Unpacked(sig, np.zeros_like(sig), sig < 0, _classes(sig, sig < 0))
    negative = (codes & fmt.sign_code) != 0
    magnitude = codes & ~fmt.sign_code
    field = magnitude >> fmt.man_bits
    sig = magnitude & ((1 << fmt.man_bits) - 1)
    sig |= (field > 0).astype(np.int64) << fmt.man_bits
    if not fmt.subnormals:
        sig[field == 0] = 0
    exp = np.maximum(field, 1) - 1
    inf, nan = _specials(codes, magnitude, fmt)
    special = inf | nan
    sig[special] = exp[special] = 0
    negative = negative & ~nan
    classes = _classes(sig, negative)
    classes[inf] = np.where(negative[inf], Class.NEG_INF, Class.POS_INF)
    classes[nan] = Class.NAN
    return Unpacked(np.where(negative, -sig, sig), exp, negative, classes)


def _classes(sig: Ints, negative: Bools) -> npt.NDArray[np.uint8]:
    """Classes of finite values."""
    sign = np.where(negative, Class.NEG, Class.POS).astype(np.uint8)
    return np.where(sig == 0, Class.ZERO, sign).astype(np.uint8)


def _specials(codes: Ints, magnitude: Ints, fmt: Format) -> tuple[Bools, Bools]:
    """Masks of the infinite and of the NaN codes of a format with exponent bits."""
    none = np.zeros(codes.shape, dtype=np.bool_)
    inf = none if fmt.inf_code is None else magnitude == fmt.inf_code
    match fmt.specials:
        case Specials.NONE:
            nan = none
        case Specials.IEEE | Specials.FN:
            nan = (magnitude > fmt.max_code) & ~inf
        case _:
            nan = codes == fmt.nan_code
    return inf, nan


def largest_units(fmt: Format) -> int:
    """Largest magnitude of a finite value, in units of ``2**fmt.lsb_exp``."""
    return max(fmt.max_units, -fmt.min_units)


def significand_bits(fmt: Format) -> int:
    """Bits of the largest significand; -128 in int8 has eight."""
    return max(fmt.precision, largest_units(fmt).bit_length() if fmt.is_integer else 0)


#: Most bits of a magnitude to round, so that one more left shift still fits an int64.
MAX_BITS = 61


def holds(fmt: Format) -> bool:
    """Whether codes and significands of ``fmt`` fit the int64 arithmetic here."""
    return fmt.width <= 62 and fmt.precision <= 55


def bit_length(value: Ints) -> Ints:
    """Bit length of each ``value >= 0``, like `int.bit_length`."""
    # With its second bit cleared, a number below 2**n cannot round up to 2**n as a float.
    leading = (value & ~(value >> 1)).astype(np.float64)
    length: Ints = (leading.view(np.int64) >> 52) - 1022
    return np.maximum(length, 0, out=length)


def shift_right(value: Ints, shift: Ints | int, rounding: Rounding) -> Ints:
    """Compute ``value / 2**shift`` rounded to an integer; 0 <= shift <= 62, value >= 0."""
    quotient: Ints = value >> shift
    if rounding is Rounding.RNE:
        twice_rest = (value - (quotient << shift)) << 1
        quotient += twice_rest + (quotient & 1) > np.int64(1) << shift
    return quotient


def round_to(fmt: Format, magnitude: Ints, exp: Ints, rounding: Rounding) -> tuple[Ints, Ints]:
    """Round ``magnitude * 2**exp`` to a significand and exponent of ``fmt``, unbounded above.

    Returns
    -------
    sig, exp
        The rounded value is ``sig * 2**exp``, a multiple of ``2**fmt.lsb_exp``; ``sig`` is 0 or
        from ``2**(precision - 1)`` to ``2**precision``, both ends included.
    """
    length = bit_length(magnitude)
    excess = length - fmt.precision
    drop = np.maximum(excess, fmt.lsb_exp - exp)
    np.clip(drop, 0, length + 1, out=drop)
    sig = shift_right(magnitude, drop, rounding)
    sig <<= drop - excess
    return sig, exp + excess


def magnitude_codes(fmt: Format, sig: Ints, exp: Ints) -> Ints:
    """Unsigned codes of the results of `round_to`; above ``max_code`` if they overflow."""
    field = exp - fmt.lsb_exp
    beyond = (fmt.max_code >> fmt.man_bits) + 2
    normal = (np.clip(field, 0, beyond) << fmt.man_bits) + sig
    codes = np.where(field >= 0, normal, sig >> np.clip(-field, 0, 62))
    codes[sig == 0] = 0
    if not fmt.subnormals:
        codes[codes < 1 << fmt.man_bits] = 0
    return codes


def overflow_code(fmt: Format, overflow: Overflow) -> int:
    """Unsigned code of an overflow."""
    if overflow is Overflow.SATURATE:
        return fmt.max_code
    if fmt.inf_code is not None:
        return fmt.inf_code
    return fmt.max_code if fmt.nan_code is None else fmt.nan_code


def encode_parts(
    magnitude: Ints,
    exp: Ints,
    negative: Bools,
    fmt: Format,
    overflow: Overflow,
    *,
    zero_point: Ints | None = None,
) -> Ints:
    """Codes of ``magnitude * 2**exp`` with a sign. ``magnitude`` has at most `MAX_BITS` bits.

    ``zero_point`` is added to rounded integers; other formats have none.
    """
    if fmt.is_integer:
        return _encode_integer(magnitude, exp, negative, fmt, zero_point)
    if not fmt.signed:
        magnitude = np.where(negative, 0, magnitude)
    sig, exp = round_to(fmt, magnitude, exp, Rounding.RNE)
    codes = magnitude_codes(fmt, sig, exp)
    beyond = codes > fmt.max_code
    highest = overflow_code(fmt, overflow)
    codes[beyond] = highest
    signed = negative & ((codes > 0) | fmt.has_minus_zero)
    if highest == fmt.nan_code:
        signed &= ~beyond
    codes[signed] |= fmt.sign_code
    return codes


def _encode_integer(
    magnitude: Ints, exp: Ints, negative: Bools, fmt: Format, zero_point: Ints | None
) -> Ints:
    """Codes in a format without exponent: round, clamp, two's complement."""
    right = fmt.lsb_exp - exp
    length = bit_length(magnitude)
    units = shift_right(magnitude, np.clip(right, 0, length + 1), Rounding.RNE)
    units <<= np.clip(-right, 0, MAX_BITS + 1 - length)
    # The left shift stops at the top bit; such a magnitude is above the range of any format here.
    units = np.where(negative, -units, units)
    if zero_point is not None:
        units += zero_point
    return np.clip(units, fmt.min_units, fmt.max_units) & ((1 << fmt.width) - 1)
