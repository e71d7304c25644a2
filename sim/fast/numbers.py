# SPDX-License-Identifier: Apache-2.0
"""Convert codes of narrow formats to machine numbers and back, and describe rounding."""

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hw.spec import Flag, FloatAccumulator, Format, MacSpec, Overflow, Rounding
from sim.codes import NDArray, code_dtype
from sim.convert import decode, encode
from sim.vector.codes import FLAGS, Class, Unpacked, largest_units, unpack

#: Instead of a number of bits to drop: round to binary16 and back.
HALF = -1
#: The same, but overflow saturates at the largest binary16 value.
HALF_SATURATED, HALF_MAX = -2, 65504.0
#: Units place of a zero, below all others even after another place is added.
NOWHERE = -8192
#: The same in a byte; the sum of two also fits a byte.
LOWEST_PLACE = -64
#: Fraction bits of binary64.
FRACTION = 52


class Float64Rounding(NamedTuple):
    """Rounding of binary64 numbers.

    Attributes
    ----------
    drop
        Fraction bits to drop from a normal result.
    unit, per_unit, min_normal, largest
        Smallest subnormal and its reciprocal, smallest normal and largest finite result.
    beyond
        Result of an overflow: ``largest`` or infinity.
    nearest
        Whether to round to nearest even; else toward zero.
    flush
        Whether results below ``min_normal`` become zero.
    """

    drop: int
    unit: float
    per_unit: float
    min_normal: float
    largest: float
    beyond: float
    nearest: bool
    flush: bool


def float64_rounding(acc: FloatAccumulator) -> Float64Rounding:
    """Rounding of the sums of ``acc``."""
    fmt, nearest = acc.fmt, acc.rounding is Rounding.RNE
    infinite = nearest and acc.overflow is Overflow.INF
    return Float64Rounding(
        drop=FRACTION - fmt.man_bits,
        unit=2.0**fmt.lsb_exp,
        per_unit=2.0**-fmt.lsb_exp,
        min_normal=fmt.min_normal,
        largest=fmt.max,
        beyond=float("inf") if infinite else fmt.max,
        nearest=nearest,
        flush=not acc.subnormals,
    )


#: Widest code that has a table.
MAX_WIDTH = 16


@lru_cache(maxsize=64)
def values(fmt: Format) -> npt.NDArray[np.float64]:
    """Value of each code, infinities and NaN included."""
    table: npt.NDArray[np.float64] = decode(np.arange(1 << fmt.width, dtype=np.uint32), fmt)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=64)
def parts(fmt: Format) -> Unpacked:
    """Significand, exponent, sign and class of each code."""
    return unpack(np.arange(1 << fmt.width, dtype=np.int64), fmt)


def within(spec: MacSpec, lsb: int, top: int) -> bool:
    """Whether operands and products are multiples of ``2**lsb_exp`` and below ``2**top``."""
    a, b = (largest_units(fmt).bit_length() for fmt in (spec.a, spec.b))
    return (
        min(spec.a.lsb_exp, spec.b.lsb_exp, spec.product_lsb) >= lsb
        and max(a + spec.a.lsb_exp, b + spec.b.lsb_exp, a + b + spec.product_lsb) <= top
    )


def flags(a: NDArray, b: NDArray, spec: MacSpec) -> npt.NDArray[np.uint8]:
    """Flags of the sums of ``a`` (M, K) times ``b`` (K, N): the OR over all products."""
    result = np.zeros((a.shape[0], b.shape[1]), np.uint8)
    if not (spec.a.has_nan or spec.a.has_inf or spec.b.has_nan or spec.b.has_inf):
        return result
    x, y = parts(spec.a).classes[a], parts(spec.b).classes[b]
    if max(x.max(), y.max()) < Class.POS_INF:
        return result
    # A NaN operand always gives a NaN product.
    result[(x == Class.NAN).any(axis=1)[:, None] | (y == Class.NAN).any(axis=0)] = Flag.NAN
    for kind in Class:
        here = x == kind
        if kind is Class.NAN or not here.any():
            continue
        for bit in (Flag.POS_INF, Flag.NEG_INF):
            partners = FLAGS[kind][y] & bit
            if partners.any():
                # Number of products with this flag: exact below 2**24, otherwise at least not zero.
                count = here.astype(np.float32) @ (partners > 0).astype(np.float32)
                result |= (count > 0).astype(np.uint8) * np.uint8(bit)
    return result


#: Exponent bits, fraction bits and bias of binary32 and binary16.
SINGLE_FIELDS, HALF_FIELDS = (8, 23, 127), (5, 10, 15)


def dropped(fmt: Format) -> int | None:
    """Number of fraction bits by which ``fmt`` is shorter than binary32.

    `HALF` for binary16; None if the format has another exponent range.
    """
    if (fmt.exp_bits, fmt.man_bits, fmt.bias) == HALF_FIELDS:
        return HALF
    exp_bits, man_bits, bias = SINGLE_FIELDS
    same_range = (fmt.exp_bits, fmt.bias) == (exp_bits, bias) and fmt.man_bits <= man_bits
    return man_bits - fmt.man_bits if same_range else None


def exact_codes(numbers: npt.NDArray[np.floating[Any]], fmt: Format, nan_code: int) -> NDArray:
    """Codes of NaN and of numbers that are exact in ``fmt``, an IEEE 754 format.

    The codes may share the memory of binary32 numbers.
    """
    drop = dropped(fmt)
    # Checking the maximum for NaN is faster than checking every number.
    nan = np.isnan(numbers) if np.isnan(numbers.max()) else None
    codes: NDArray
    if drop == HALF:
        codes = numbers.astype(np.float16).view(np.uint16)
    elif drop is not None:
        bits = numbers.astype(np.float32, copy=False).view(np.uint32)
        codes = (bits >> drop if drop else bits).astype(code_dtype(fmt.width), copy=False)
    else:
        codes = encode(numbers if nan is None else np.where(nan, 0, numbers), fmt, saturate=False)
    if nan is not None:
        codes[nan] = nan_code
    return codes
