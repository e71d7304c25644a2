# SPDX-License-Identifier: Apache-2.0
"""Binary32 scales that an output stage is tried with: corners, and random ones."""

import numpy as np

from hw.spec import FixedAccumulator, OutputSpec

__all__ = ["CORNERS", "corner_scales", "near_float_ties", "near_ties", "random_scales"]

#: Zero, least and greatest subnormal, least normal, below and above one, two thirds, a power of
#: two, greatest finite, infinity, two NaN; each with both signs.
_MAGNITUDES = (0x00000000, 0x00000001, 0x007FFFFF, 0x00800000, 0x3F7FFFFF, 0x3F800000, 0x3F800001,
               0x3F2AAAAB, 0x3A000000, 0x7F7FFFFF, 0x7F800000, 0x7F800001, 0x7FC00000)
CORNERS = np.array([code | sign for code in _MAGNITUDES for sign in (0, 1 << 31)])
#: Of the significand of binary32.
FACTOR_BITS = 24


def corner_scales(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Every sum with every corner: both as flat arrays."""
    return np.tile(sums, len(CORNERS)), np.repeat(CORNERS, len(sums))


def random_scales(draw: np.random.Generator, count: int) -> np.ndarray:
    """Codes of binary32: any at all, near one, corners; a third of each."""
    near = 0x3F800000 + draw.integers(-1 << 27, 1 << 27, size=count)
    signs = draw.integers(0, 2, size=count) << 31
    codes = [draw.integers(0, 1 << 32, size=count), near | signs, draw.choice(CORNERS, size=count)]
    return np.choose(draw.integers(0, 3, size=count), codes)


def near_ties(draw: np.random.Generator, acc: FixedAccumulator,
              count: int) -> tuple[list[int], np.ndarray]:
    """Sums and scales whose product is a tie of five bits and less than a unit of the scale more.

    The scales have 24 bits, the last one set, so that of a wide sum only the very last bits of the
    product tell it from the tie.
    """
    factors = (draw.integers(1 << 23, 1 << 24, size=count) | 1).tolist()
    ties = (draw.integers(0, 8, size=count) * 2 + 17).tolist()
    sums = [-(-(tie << acc.width - 2 + 24 - 5) // factor) * sign for tie, factor, sign in
            zip(ties, factors, draw.choice([1, -1], size=count).tolist(), strict=True)]
    exponents = draw.integers(80, 160, size=count)
    return sums, exponents << 23 | np.array(factors) & (1 << 23) - 1


def near_float_ties(draw: np.random.Generator, spec: OutputSpec,
                    count: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes of a source in floating point and scales whose product is close to a tie.

    The scale is off by less than a power of two, so that each bit of the product decides now and
    then whether it is above the tie.
    """
    fmt, to = spec.source.fmt, spec.to
    bits = to.man_bits + 2
    # Few bits in one factor let few bits of the product remain below a tie.
    mans = draw.integers(0, 1 << fmt.man_bits, size=count)
    mans = (mans & -1 << draw.integers(0, fmt.man_bits, size=count)).tolist()
    fields = draw.integers(0, (1 << fmt.exp_bits) - 1, size=count)
    fields[::4] = 0
    ties = draw.integers(1 << bits - 1, 1 << bits, size=count) | 1
    scales = []
    for man, field, tie, off in zip(mans, fields.tolist(), ties.tolist(),
                                    draw.integers(-9, 20, size=count).clip(0).tolist(),
                                    strict=True):
        sig = man | 1 << fmt.man_bits if field else max(man, 1)
        places = next(k for k in range(64) if (tie << k) // sig >> FACTOR_BITS - 1)
        factor = -(-(tie << places) // sig) + int(draw.integers(-1 << off, 1 << off)) // 2
        scales.append(min(max(factor, 1 << FACTOR_BITS - 1), (1 << FACTOR_BITS) - 1))
    # The exponent brings the product to where the target has numbers.
    low, high = (0, bits) if to.is_integer else (1 - to.bias - to.man_bits, to.bias)
    exponents = np.clip(draw.integers(low, high, size=count) - (fields - fmt.bias) + 127, 1, 254)
    mantissas = np.array(scales) & (1 << FACTOR_BITS - 1) - 1
    signs = draw.integers(0, 2, size=count) * fmt.sign_code
    return fields << fmt.man_bits | mans | signs, exponents << FACTOR_BITS - 1 | mantissas
