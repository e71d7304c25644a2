# SPDX-License-Identifier: Apache-2.0
"""Rounding to a format's significand, an array at a time: the numpy twin of `sim.integers.pack`."""

import numpy as np
import numpy.typing as npt

from hw.spec import Format, Overflow, Rounding

__all__ = ["MAX_BITS", "bit_length", "holds", "magnitude_codes", "overflow_code", "round_to",
           "shift_right"]

Ints = npt.NDArray[np.int64]

#: Bits of a magnitude that is rounded here, so that a shift by one more stays inside an int64.
MAX_BITS = 61


def holds(fmt: Format) -> bool:
    """Whether codes and significands of ``fmt`` leave the int64 arithmetic here room enough."""
    return fmt.width <= 62 and fmt.precision <= 55


def bit_length(value: Ints) -> Ints:
    """Bits of each ``value >= 0``, as `int.bit_length`."""
    # Without its second bit a number below 2**n cannot round up to 2**n on its way to a float.
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
        The rounded value is ``sig * 2**exp``, a multiple of ``2**fmt.lsb``; ``sig`` is 0 or from
        ``2**(precision - 1)`` to ``2**precision``, both ends included.
    """
    length = bit_length(magnitude)
    excess = length - fmt.precision
    drop = np.maximum(excess, fmt.lsb - exp)
    np.clip(drop, 0, length + 1, out=drop)
    sig = shift_right(magnitude, drop, rounding)
    sig <<= drop - excess
    return sig, exp + excess


def magnitude_codes(fmt: Format, sig: Ints, exp: Ints) -> Ints:
    """Codes, without sign, of values that `round_to` gave; above ``max_code`` if they overflow."""
    field = exp - fmt.lsb
    beyond = (fmt.max_code >> fmt.man_bits) + 2
    normal = (np.clip(field, 0, beyond) << fmt.man_bits) + sig
    codes = np.where(field >= 0, normal, sig >> np.clip(-field, 0, 62))
    codes[sig == 0] = 0
    if not fmt.subnormals:
        codes[codes < 1 << fmt.man_bits] = 0
    return codes


def overflow_code(fmt: Format, overflow: Overflow) -> int:
    """Code, without sign, of what lies beyond the largest finite value."""
    if overflow is Overflow.SATURATE:
        return fmt.max_code
    if fmt.inf_code is not None:
        return fmt.inf_code
    return fmt.max_code if fmt.nan_code is None else fmt.nan_code
