# SPDX-License-Identifier: Apache-2.0
"""Matrix products with a floating-point accumulator, in binary32 or binary64 arithmetic.

Binary32: products of at most 24 bits within its range are exact, so one addition (or a fused
multiply-add, which gives the same result) rounds once. This is the accumulator fp32. Shorter sums
of p bits are rounded a second time. This double rounding is harmless if products have at most p
bits and ``24 >= 2 * p + 2``: an inexact sum then cannot land on the midpoint between two p-bit
numbers. Tests check this exhaustively for pairs of 8-bit formats.

Binary64: if every term and sum is an integer of at most 53 bits in units of the product's lsb, sums
over any number of lanes are exact, and can be rounded once to any format with any option.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from hw.spec import Flag, FloatAccumulator, MacSpec, Overflow, Rounding
from sim.codes import NDArray
from sim.fast.kernels import kernels
from sim.fast.numbers import (
    HALF,
    HALF_SATURATED,
    dropped,
    exact_codes,
    float64_rounding,
    values,
    within,
)
from sim.golden import special_code
from sim.vector.codes import largest_units, significand_bits

#: Binary32: significand bits, exponent of the lsb, and exponent that all values are below.
SINGLE_BITS, SINGLE_LSB, SINGLE_TOP = 24, -149, 128
#: Bits of exact integers in binary64, and limits of the exponents of its normal values.
DOUBLE_BITS, DOUBLE_LSB, DOUBLE_TOP = 53, -900, 900


def matmul(a: NDArray, b: NDArray, spec: MacSpec) -> NDArray | None:
    """Codes of the sums of ``a`` (M, K) times ``b`` (K, N), or None if neither type fits."""
    acc = spec.acc
    assert isinstance(acc, FloatAccumulator)
    sums = _singles(a, b, spec)
    if sums is None and in_float64(spec, a.shape[1]):
        sums = kernels().stepwise(
            values(spec.a)[a], values(spec.b)[b], spec.lanes, float64_rounding(acc)
        )
    return None if sums is None else exact_codes(sums, acc.fmt, special_code(acc.fmt, Flag.NAN))


def chain_operands(spec: MacSpec) -> tuple[tuple[NDArray, NDArray], int] | None:
    """Tables of the operands and bits to drop for `Kernels.chain`; None if it does not fit."""
    acc = spec.acc
    assert isinstance(acc, FloatAccumulator)
    drop = dropped(acc.fmt)
    if drop is None or not in_float32(spec):
        return None
    x, y = (values(side).astype(np.float32) for side in (spec.a, spec.b))
    return (x, y), drop


def _singles(a: NDArray, b: NDArray, spec: MacSpec) -> NDArray | None:
    """Sums in binary32, or None if binary32 does not fit.

    Saturating sums are computed without saturation. If one overflows, it stays infinite, which
    shows at the end.
    """
    acc, saturates = spec.acc, False
    assert isinstance(acc, FloatAccumulator)
    if acc.overflow is Overflow.SATURATE:
        spec, saturates = _infinite(spec), True
    fitting = chain_operands(spec)
    if fitting is None:
        return None
    (x, y), drop = fitting
    if saturates and drop == HALF:
        if not (np.isfinite(x)[a].all() and np.isfinite(y)[b].all()):
            return None
        drop = HALF_SATURATED
    sums: NDArray = kernels().chain(a, b, x, y, drop)
    return None if saturates and not np.isfinite(sums).all() else sums


@lru_cache
def _infinite(spec: MacSpec) -> MacSpec:
    """The unit with overflow to infinity."""
    assert isinstance(spec.acc, FloatAccumulator)
    return replace(spec, acc=replace(spec.acc, overflow=Overflow.INF))


@lru_cache
def in_float32(spec: MacSpec) -> bool:
    """Whether binary32 additions give correct sums, rounded again for shorter accumulators."""
    acc = spec.acc
    assert isinstance(acc, FloatAccumulator)
    plain = (
        acc.rounding is Rounding.RNE
        and acc.overflow is Overflow.INF
        and acc.subnormals
        and spec.lanes == 1
    )
    bits = significand_bits(spec.a) + significand_bits(spec.b)
    exact = bits <= SINGLE_BITS and within(spec, SINGLE_LSB, SINGLE_TOP)
    drop, p = dropped(acc.fmt), acc.fmt.precision
    harmless = drop == 0 or (2 * p + 2 <= SINGLE_BITS and bits <= p)
    return plain and exact and drop is not None and harmless


@lru_cache
def in_float64(spec: MacSpec, depth: int) -> bool:
    """Whether all sums of ``depth`` products, before and after rounding, fit 53 bits.

    Rounding to nearest at most doubles the bound: a step never rounds up by more than the products
    that it adds, else it would round down.
    """
    acc, lsb = spec.acc, spec.product_lsb
    assert isinstance(acc, FloatAccumulator)
    product = largest_units(spec.a) * largest_units(spec.b)
    shift = acc.fmt.lsb_exp - lsb
    limit = acc.fmt.max_units << shift if shift >= 0 else (acc.fmt.max_units >> -shift) + 1
    largest = min(2 * depth * product, limit) + spec.lanes * product
    fmt = acc.fmt
    return (
        largest <= 1 << DOUBLE_BITS
        and within(spec, DOUBLE_LSB, DOUBLE_TOP)
        and fmt.lsb_exp >= DOUBLE_LSB
        and fmt.max_units.bit_length() + fmt.lsb_exp <= DOUBLE_TOP
        and fmt.precision < DOUBLE_BITS
    )
