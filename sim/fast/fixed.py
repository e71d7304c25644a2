# SPDX-License-Identifier: Apache-2.0
"""Matrix products with a fixed-point accumulator.

Where no sum can leave the accumulator, or leaving it wraps, the order does not matter: a matrix
product of binary64 does it if no sum exceeds 53 bits, or, faster, slices of it in binary32 if sums
of enough products fit its 24 bits; accumulators of more than 63 bits take several. Else compiled
loops go in order of k on int64.
"""

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, Flag, MacSpec, Overflow, Rounding
from sim.codes import NDArray
from sim.fast import wide
from sim.fast.kernels import has_numba, kernels
from sim.fast.tables import largest_units, parts
from sim.vector.codes import FLAGS, Class
from sim.vector.fixed import INT_BITS, term_bits, wrap

__all__ = ["flags", "matmul"]

#: Widest accumulator whose sums an int64 holds; wider ones are Python integers.
MAX_WIDTH = 63
#: Integers up to here are exact in binary32 and binary64.
SINGLE, DOUBLE = 1 << 24, 1 << 53
#: Fewest products a slice for which binary32 is the faster way.
LEAST = 256


def matmul(a: NDArray, b: NDArray, spec: MacSpec) -> NDArray | None:
    """Sums of ``a`` (M, K) times ``b`` (K, N), or None where none of the ways will do."""
    acc = spec.acc
    assert isinstance(acc, FixedAccumulator)
    product = largest_units(spec.a) * largest_units(spec.b)
    finer, largest = spec.product_lsb - acc.lsb, a.shape[1] * product
    fits = finer >= 0 and largest << finer <= acc.max
    free = finer >= 0 and (acc.overflow is Overflow.WRAP or fits)
    if acc.width > MAX_WIDTH:
        return _wide(a, b, spec, wraps=not fits) if free else None
    if free and finer < MAX_WIDTH:
        if largest > DOUBLE:
            return None
        return wrap(_products(a, b, spec, SINGLE // product) << finer, acc.width)
    if has_numba() and acc.width <= INT_BITS and term_bits(spec, acc) < INT_BITS:
        return _in_order(a, b, spec, acc)
    return None


def _wide(a: NDArray, b: NDArray, spec: MacSpec, *, wraps: bool) -> NDArray:
    """Exact sums as Python integers in units of the accumulator."""
    assert isinstance(spec.acc, FixedAccumulator)
    sums, finer = wide.exact(a, b, spec), spec.product_lsb - spec.acc.lsb
    sums = sums << finer if finer else sums
    return wrap(sums, spec.acc.width) if wraps else sums


def _products(a: NDArray, b: NDArray, spec: MacSpec, depth: int) -> npt.NDArray[np.int64]:
    """Exact sums in units of the product; binary32 holds those of ``depth`` products."""
    single = depth >= min(LEAST, a.shape[1])
    dtype, depth = (np.float32, depth) if single else (np.float64, a.shape[1])
    x, y = (np.ldexp(table.sig.astype(dtype), table.exp.astype(np.int32))
            for table in (parts(spec.a), parts(spec.b)))
    sums = (kernels().exact(a[:, k:k + depth], b[k:k + depth], x, y)
            for k in range(0, a.shape[1], depth))
    total: npt.NDArray[np.int64] = next(sums).astype(np.int64)
    for part in sums:
        total += part.astype(np.int64)
    return total


def _in_order(a: NDArray, b: NDArray, spec: MacSpec, acc: FixedAccumulator) -> NDArray:
    """Sums brought into range after each group of lanes; products are rounded before."""
    from sim.fast.compiled import in_order

    return in_order(a, b, parts(spec.a), parts(spec.b), spec.lanes, acc.lsb - spec.product_lsb,
                    acc.rounding is Rounding.RNE, acc.overflow is Overflow.SATURATE, acc.width)


def flags(a: NDArray, b: NDArray, spec: MacSpec) -> npt.NDArray[np.uint8]:
    """Flags of the sums: those of all products, or-ed."""
    result = np.zeros((a.shape[0], b.shape[1]), np.uint8)
    if not (spec.a.has_nan or spec.a.has_inf or spec.b.has_nan or spec.b.has_inf):
        return result
    x, y = parts(spec.a).classes[a], parts(spec.b).classes[b]
    if max(x.max(), y.max()) < Class.POS_INF:
        return result
    # A NaN makes NaN of a product whatever the other operand is.
    result[(x == Class.NAN).any(axis=1)[:, None] | (y == Class.NAN).any(axis=0)] = Flag.NAN
    for kind in Class:
        found = x == kind
        if kind is Class.NAN or not found.any():
            continue
        for bit in (Flag.POS_INF, Flag.NEG_INF):
            partners = FLAGS[kind][y] & bit
            if partners.any():
                # Counts of products that raise this flag, exact below 2**24 or at least not zero.
                count = found.astype(np.float32) @ (partners > 0).astype(np.float32)
                result |= (count > 0).astype(np.uint8) * np.uint8(bit)
    return result
