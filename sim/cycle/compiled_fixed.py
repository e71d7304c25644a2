# SPDX-License-Identifier: Apache-2.0
"""Steps on fixed-point accumulators, compiled by numba: `sim.vector`'s, element by element."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from hw.spec import FixedAccumulator, MacSpec, Overflow, Rounding
from sim.codes import NDArray
from sim.cycle.plain import Advance
from sim.fast.tables import parts
from sim.vector.codes import FLAGS, Unpacked

__all__ = ["Operand", "fixed_advance", "operand_table"]


class Operand(NamedTuple):
    """Significand, exponent, sign and class by code."""

    sig: NDArray
    exp: NDArray
    negative: NDArray
    classes: NDArray


def operand_table(parts: Unpacked) -> NDArray:
    """Fields of `Operand` as rows of one array: numba takes a few arguments faster than many."""
    table: NDArray = np.array([parts.sig, parts.exp, parts.negative, parts.classes], np.int64)
    return table


@njit(cache=True)
def _term(product: Any, left: Any, nearest: Any) -> Any:
    """``product * 2**left`` rounded to an integer."""
    if left >= 0:
        return product << left
    right = min(-left, 62)
    quotient = product >> right
    rest = product - (quotient << right)
    if nearest:
        return quotient + (2 * rest + (quotient & 1) > 1 << right)
    return quotient + (rest > 0 and product < 0)


@njit(cache=True)
def _fixed(acc: Any, flags: Any, a: Any, b: Any, frame: Any, left: Any, right: Any, table: Any,
           facts: Any) -> Any:
    """All elements of an array; arguments as `fixed_advance` gives them."""
    coarser, nearest, saturate = facts[0], facts[1] != 0, facts[2] != 0
    low, high, flagged = facts[3], facts[4], facts[5] != 0
    x = Operand(left[0], left[1], left[2], left[3])
    y = Operand(right[0], right[1], right[2], right[3])
    rows, lanes, cols = a.shape
    total, raised = np.empty_like(acc), np.empty_like(flags)
    size = high - low + 1
    for r in range(rows):
        for c in range(cols):
            old, flag = acc[r, c], flags[r, c]
            total[r, c], raised[r, c] = old, flag
            if not frame[r, c] & 1:
                continue
            if frame[r, c] & 2:
                old, flag = 0, 0
            for lane in range(lanes):
                p, q = a[r, lane, c], b[r, lane, c]
                old += _term(x.sig[p] * y.sig[q], x.exp[p] + y.exp[q] - coarser, nearest)
                if flagged:
                    flag |= table[x.classes[p], y.classes[q]]
            total[r, c] = min(max(old, low), high) if saturate else (old - low & size - 1) + low
            raised[r, c] = flag
    return total, raised


def fixed_advance(mac: MacSpec) -> Advance:
    """`sim.cycle.stepping.advance` of a fixed-point unit whose steps fit an int64."""
    acc = mac.acc
    assert isinstance(acc, FixedAccumulator)
    left, right = (operand_table(parts(fmt)) for fmt in (mac.a, mac.b))
    facts = np.array([acc.lsb - mac.product_lsb, acc.rounding is Rounding.RNE,
                      acc.overflow is Overflow.SATURATE, acc.min, acc.max, mac.flag_bits > 0],
                     np.int64)
    return lambda acc, flags, a, b, frame: _fixed(
        acc, flags, a, b, frame, left, right, FLAGS, facts)
