# SPDX-License-Identifier: Apache-2.0
"""Steps on aligned sums of tensor cores, compiled by numba: `sim.vector.aligned`'s, row by row."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from hw.spec import AlignedAccumulator, Flag, Format, MacSpec
from sim.codes import NDArray
from sim.cycle.compiled_bits import length
from sim.cycle.facts import record
from sim.cycle.plain import Advance
from sim.fast.tables import parts, values
from sim.golden import special_code
from sim.vector.codes import FLAGS, Class

__all__ = ["aligned_advance"]

#: Units place of a zero, below all others, and of what is infinite or NaN, above all others; also
#: when another place is added. From `SPECIAL` on a place tells that such a term is there.
NOWHERE, BEYOND, SPECIAL = -(1 << 20), 1 << 22, 1 << 21


class Aligned(NamedTuple):
    """Facts of a unit that its step needs."""

    sign: int
    inf: int
    nan: int
    man_bits: int
    kept: int
    bias: int
    frac: int


@njit(cache=True)
def _truncated(magnitude: Any, shift: Any) -> Any:
    """``magnitude * 2**shift`` toward zero."""
    return magnitude << min(shift, 62) if shift >= 0 else magnitude >> min(-shift, 62)


@njit(cache=True)
def _old(code: Any, fact: Any) -> Any:
    """Significand and units place of a finite sum."""
    field = (code & ~fact.sign) >> fact.man_bits
    sig = code & (1 << fact.man_bits) - 1
    if field:
        sig |= 1 << fact.man_bits
    return sig, max(field, 1) - fact.bias if sig else NOWHERE


@njit(cache=True)
def _packed(total: Any, lsb: Any, fact: Any) -> Any:
    """Code of ``total * 2**lsb`` truncated to the kept fraction bits; Inf beyond all."""
    magnitude = abs(total)
    lead = max(length(magnitude) - 1 + lsb, 1 - fact.bias)
    sig = _truncated(magnitude, fact.kept - (lead - lsb))
    if sig == 0:
        return 0
    code = ((lead + fact.bias - 1) << fact.kept) + sig << (fact.man_bits - fact.kept)
    if lead > fact.bias:
        code = fact.inf
    return code | fact.sign if total < 0 else code


@njit(cache=True)
def _flagged(code: Any, a: Any, b: Any, classes_a: Any, classes_b: Any, table: Any, fact: Any
             ) -> Any:
    """Code of a sum that has an infinite term or a NaN."""
    magnitude, flag = code & ~fact.sign, 0
    if magnitude >= fact.inf:
        flag = 3 if magnitude > fact.inf else 2 if code & fact.sign else 1
    for lane in range(a.size):
        if flag == 3:
            break
        flag |= table[classes_a[a[lane]], classes_b[b[lane]]]
    return fact.nan if flag == 3 else fact.inf | (fact.sign if flag == 2 else 0)


@njit(cache=True)
def _place(a: Any, b: Any, left: Any, right: Any, places_a: Any, places_b: Any, product: Any,
           top: Any) -> Any:
    """Fill in an element's products; the highest place of them and of ``top``."""
    for lane in range(a.size):
        p, q = a[lane], b[lane]
        product[lane] = left[p] * right[q]
        top = max(top, places_a[p] + places_b[q])
    return top


@njit(cache=True)
def _sum(product: Any, scale: Any) -> Any:
    """Sum of products, each cut off at the common place, which has the scale; LLVM makes vectors of
    it. A product is exact, but not always a sum of many.
    """
    total = np.int64(0)
    for lane in range(product.size):
        total += np.int64(product[lane] * scale)
    return total


@njit(cache=True)
def _aligned(acc: Any, a: Any, b: Any, frame: Any, left: Any, right: Any, places_a: Any,
             places_b: Any, classes_a: Any, classes_b: Any, table: Any, facts: Any) -> Any:
    """All elements of an array."""
    f, (rows, lanes, cols) = facts[0], a.shape
    fact = Aligned(f.sign, f.inf, f.nan, f.man_bits, f.kept, f.bias, f.frac)
    product, sums = np.empty(lanes), acc.copy()
    for r in range(rows):
        for c in range(cols):
            if not frame[r, c] & 1:
                continue
            code = 0 if frame[r, c] & 2 else acc[r, c]
            old, place = _old(code, fact)
            top = _place(a[r, :, c], b[r, :, c], left, right, places_a, places_b, product, place)
            if top >= SPECIAL or code & ~fact.sign >= fact.inf:
                sums[r, c] = _flagged(code, a[r, :, c], b[r, :, c], classes_a, classes_b, table,
                                      fact)
            elif top > NOWHERE // 2:
                cut = _truncated(old, fact.frac - fact.man_bits - (top - place))
                total = _sum(product, 2.0**(fact.frac - top)) + (-cut if code & fact.sign else cut)
                sums[r, c] = _packed(total, top - fact.frac, fact)
            else:
                sums[r, c] = 0
    return sums


def aligned_advance(mac: MacSpec) -> Advance:
    """`sim.cycle.stepping.advance` of a unit that adds aligned terms."""
    acc = mac.acc
    assert isinstance(acc, AlignedAccumulator)
    fmt = acc.fmt
    facts = record(Aligned(
        sign=fmt.sign_code, inf=special_code(fmt, Flag.POS_INF), nan=acc.nan_code,
        man_bits=fmt.man_bits, kept=acc.kept_bits, bias=fmt.bias, frac=acc.frac_bits))
    (left, places_a, classes_a), (right, places_b, classes_b) = _terms(mac.a), _terms(mac.b)
    return lambda acc, flags, a, b, frame: (
        _aligned(acc, a, b, frame, left, right, places_a, places_b, classes_a, classes_b, FLAGS,
                 facts), flags)


def _terms(fmt: Format) -> tuple[NDArray, NDArray, NDArray]:
    """Value, place and class of each code; what is not finite has the value 0."""
    table = parts(fmt)
    place = np.where(table.sig == 0, NOWHERE, table.exp + fmt.lsb + fmt.man_bits)
    place = np.where(table.classes >= Class.POS_INF, BEYOND, place)
    finite = np.where(table.classes >= Class.POS_INF, 0.0, values(fmt))
    return finite, place.astype(np.int64), table.classes.astype(np.int64)
