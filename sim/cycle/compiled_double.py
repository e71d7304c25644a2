# SPDX-License-Identifier: Apache-2.0
"""Steps on floating-point accumulators in binary64, compiled by numba.

A sum of two binary64 numbers and the error of its rounding are both known exactly (TwoSum: Knuth,
The Art of Computer Programming 2, 4.2.2). Where the error is not zero the sum is moved to its odd
neighbour; rounding it again to two bits less, or to fewer, is then the one rounding of the exact
sum, in any mode (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008).
"""

import math
from typing import Any, NamedTuple

from numba import njit

from hw.spec import Flag, FloatAccumulator, MacSpec
from sim.fast.compiled_loops import bits_of, float_of, rounded
from sim.fast.floating import DOUBLE_BITS, DOUBLE_LSB, DOUBLE_TOP
from sim.fast.rounding import FRACTION, float64_rounding
from sim.fast.tables import significand_bits, within
from sim.golden import special_code

__all__ = ["Double", "double_facts", "double_one", "in_double", "unrecorded"]

#: Bias of binary64.
BIAS = 1023


class Double(NamedTuple):
    """Facts of a unit that a step in binary64 needs; the last seven as in `Float64Rounding`."""

    sign: int
    inf: int
    nan: int
    scale: float
    rebias: int
    drop: int
    unit: float
    per_unit: float
    min_normal: float
    largest: float
    beyond: float
    nearest: bool
    flush: bool


@njit(cache=True)
def unrecorded(f: Any) -> Any:
    """`Double` of a record of it, whose fields stay in registers."""
    return Double(f.sign, f.inf, f.nan, f.scale, f.rebias, f.drop, f.unit, f.per_unit, f.min_normal,
                  f.largest, f.beyond, f.nearest != 0, f.flush != 0)


@njit(cache=True)
def _decoded(code: Any, fact: Any) -> Any:
    """Number that a code of the accumulator means."""
    magnitude = code & ~fact.sign
    number = float_of(magnitude << fact.drop) * fact.scale
    if magnitude >= fact.inf:
        number = math.inf if magnitude == fact.inf else math.nan
    return -number if code & fact.sign else number


@njit(cache=True)
def _coded(number: Any, fact: Any) -> Any:
    """Code of a number that the accumulator's format has."""
    if number != number:
        return fact.nan
    magnitude = abs(number)
    if magnitude == math.inf:
        code = fact.inf
    elif magnitude < fact.min_normal:
        code = int(magnitude * fact.per_unit)
    else:
        code = (bits_of(magnitude) >> fact.drop) - fact.rebias
    return code | fact.sign if math.copysign(1.0, number) < 0 else code


@njit(cache=True)
def double_one(code: Any, a: Any, b: Any, r: Any, c: Any, x: Any, y: Any, fact: Any) -> Any:
    """Next code of one element, and whether it is good: only the last lane may be inexact.

    ``x`` and ``y`` have the operands' values by code, ``fact`` is a `Double`.
    """
    total, error = _decoded(code, fact), 0.0
    for lane in range(a.shape[1]):
        if error < 0 or error > 0:
            return code, False
        term = x[a[r, lane, c]] * y[b[r, lane, c]]
        old, total = total, total + term
        moved = total - old
        error = (old - (total - moved)) + (term - moved)
    if (error < 0 or error > 0) and not bits_of(total) & 1:
        total = float_of(bits_of(total) + (1 if (error > 0) == (total > 0) else -1))
    total = rounded(total, fact.drop, fact.unit, fact.per_unit, fact.min_normal, fact.largest,
                    fact.beyond, fact.nearest, fact.flush)
    return _coded(total, fact), True


def in_double(mac: MacSpec) -> bool:
    """Whether binary64 has all products and sums of a unit, two bits of precision to spare."""
    assert isinstance(mac.acc, FloatAccumulator)
    fmt = mac.acc.fmt
    return (significand_bits(mac.a) + significand_bits(mac.b) <= DOUBLE_BITS
            and within(mac, DOUBLE_LSB, DOUBLE_TOP) and fmt.lsb >= DOUBLE_LSB
            and fmt.max_units.bit_length() + fmt.lsb <= DOUBLE_TOP
            and fmt.precision <= DOUBLE_BITS - 2)


def double_facts(acc: FloatAccumulator) -> Double:
    """Facts of units with this accumulator."""
    fmt, how = acc.fmt, float64_rounding(acc)
    return Double(
        sign=fmt.sign_code, inf=special_code(fmt, Flag.POS_INF), nan=special_code(fmt, Flag.NAN),
        scale=2.0 ** (BIAS - fmt.bias), rebias=BIAS - fmt.bias << fmt.man_bits,
        drop=FRACTION - fmt.man_bits, unit=how.unit, per_unit=1 / how.unit,
        min_normal=how.min_normal, largest=how.largest, beyond=how.beyond, nearest=how.nearest,
        flush=how.flush)
