# SPDX-License-Identifier: Apache-2.0
"""How a binary64 number is rounded to a shorter format, in numbers that a kernel takes."""

from typing import NamedTuple

from hw.spec import FloatAccumulator, Overflow, Rounding

__all__ = ["HALF", "HALF_MAX", "HALF_SATURATED", "LOWEST_PLACE", "NOWHERE", "Float64Rounding",
           "float64_rounding"]

#: In place of a number of bits to drop: round to binary16 and back.
HALF = -1
#: The same, what overflows staying at binary16's largest value.
HALF_SATURATED, HALF_MAX = -2, 65504.0
#: Units place of a zero: below all others, also when another place is added to it.
NOWHERE = -8192
#: The same in a byte: two of them add up to a byte, too.
LOWEST_PLACE = -64
#: Fraction bits of binary64.
FRACTION = 52


class Float64Rounding(NamedTuple):
    """Rounding of binary64 numbers.

    Attributes
    ----------
    drop
        Fraction bits that a normal result does not have.
    unit, min_normal, largest
        Smallest subnormal, smallest normal and largest finite result.
    beyond
        Result of an overflow: ``largest`` or infinity.
    nearest
        Round to nearest even; else toward zero.
    flush
        Whether results below ``min_normal`` become zero.
    """

    drop: int
    unit: float
    min_normal: float
    largest: float
    beyond: float
    nearest: bool
    flush: bool


def float64_rounding(acc: FloatAccumulator) -> Float64Rounding:
    """Rounding of ``acc``'s sums."""
    fmt, nearest = acc.fmt, acc.rounding is Rounding.RNE
    infinite = nearest and acc.overflow is Overflow.INF
    return Float64Rounding(
        drop=FRACTION - fmt.man_bits, unit=2.0**fmt.lsb, min_normal=fmt.min_normal,
        largest=fmt.max, beyond=float("inf") if infinite else fmt.max, nearest=nearest,
        flush=not acc.subnormals)
