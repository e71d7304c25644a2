# SPDX-License-Identifier: Apache-2.0
"""Matrix products with a floating-point accumulator, on binary32 or binary64 arithmetic.

Binary32: products of at most 24 bits within its range are exact, so that one addition (or a fused
multiply-add, which then has the same result) is one rounding. That is the accumulator fp32. A
shorter sum of p bits is rounded a second time; that is harmless if the product has no more than p
bits and ``24 >= 2 * p + 2``: an inexact sum then cannot come to lie on the middle between two
shorter numbers. Tests exhaust this for the pairs of 8-bit formats.

Binary64: where every term and sum is an integer of at most 53 bits in units of the product's lsb,
sums of any number of lanes are exact, and rounded once to any format with any option.
"""

import numpy as np
import numpy.typing as npt

from hw.spec import Flag, FloatAccumulator, Format, MacSpec, Overflow, Rounding
from sim.codes import Array, code_dtype
from sim.convert import encode
from sim.fast.kernels import kernels
from sim.fast.rounding import HALF, float64_rounding
from sim.fast.tables import largest_units, significand_bits, values, within
from sim.golden import special_code

__all__ = ["in_float32", "in_float64", "matmul"]

#: Binary32: bits of its significand, its lsb, and the power of two that its values are below.
SINGLE_BITS, SINGLE_LSB, SINGLE_TOP = 24, -149, 128
#: Exponent bits, fraction bits and bias of binary32 and binary16.
SINGLE, HALF_FIELDS = (8, 23, 127), (5, 10, 15)
#: Bits of the integers that binary64 holds, and powers of two that its normal values surpass.
DOUBLE_BITS, DOUBLE_LSB, DOUBLE_TOP = 53, -900, 900


def matmul(a: Array, b: Array, spec: MacSpec) -> Array | None:
    """Codes of the sums of ``a`` (M, K) times ``b`` (K, N), or None where neither type will do."""
    acc = spec.acc
    assert isinstance(acc, FloatAccumulator)
    if in_float32(spec):
        return _by_float32(a, b, spec, acc.fmt)
    if in_float64(spec, a.shape[1]):
        x, y = values(spec.a)[a], values(spec.b)[b]
        sums = kernels().stepwise(x, y, spec.lanes, float64_rounding(acc))
        return _canonical(_codes64(sums, acc.fmt), np.isnan(sums), acc.fmt)
    return None


def in_float32(spec: MacSpec) -> bool:
    """Whether binary32 additions, rounded again where the accumulator is shorter, will do."""
    acc = spec.acc
    assert isinstance(acc, FloatAccumulator)
    plain = (acc.rounding is Rounding.RNE and acc.overflow is Overflow.INF and acc.subnormals
             and spec.lanes == 1)
    bits = significand_bits(spec.a) + significand_bits(spec.b)
    exact = bits <= SINGLE_BITS and within(spec, SINGLE_LSB, SINGLE_TOP)
    drop, p = _drop(acc.fmt), acc.fmt.precision
    harmless = drop == 0 or (2 * p + 2 <= SINGLE_BITS and bits <= p)
    return plain and exact and drop is not None and harmless


def _drop(fmt: Format) -> int | None:
    """Bits by which ``fmt`` is shorter than binary32, `HALF` for binary16, None for others."""
    if (fmt.exp_bits, fmt.man_bits, fmt.bias) == HALF_FIELDS:
        return HALF
    exp_bits, man_bits, bias = SINGLE
    same_range = (fmt.exp_bits, fmt.bias) == (exp_bits, bias) and fmt.man_bits <= man_bits
    return man_bits - fmt.man_bits if same_range else None


def in_float64(spec: MacSpec, depth: int) -> bool:
    """Whether no sum of ``depth`` products, nor one before its rounding, needs more than 53 bits.

    Rounding to nearest at most doubles the bound: a step that is rounded up by more than the
    products it adds would have been rounded down.
    """
    acc, lsb = spec.acc, spec.product_lsb
    assert isinstance(acc, FloatAccumulator)
    product = largest_units(spec.a) * largest_units(spec.b)
    shift = acc.fmt.lsb - lsb
    limit = acc.fmt.max_units << shift if shift >= 0 else (acc.fmt.max_units >> -shift) + 1
    largest = min(2 * depth * product, limit) + spec.lanes * product
    fmt = acc.fmt
    return (largest <= 1 << DOUBLE_BITS and within(spec, DOUBLE_LSB, DOUBLE_TOP)
            and fmt.lsb >= DOUBLE_LSB and fmt.max_units.bit_length() + fmt.lsb <= DOUBLE_TOP
            and fmt.precision < DOUBLE_BITS)


def _by_float32(a: Array, b: Array, spec: MacSpec, fmt: Format) -> Array:
    """Codes of sums on binary32 arithmetic."""
    drop = _drop(fmt)
    assert drop is not None
    x, y = (values(side).astype(np.float32) for side in (spec.a, spec.b))
    sums = kernels().chain(a, b, x, y, drop)
    nan = np.isnan(sums)
    codes: Array
    if drop == HALF:
        codes = sums.astype(np.float16).view(np.uint16)
    else:
        codes = (sums.view(np.uint32) >> drop).astype(code_dtype(fmt.width))
    return _canonical(codes, nan, fmt)


def _codes64(sums: npt.NDArray[np.float64], fmt: Format) -> Array:
    """Codes of numbers that ``fmt`` has, or NaN."""
    codes: Array = encode(np.where(np.isnan(sums), 0, sums), fmt, saturate=False)
    return codes


def _canonical(codes: Array, nan: npt.NDArray[np.bool_], fmt: Format) -> Array:
    """Codes with the one NaN that the hardware gives."""
    if nan.any():
        codes[nan] = special_code(fmt, Flag.NAN)
    return codes
