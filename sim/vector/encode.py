# SPDX-License-Identifier: Apache-2.0
"""Integers times powers of two to codes, an array at a time, rounded to nearest even."""

import numpy as np
import numpy.typing as npt

from hw.spec import Format, Overflow, Rounding
from sim.vector.rounding import (
    MAX_BITS,
    bit_length,
    magnitude_codes,
    overflow_code,
    round_to,
    shift_right,
)

__all__ = ["encode_parts"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def encode_parts(magnitude: Ints, exp: Ints, negative: Bools, fmt: Format, overflow: Overflow, *,
                 zero_point: Ints | None = None) -> Ints:
    """Codes of ``magnitude * 2**exp`` with a sign; ``magnitude`` has `MAX_BITS` bits at most.

    ``zero_point`` is added to a rounded integer; no other format has one.
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


def _encode_integer(magnitude: Ints, exp: Ints, negative: Bools, fmt: Format,
                    zero_point: Ints | None) -> Ints:
    """Codes in a format without exponent: round to a unit, clamp, two's complement."""
    right = fmt.lsb - exp
    length = bit_length(magnitude)
    units = shift_right(magnitude, np.clip(right, 0, length + 1), Rounding.RNE)
    units <<= np.clip(-right, 0, MAX_BITS + 1 - length)
    # What would be shifted further has reached the top bit, which no format here holds.
    units = np.where(negative, -units, units)
    if zero_point is not None:
        units += zero_point
    return np.clip(units, fmt.min_units, fmt.max_units) & ((1 << fmt.width) - 1)
