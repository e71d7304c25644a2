# SPDX-License-Identifier: Apache-2.0
"""Steps on floating-point accumulators, compiled by numba: `sim.vector`'s, element by element."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from hw.spec import Flag, FloatAccumulator, MacSpec, Overflow, Rounding
from sim.codes import NDArray
from sim.cycle.compiled_bits import length
from sim.cycle.compiled_double import double_facts, double_one, in_double, unrecorded
from sim.cycle.compiled_fixed import Operand, operand_table
from sim.cycle.facts import record
from sim.cycle.plain import Advance, plain
from sim.fast.tables import parts, significand_bits, values
from sim.golden import special_code
from sim.vector.codes import FLAGS, MAX_BITS
from sim.vector.floating import LOWEST, normalise

__all__ = ["float_advance"]


class Float(NamedTuple):
    """Facts of a floating-point unit that its step needs, all integers."""

    lanes: int
    window: int
    product_bits: int
    precision: int
    man_bits: int
    lsb: int
    sign: int
    inf: int
    nan: int
    nearest: int
    subnormals: int
    largest: int
    highest: int
    infinite: int
    double: int


@njit(cache=True)
def _placed(sig: Any, left: Any) -> Any:
    """``sig * 2**left`` as an integer with a sticky last bit, and whether bits were lost."""
    if left >= 0:
        return sig << left, False
    right = min(-left, 63)
    kept = sig >> right
    lost = kept << right != sig
    return kept | lost, lost


@njit(cache=True)
def _encoded(total: Any, base: Any, stays: Any, flag: Any, unit: Any) -> Any:
    """Code of ``total * 2**base`` rounded once; ``stays`` if a sum of zero is minus zero."""
    magnitude, negative = abs(total), total < 0
    bits = length(magnitude)
    excess = bits - unit.precision
    drop = min(max(excess, unit.lsb - base, 0), bits + 1)
    sig = magnitude >> drop
    if unit.nearest:
        sig += ((magnitude - (sig << drop)) << 1) + (sig & 1) > 1 << drop
    sig <<= drop - excess
    exp = base + excess
    if not unit.subnormals and exp + (sig >> unit.precision) < unit.lsb:
        sig = 0
    if sig != 0 and exp + (sig >> unit.precision) > unit.highest:
        sig, exp = unit.largest, unit.highest
        if unit.infinite and flag == 0:
            flag = 2 if negative else 1
    if flag:
        return unit.nan if flag == 3 else unit.inf | (unit.sign if flag == 2 else 0)
    if sig == 0:
        return unit.sign if negative or stays else 0
    field = exp - unit.lsb
    code = (field << unit.man_bits) + sig if field >= 0 else sig >> min(-field, 62)
    return code | unit.sign if negative else code


@njit(cache=True)
def _float_one(code: Any, a: Any, b: Any, r: Any, c: Any, x: Any, y: Any, table: Any,
               unit: Any) -> Any:
    """Next code of one element, and whether more bits were lost than one rounding may lose."""
    magnitude = code & ~unit.sign
    minus, flag = code & unit.sign != 0, 0
    if magnitude == unit.inf:
        flag = 2 if minus else 1
    elif magnitude > unit.inf:
        flag = 3
    field, sig = magnitude >> unit.man_bits, magnitude & (1 << unit.man_bits) - 1
    sig, exp = (sig | 1 << unit.man_bits, field - 1) if field else (sig, 0)
    if flag:
        sig = 0
    left = unit.precision - length(sig)
    sig, exp = sig << left, exp + unit.lsb - left if sig else LOWEST
    top, stays = exp + unit.precision + 1, minus and sig == 0
    for lane in range(unit.lanes):
        p, q = a[r, lane, c], b[r, lane, c]
        flag |= table[x.classes[p], y.classes[q]]
        top = max(top, x.exp[p] + y.exp[q] + unit.product_bits)
        stays = stays and x.negative[p] != y.negative[q]
    base = top - unit.window
    total, lossy = _placed(-sig if minus else sig, exp - base)
    for lane in range(unit.lanes):
        p, q = a[r, lane, c], b[r, lane, c]
        placed, lost = _placed(x.sig[p] * y.sig[q], x.exp[p] + y.exp[q] - base)
        total, lossy = total + placed, lossy or lost
    return _encoded(total, base, stays and total == 0, flag, unit), lossy


@njit(cache=True)
def _float(acc: Any, a: Any, b: Any, frame: Any, left: Any, right: Any, x_values: Any,
           y_values: Any, classes: Any, units: Any, facts: Any) -> Any:
    """All elements of an array, and whether one lost too many bits."""
    x = Operand(left[0], left[1], left[2], left[3])
    y = Operand(right[0], right[1], right[2], right[3])
    unit, fact = units[0], unrecorded(facts[0])
    rows, _, cols = a.shape
    total, any_lost = np.empty_like(acc), False
    for r in range(rows):
        for c in range(cols):
            total[r, c] = acc[r, c]
            if not frame[r, c] & 1:
                continue
            old, good = 0 if frame[r, c] & 2 else acc[r, c], False
            if unit.double:
                total[r, c], good = double_one(old, a, b, r, c, x_values, y_values, fact)
            if not good:
                total[r, c], lossy = _float_one(old, a, b, r, c, x, y, classes, unit)
                any_lost = any_lost or lossy
    return total, any_lost


def float_advance(mac: MacSpec) -> Advance:
    """`sim.cycle.stepping.advance` of a floating-point unit.

    Sums are binary64's where these are good; where not, a window of an int64 has the terms. Of more
    than two terms the few sums that lose bits there, too, are left to numpy, with all others of
    their cycle.
    """
    assert isinstance(mac.acc, FloatAccumulator)
    facts = record(_float_facts(mac)), record(double_facts(mac.acc))
    tables = [operand_table(normalise(parts(fmt), fmt)) for fmt in (mac.a, mac.b)]
    numbers = [values(fmt) for fmt in (mac.a, mac.b)]
    lanes, exact = mac.lanes, plain(mac)

    def one(acc: NDArray, flags: NDArray, a: NDArray, b: NDArray, frame: NDArray) -> tuple[NDArray, NDArray]:
        total, lossy = _float(acc, a, b, frame, *tables, *numbers, FLAGS, *facts)
        if lossy and lanes > 1:
            return exact(acc, flags, a, b, frame)
        return total, flags

    return one


def _float_facts(mac: MacSpec) -> Float:
    acc = mac.acc
    assert isinstance(acc, FloatAccumulator)
    fmt = acc.fmt
    largest = fmt.unpack(fmt.max_code)
    return Float(
        lanes=mac.lanes, window=MAX_BITS - mac.lanes.bit_length(),
        product_bits=significand_bits(mac.a) + significand_bits(mac.b),
        precision=fmt.precision, man_bits=fmt.man_bits, lsb=fmt.lsb, sign=fmt.sign_code,
        inf=special_code(fmt, Flag.POS_INF), nan=special_code(fmt, Flag.NAN),
        nearest=acc.rounding is Rounding.RNE, subnormals=acc.subnormals,
        largest=largest.sig, highest=largest.exp + fmt.lsb,
        infinite=acc.overflow is Overflow.INF and acc.rounding is Rounding.RNE,
        double=in_double(mac))
