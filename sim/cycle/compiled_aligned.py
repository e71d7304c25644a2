# SPDX-License-Identifier: Apache-2.0
"""Steps on aligned sums of tensor cores, compiled by numba: `sim.vector.aligned`'s, row by row."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from hw.spec import AlignedAccumulator, Flag, Format, MacSpec
from sim.codes import Array
from sim.cycle.compiled_bits import length
from sim.cycle.facts import record
from sim.cycle.plain import Advance
from sim.fast.tables import parts
from sim.golden import special_code
from sim.vector.unpack import FLAGS, Class

__all__ = ["aligned_advance"]

#: Units place of a zero, below all others, and of what is infinite or NaN, above all others; also
#: when another place is added. From `SPECIAL` on a place tells that such a term is there.
NOWHERE, BEYOND, SPECIAL = -(1 << 20), 1 << 22, 1 << 21


class Aligned(NamedTuple):
    """Facts of a unit that its step needs.

    ``up`` bits make room below a product, and ``down`` more are cut off one at the common place.
    """

    sign: int
    inf: int
    nan: int
    man_bits: int
    kept: int
    bias: int
    frac: int
    up: int
    down: int


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
def _flagged(code: Any, a: Any, b: Any, r: Any, c: Any, left: Any, right: Any, table: Any,
             fact: Any) -> Any:
    """Code of a sum that has an infinite term or a NaN."""
    magnitude, flag = code & ~fact.sign, 0
    if magnitude >= fact.inf:
        flag = 3 if magnitude > fact.inf else 2 if code & fact.sign else 1
    for lane in range(a.shape[1]):
        if flag == 3:
            break
        flag |= table[left[2, a[r, lane, c]], right[2, b[r, lane, c]]]
    return fact.nan if flag == 3 else fact.inf | (fact.sign if flag == 2 else 0)


@njit(cache=True)
def _place(a: Any, b: Any, left: Any, right: Any, product: Any, place: Any, top: Any) -> None:
    """Products and units places of a row's terms, (lanes, cols), and the highest places."""
    for lane in range(a.shape[0]):
        for c in range(a.shape[1]):
            p, q = a[lane, c], b[lane, c]
            product[lane, c] = left[0, p] * right[0, q]
            place[lane, c] = left[1, p] + right[1, q]
            top[c] = max(top[c], place[lane, c])


@njit(cache=True)
def _add(product: Any, place: Any, top: Any, total: Any, up: Any, down: Any) -> None:
    """Add a row's terms, cut at their common places; LLVM makes vectors of it."""
    for lane in range(product.shape[0]):
        for c in range(product.shape[1]):
            term = product[lane, c]
            cut = (abs(term) << up) >> min(top[c] - place[lane, c] + down, 62)
            total[c] += -cut if term < 0 else cut


@njit(cache=True)
def _row(codes: Any, a: Any, b: Any, left: Any, right: Any, product: Any, place: Any, total: Any,
         old: Any, top: Any, fact: Any) -> None:
    """Fill ``total`` and ``top`` with sums and common places of a row whose sums are ``codes``."""
    for c in range(codes.size):
        total[c], old[c] = _old(codes[c], fact)
        top[c] = old[c]
    _place(a, b, left, right, product, place, top)
    for c in range(codes.size):
        cut = _truncated(total[c], fact.frac - fact.man_bits - (top[c] - old[c]))
        total[c] = -cut if codes[c] & fact.sign else cut
    _add(product, place, top, total, fact.up, fact.down)


@njit(cache=True)
def _aligned(acc: Any, a: Any, b: Any, frame: Any, left: Any, right: Any, table: Any,
             facts: Any) -> Any:
    """All elements of an array."""
    f, (rows, lanes, cols) = facts[0], a.shape
    fact = Aligned(f.sign, f.inf, f.nan, f.man_bits, f.kept, f.bias, f.frac, f.up, f.down)
    product, place = np.empty((lanes, cols), np.int64), np.empty((lanes, cols), np.int64)
    codes, total, old, top = (np.empty(cols, np.int64), np.empty(cols, np.int64),
                              np.empty(cols, np.int64), np.empty(cols, np.int64))
    sums = acc.copy()
    for r in range(rows):
        for c in range(cols):
            codes[c] = 0 if frame[r, c] & 2 else acc[r, c]
        _row(codes, a[r], b[r], left, right, product, place, total, old, top, fact)
        for c in range(cols):
            if not frame[r, c] & 1:
                continue
            if top[c] >= SPECIAL or codes[c] & ~fact.sign >= fact.inf:
                sums[r, c] = _flagged(codes[c], a, b, r, c, left, right, table, fact)
            else:
                sums[r, c] = _packed(total[c], top[c] - fact.frac, fact)
    return sums


def aligned_advance(mac: MacSpec) -> Advance:
    """`sim.cycle.stepping.advance` of a unit that adds aligned terms."""
    acc = mac.acc
    assert isinstance(acc, AlignedAccumulator)
    fmt, room = acc.fmt, acc.frac_bits - mac.a.man_bits - mac.b.man_bits
    facts = record(Aligned(
        sign=fmt.sign_code, inf=special_code(fmt, Flag.POS_INF), nan=acc.nan_code,
        man_bits=fmt.man_bits, kept=acc.kept_bits, bias=fmt.bias, frac=acc.frac_bits,
        up=max(room, 0), down=max(-room, 0)))
    left, right = _terms(mac.a), _terms(mac.b)
    return lambda acc, flags, a, b, frame: (
        _aligned(acc, a, b, frame, left, right, FLAGS, facts), flags)


def _terms(fmt: Format) -> Array:
    """Significand, units place and class of each code, (3, codes)."""
    table = parts(fmt)
    place = np.where(table.sig == 0, NOWHERE, table.exp + fmt.lsb + fmt.man_bits)
    place = np.where(table.classes >= Class.POS_INF, BEYOND, place)
    return np.array([table.sig, place, table.classes], np.int64)
