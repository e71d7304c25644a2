# SPDX-License-Identifier: Apache-2.0
"""Loops in order of k, which LLVM vectorises over the columns. They need the extra ``fast``.

The scalar operations at the top are also inlined by the compiled steps of `sim.cycle`. numba caches
compiled functions by their source file: after a change here, touch `sim.cycle.compiled` too.
"""

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import config, njit, types
from numba.extending import intrinsic

from hw.spec import FixedAccumulator, MacSpec, Overflow, Rounding, folders
from sim.codes import NDArray
from sim.fast.numbers import NOWHERE, Float64Rounding, parts
from sim.fast.threads import by_rows

# numba stores compiled functions next to their source, which is wrong for an installed copy. Every
# module with compiled functions imports this one first.
if folders.checkout() is None and not config.CACHE_DIR:
    config.CACHE_DIR = str(folders.cache("numba"))

#: Columns computed at a time, so that their sums stay in the L1 cache.
STRIP = 256


@intrinsic
def bits_of(typing: Any, x: Any) -> Any:
    """Bits of a binary64 number."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(64))

    return types.int64(types.float64), generate


@intrinsic
def float_of(typing: Any, bits: Any) -> Any:
    """Binary64 number of these bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return types.float64(types.int64), generate


@intrinsic
def length(typing: Any, x: Any) -> Any:
    """Bit length of a non-negative number, as one instruction."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word = ir.IntType(64)
        return builder.sub(
            ir.Constant(word, 64), builder.ctlz(args[0], ir.Constant(ir.IntType(1), 0))
        )

    return types.int64(types.int64), generate


@njit(nogil=True, cache=True)
def rounded(x: Any, how: Any) -> Any:
    """Round ``x`` once according to a `Float64Rounding`; see `sim.fast.plain`."""
    magnitude = abs(x)
    bits = bits_of(magnitude)
    if how.nearest:
        bits += (bits >> how.drop & 1) + (1 << (how.drop - 1)) - 1
        low = np.rint(magnitude * how.per_unit) * how.unit
    else:
        low = np.floor(magnitude * how.per_unit) * how.unit
    result = low if magnitude < how.min_normal else float_of(bits & -(1 << how.drop))
    if result > how.largest and magnitude < np.inf:
        result = how.beyond
    if how.flush and result < how.min_normal:
        result = 0.0
    return math.copysign(result, x)


@njit(nogil=True, cache=True)
def term(product: Any, left: Any, nearest: Any) -> Any:
    """``product * 2**left`` rounded to an integer."""
    if left >= 0:
        return product << left
    right = min(-left, 62)
    quotient = product >> right
    rest = product - (quotient << right)
    if nearest:
        return quotient + (2 * rest + (quotient & 1) > 1 << right)
    return quotient + (rest > 0 and product < 0)


@njit(nogil=True, cache=True)
def fitted(total: Any, fact: Any) -> Any:
    """Wrap or saturate a sum to the range of `FixedFacts`."""
    if fact.saturate:
        return min(max(total, fact.low), fact.high)
    return (total - fact.low & fact.high - fact.low) + fact.low


class FixedFacts(NamedTuple):
    """Constants of a fixed-point unit for its step, all integers."""

    coarser: int
    nearest: int
    saturate: int
    low: int
    high: int


def fixed_facts(mac: MacSpec) -> FixedFacts:
    """Constants of a unit. Products are rounded to ``2**coarser`` of their units."""
    acc = mac.acc
    assert isinstance(acc, FixedAccumulator)
    return FixedFacts(
        acc.lsb_exp - mac.product_lsb,
        int(acc.rounding is Rounding.RNE),
        int(acc.overflow is Overflow.SATURATE),
        acc.min,
        acc.max,
    )


@njit(nogil=True, cache=True)
def _stepwise(a: Any, b: Any, out: Any, lanes: Any, how: Any) -> None:
    """Fill ``out``, which holds zeros."""
    for left in range(0, b.shape[1], STRIP):
        right = min(left + STRIP, b.shape[1])
        for i in range(a.shape[0]):
            total = out[i, left:right]
            for k in range(0, a.shape[1], lanes):
                for lane in range(k, k + lanes):
                    row, x = b[lane, left:right], a[i, lane]
                    for j in range(total.size):
                        total[j] += x * row[j]
                for j in range(total.size):
                    total[j] = rounded(total[j], how)


def stepwise(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], lanes: int, rounding: Float64Rounding
) -> npt.NDArray[np.float64]:
    """As `sim.fast.kernels.Kernels.stepwise`."""
    out = np.zeros((a.shape[0], b.shape[1]))
    by_rows(
        a.shape[0],
        lambda rows: _stepwise(a[rows], b, out[rows], lanes, rounding),
        products=len(a) * b.size,
    )
    return out


@njit(nogil=True, cache=True)
def _in_order(
    sig_a: Any, exp_a: Any, sig_b: Any, exp_b: Any, out: Any, lanes: Any, fact: Any
) -> None:
    """Fill ``out``, which holds zeros."""
    for i in range(sig_a.shape[0]):
        total = out[i]
        for k in range(0, sig_a.shape[1], lanes):
            for lane in range(k, k + lanes):
                x, exp = sig_a[i, lane], exp_a[i, lane] - fact.coarser
                for j in range(total.size):
                    total[j] += term(x * sig_b[lane, j], exp + exp_b[lane, j], fact.nearest)
            for j in range(total.size):
                total[j] = fitted(total[j], fact)


def in_order(a: NDArray, b: NDArray, mac: MacSpec) -> npt.NDArray[np.int64]:
    """Fixed-point sums with rounded products, wrapped or saturated after each group of lanes.

    Sums and terms must fit an int64.
    """
    x, y, facts = parts(mac.a), parts(mac.b), fixed_facts(mac)
    sig, exp = y.sig[b], y.exp[b]
    out = np.zeros((a.shape[0], b.shape[1]), np.int64)

    def work(rows: slice) -> None:
        _in_order(x.sig[a[rows]], x.exp[a[rows]], sig, exp, out[rows], mac.lanes, facts)

    by_rows(a.shape[0], work, products=len(a) * b.size)
    return out


@njit(nogil=True, cache=True)
def _raise(top: Any, places: Any, rows: Any) -> None:
    """Raise ``top`` to the places of products, four lanes per pass to reduce overhead."""
    kind, whole = top.dtype.type, len(places) // 4 * 4
    for lane in range(0, whole, 4):
        p, q, r, s = places[lane], places[lane + 1], places[lane + 2], places[lane + 3]
        for j in range(top.size):
            first = max(kind(p + rows[lane, j]), kind(q + rows[lane + 1, j]))
            second = max(kind(r + rows[lane + 2, j]), kind(s + rows[lane + 3, j]))
            top[j] = max(top[j], max(first, second))
    for lane in range(whole, len(places)):
        for j in range(top.size):
            top[j] = max(top[j], kind(places[lane] + rows[lane, j]))


@njit(nogil=True, cache=True)
def _powers(bits: Any, top: Any, sign: Any, add: Any, fraction: Any) -> None:
    """Write ``2**(sign * top + add - bias)`` as the bits of floating-point numbers."""
    number = bits.dtype.type
    for j in range(bits.size):
        bits[j] = number(sign * top[j] + add) << number(fraction)


@njit(nogil=True, cache=True)
def _add_terms(total: Any, left: Any, rows: Any, scale: Any) -> None:
    """Add products, scaled and truncated to integers, four lanes per pass."""
    kind, whole = total.dtype.type, len(left) // 4 * 4
    for lane in range(0, whole, 4):
        p, q, r, s = left[lane], left[lane + 1], left[lane + 2], left[lane + 3]
        for j in range(total.size):
            first = kind(p * rows[lane, j] * scale[j]) + kind(q * rows[lane + 1, j] * scale[j])
            second = kind(r * rows[lane + 2, j] * scale[j]) + kind(s * rows[lane + 3, j] * scale[j])
            total[j] += first + second
    for lane in range(whole, len(left)):
        for j in range(total.size):
            total[j] += kind(left[lane] * rows[lane, j] * scale[j])


@njit(nogil=True, cache=True)
def _cut(total: Any, bits: Any, place: Any, drop: Any, fraction: Any, bias: Any) -> None:
    """Truncate ``drop`` bits of the sums stored in ``bits``, and compute their places."""
    number = bits.dtype.type
    for j in range(bits.size):
        kept = bits[j] >> number(drop) << number(drop)
        bits[j] = kept
        exponent = (kept >> number(fraction) & number(2 * bias + 1)) - number(bias)
        place[j] = place.dtype.type(exponent) if total[j] != 0 else place.dtype.type(NOWHERE)


@njit(nogil=True, cache=True)
def _aligned(
    a: Any,
    place_a: Any,
    b: Any,
    place_b: Any,
    acc: Any,
    bits: Any,
    lanes: Any,
    frac: Any,
    drop: Any,
    fraction: Any,
    bias: Any,
) -> None:
    """Compute a strip ``acc``, which starts as zeros. ``bits`` is the same memory as integers."""
    cols = b.shape[1]
    scale, total = np.empty(cols, acc.dtype), np.empty(cols, bits.dtype)
    powers = scale.view(bits.dtype)
    place, top = np.empty(cols, place_b.dtype), np.empty(cols, place_b.dtype)
    for i in range(a.shape[0]):
        sums = acc[i]
        place[:] = NOWHERE
        for k in range(0, a.shape[1], lanes):
            top[:] = place
            _raise(top, place_a[i, k : k + lanes], place_b[k : k + lanes])
            for j in range(cols):
                # Without nonzero terms, the place does not matter.
                top[j] = top[j] if top[j] > NOWHERE // 2 else 0
            _powers(powers, top, -1, frac + bias, fraction)
            for j in range(cols):
                total[j] = total.dtype.type(sums[j] * scale[j])
            _add_terms(total, a[i, k : k + lanes], b[k : k + lanes], scale)
            _powers(powers, top, 1, bias - frac, fraction)
            for j in range(cols):
                sums[j] = sums.dtype.type(total[j]) * scale[j]
            _cut(total, bits[i], place, drop, fraction, bias)


def aligned(
    a: NDArray,
    b: NDArray,
    tables: list[NDArray],
    places: list[NDArray],
    lanes: int,
    frac: int,
    kept: int,
) -> NDArray:
    """As `sim.fast.kernels.Kernels.aligned`."""
    out = np.zeros((a.shape[0], b.shape[1]), tables[1].dtype)
    ints, fraction = f"i{out.itemsize}", int(np.finfo(out.dtype).nmant)
    bias = (1 << 8 * out.itemsize - fraction - 2) - 1
    for left in range(0, b.shape[1], STRIP):
        strip = slice(left, left + STRIP)
        values, where = tables[1][b[:, strip]], places[1][b[:, strip]]

        def work(
            rows: slice, strip: slice = strip, values: NDArray = values, where: NDArray = where
        ) -> None:
            sums = np.zeros((rows.stop - rows.start, values.shape[1]), values.dtype)
            _aligned(
                tables[0][a[rows]],
                places[0][a[rows]],
                values,
                where,
                sums,
                sums.view(ints),
                lanes,
                frac,
                fraction - kept,
                fraction,
                bias,
            )
            out[rows, strip] = sums

        by_rows(a.shape[0], work, products=len(a) * b.size)
    return out
