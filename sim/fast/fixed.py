# SPDX-License-Identifier: Apache-2.0
"""Matrix products with a fixed-point accumulator.

If no sum can overflow, or overflow wraps, the order of additions does not matter. Then a binary64
matrix product is exact if no sum exceeds 53 bits. Slices in binary32 are faster, if the sums of
enough products fit its 24 bits. Sums of more than 63 bits, such as those of E5M2, use one matrix
product for each pair of digits of the operands: tables give the digits of a code, carries are in
int64, and only the two halves of each sum are joined in Python integers. Otherwise, compiled loops
add in order of k in int64.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, MacSpec, Overflow
from sim.codes import NDArray
from sim.fast.kernels import kernels
from sim.fast.numbers import parts
from sim.vector.codes import largest_units
from sim.vector.fixed import FLOAT_BITS, INT_BITS, digits, term_bits, wrap

Ints = npt.NDArray[np.int64]
#: Widest accumulator whose sums fit int64; wider ones use Python integers.
MAX_WIDTH = 63
#: Integers up to these limits are exact in binary32 and binary64.
SINGLE, DOUBLE = 1 << 24, 1 << 53
#: Fewest products per slice for which binary32 is faster.
LEAST = 256
#: Bits of the lower half of a wide sum.
LOW_BITS = 62


def matmul(a: NDArray, b: NDArray, spec: MacSpec) -> NDArray | None:
    """Sums of ``a`` (M, K) times ``b`` (K, N), or None if no method fits."""
    acc = spec.acc
    assert isinstance(acc, FixedAccumulator)
    product = largest_units(spec.a) * largest_units(spec.b)
    finer, largest = spec.product_lsb - acc.lsb_exp, a.shape[1] * product
    fits = finer >= 0 and largest << finer <= acc.max
    free = finer >= 0 and (acc.overflow is Overflow.WRAP or fits)
    if acc.width > MAX_WIDTH:
        return _wide(a, b, spec, acc, wraps=not fits) if free else None
    if free and finer < MAX_WIDTH:
        if largest > DOUBLE:
            return None
        return wrap(_products(a, b, spec, SINGLE // product) << finer, acc.width)
    in_order = kernels().in_order
    if in_order and acc.width <= INT_BITS and term_bits(spec, acc) < INT_BITS:
        sums: NDArray = in_order(a, b, spec)
        return sums
    return None


def exact_operands(spec: MacSpec, depth: int) -> tuple[NDArray, NDArray] | None:
    """Tables of the operands in units of their lsb for `Kernels.exact`.

    None if the sum of ``depth`` products may exceed the accumulator or binary64.
    """
    acc = spec.acc
    assert isinstance(acc, FixedAccumulator)
    largest = depth * largest_units(spec.a) * largest_units(spec.b)
    finer = spec.product_lsb - acc.lsb_exp
    if finer < 0 or largest << finer > acc.max or largest > DOUBLE:
        return None
    return _unit_tables(spec, np.float32 if largest <= SINGLE else np.float64)


def _unit_tables(spec: MacSpec, dtype: type[np.floating]) -> tuple[NDArray, NDArray]:
    """Values of the codes of both operands in units of their lsb."""
    x, y = (
        np.ldexp(table.sig.astype(dtype), table.exp.astype(np.int32))
        for table in (parts(spec.a), parts(spec.b))
    )
    return x, y


def _wide(a: NDArray, b: NDArray, spec: MacSpec, acc: FixedAccumulator, *, wraps: bool) -> NDArray:
    """Exact sums as Python integers in units of the accumulator's lsb."""
    bits = (FLOAT_BITS - (a.shape[1] - 1).bit_length()) // 2
    x, y = (digits(parts(fmt), fmt, bits) for fmt in (spec.a, spec.b))
    places: list[Ints] = [
        np.zeros((a.shape[0], b.shape[1]), np.int64) for _ in range(len(x) + len(y) - 1)
    ]
    for i, table_a in enumerate(x):
        for j, table_b in enumerate(y):
            places[i + j] += kernels().exact(a, b, table_a, table_b).astype(np.int64)
    finer = spec.product_lsb - acc.lsb_exp
    sums = _joined(places, bits) << finer if finer else _joined(places, bits)
    return wrap(sums, acc.width) if wraps else sums


def _joined(places: Iterable[Ints], bits: int) -> NDArray:
    """Sum of ``places[i] << i * bits``, each of fewer than 62 bits."""
    *lower, top = places
    halves: list[tuple[Ints, int]] = []
    low, filled = np.zeros_like(top), 0
    carry = np.zeros_like(top)
    for place in lower:
        place += carry
        if filled + bits > LOW_BITS:
            halves.append((low, filled))
            low, filled = np.zeros_like(top), 0
        low += (place & (1 << bits) - 1) << filled
        filled, carry = filled + bits, place >> bits
    total: NDArray = (top + carry).astype(object)
    for part, width in reversed([*halves, (low, filled)]):
        total = (total << width) + part if width else total + part
    return total


def _products(a: NDArray, b: NDArray, spec: MacSpec, depth: int) -> npt.NDArray[np.int64]:
    """Exact sums in units of the product's lsb. binary32 holds the sum of ``depth`` products."""
    single = depth >= min(LEAST, a.shape[1])
    dtype, depth = (np.float32, depth) if single else (np.float64, a.shape[1])
    x, y = _unit_tables(spec, dtype)
    sums = (
        kernels().exact(a[:, k : k + depth], b[k : k + depth], x, y)
        for k in range(0, a.shape[1], depth)
    )
    total: npt.NDArray[np.int64] = next(sums).astype(np.int64)
    for part in sums:
        total += part.astype(np.int64)
    return total
