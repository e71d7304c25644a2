# SPDX-License-Identifier: Apache-2.0
"""Steps of all elements of an array, compiled by numba; they equal the steps of `sim.vector`.

There is one function for each kind of accumulator. Floating point has three methods:

- one binary32 addition, if that is exact enough (`sim.fast.floating`);
- binary64 with round-to-odd, if the terms fit: TwoSum gives the rounded sum and its exact error
  (Knuth, The Art of Computer Programming 2, 4.2.2). If the error is not zero, the sum is moved to
  its odd neighbour. Rounding that again, to at least two bits less, equals rounding the exact sum
  once, in any mode (Boldo and Melquiond, Emulation of FMA and correctly rounded sums, 2008);
- else a window in an int64 that holds the terms. With more than two terms, a few sums may lose bits
  there; then numpy computes the whole cycle.

The functions that move sums and weights in the weight-stationary array are here too.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from hw.spec import (
    AlignedAccumulator,
    FixedAccumulator,
    Flag,
    FloatAccumulator,
    Format,
    MacSpec,
    Rounding,
)
from sim.codes import NDArray
from sim.fast.floating import DOUBLE_BITS, DOUBLE_LSB, DOUBLE_TOP, in_float32
from sim.fast.loops import (
    FixedFacts,
    bits_of,
    fitted,
    fixed_facts,
    float_of,
    length,
    rounded,
    term,
)
from sim.fast.numbers import (
    HALF,
    Float64Rounding,
    dropped,
    float64_rounding,
    parts,
    values,
    within,
)
from sim.golden import special_code
from sim.vector.codes import FLAGS, Class, Unpacked, significand_bits
from sim.vector.floating import LOWEST, Unit, normalise

#: As `sim.cycle.steps.Advance`.
Advance = Callable[[NDArray, NDArray, NDArray, NDArray, NDArray], tuple[NDArray, NDArray]]


def record(facts: NamedTuple) -> NDArray:
    """Facts as an array with one record: numba passes one argument faster than many."""
    flat = {name: value for name, value in facts._asdict().items() if not isinstance(value, tuple)}
    for value in facts:
        flat |= value._asdict() if isinstance(value, tuple) else {}  # type: ignore[attr-defined]
    kinds = [
        (name, np.float64 if isinstance(value, float) else np.int64) for name, value in flat.items()
    ]
    whole: NDArray = np.array([tuple(flat.values())], np.dtype(kinds))
    return whole


class Operand(NamedTuple):
    """Significand, exponent, sign and class by code."""

    sig: NDArray
    exp: NDArray
    negative: NDArray
    classes: NDArray


def operand_table(parts: Unpacked) -> NDArray:
    """Fields of `Operand` as rows of one array: numba passes few arguments faster than many."""
    table: NDArray = np.array([parts.sig, parts.exp, parts.negative, parts.classes], np.int64)
    return table


# Fixed point.


@njit(cache=True)
def _fixed(
    acc: Any, flags: Any, a: Any, b: Any, frame: Any, left: Any, right: Any, table: Any, facts: Any
) -> Any:
    """Step all elements. ``facts`` are `FixedFacts`, and whether there are flags."""
    fact = FixedFacts(facts[0], facts[1], facts[2], facts[3], facts[4])
    flagged = facts[5] != 0
    x = Operand(left[0], left[1], left[2], left[3])
    y = Operand(right[0], right[1], right[2], right[3])
    rows, lanes, cols = a.shape
    total, raised = np.empty_like(acc), np.empty_like(flags)
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
                old += term(x.sig[p] * y.sig[q], x.exp[p] + y.exp[q] - fact.coarser, fact.nearest)
                if flagged:
                    flag |= table[x.classes[p], y.classes[q]]
            total[r, c] = fitted(old, fact)
            raised[r, c] = flag
    return total, raised


def _fixed_advance(mac: MacSpec, plain: Advance) -> Advance:
    """Step for sums and terms that fit an int64."""
    left, right = (operand_table(parts(fmt)) for fmt in (mac.a, mac.b))
    facts = np.array([*fixed_facts(mac), mac.flag_bits > 0], np.int64)
    return lambda acc, flags, a, b, frame: _fixed(
        acc, flags, a, b, frame, left, right, FLAGS, facts
    )


# Floating point: one addition of binary32.


@intrinsic
def _single_bits(typing: Any, x: Any) -> Any:
    """Bits of a binary32 number."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(32)), ir.IntType(64))

    return types.int64(types.float32), generate


@intrinsic
def _single(typing: Any, bits: Any) -> Any:
    """Binary32 number of these bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.trunc(args[0], ir.IntType(32)), ir.FloatType())

    return types.float32(types.int64), generate


@intrinsic
def _half_bits(typing: Any, x: Any) -> Any:
    """Bits of a binary32 number rounded to binary16."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        half = builder.fptrunc(args[0], ir.HalfType())
        return builder.zext(builder.bitcast(half, ir.IntType(16)), ir.IntType(64))

    return types.int64(types.float32), generate


@intrinsic
def _half(typing: Any, bits: Any) -> Any:
    """Binary32 number of the binary16 number of these bits."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        half = builder.bitcast(builder.trunc(args[0], ir.IntType(16)), ir.HalfType())
        return builder.fpext(half, ir.FloatType())

    return types.float32(types.int64), generate


@njit(cache=True)
def _singles(acc: Any, a: Any, b: Any, frame: Any, x: Any, y: Any, drop: Any, nan: Any) -> Any:
    """Step all elements whose sums are binary32, its upper bits, or binary16."""
    rows, _, cols = a.shape
    total = np.empty_like(acc)
    for r in range(rows):
        for c in range(cols):
            if not frame[r, c] & 1:
                total[r, c] = acc[r, c]
                continue
            old = 0 if frame[r, c] & 2 else acc[r, c]
            start = _half(old) if drop == HALF else _single(old << drop)
            number = start + x[a[r, 0, c]] * y[b[r, 0, c]]
            if drop == HALF:
                bits = _half_bits(number)
            else:
                bits = _single_bits(number)
                if drop:
                    bits = bits + (bits >> drop & 1) + (1 << drop - 1) - 1 >> drop
            total[r, c] = bits if number == number else nan
    return total


def _single_advance(mac: MacSpec, acc: FloatAccumulator, drop: int) -> Advance:
    """Step in binary32. ``drop`` is `sim.fast.numbers.dropped` of the accumulator's format."""
    x, y = (values(side).astype(np.float32) for side in (mac.a, mac.b))
    nan = special_code(acc.fmt, Flag.NAN)
    return lambda acc, flags, a, b, frame: (_singles(acc, a, b, frame, x, y, drop, nan), flags)


# Floating point: binary64.

#: Bias and fraction bits of binary64.
BIAS, FRACTION = 1023, 52


class Double(NamedTuple):
    """Facts of a unit for a step in binary64."""

    sign: int
    inf: int
    nan: int
    scale: float
    rebias: int
    how: Float64Rounding


@njit(cache=True)
def _unrecorded(f: Any) -> Any:
    """`Double` from a record, so that its fields stay in registers."""
    return Double(
        f.sign,
        f.inf,
        f.nan,
        f.scale,
        f.rebias,
        Float64Rounding(
            f.drop,
            f.unit,
            f.per_unit,
            f.min_normal,
            f.largest,
            f.beyond,
            f.nearest != 0,
            f.flush != 0,
        ),
    )


@njit(cache=True)
def _decoded(code: Any, fact: Any) -> Any:
    """Value of an accumulator code."""
    magnitude = code & ~fact.sign
    number = float_of(magnitude << fact.how.drop) * fact.scale
    if magnitude >= fact.inf:
        number = math.inf if magnitude == fact.inf else math.nan
    return -number if code & fact.sign else number


@njit(cache=True)
def _coded(number: Any, fact: Any) -> Any:
    """Code of a value that the accumulator's format can represent."""
    if number != number:
        return fact.nan
    magnitude = abs(number)
    if magnitude == math.inf:
        code = fact.inf
    elif magnitude < fact.how.min_normal:
        code = int(magnitude * fact.how.per_unit)
    else:
        code = (bits_of(magnitude) >> fact.how.drop) - fact.rebias
    return code | fact.sign if math.copysign(1.0, number) < 0 else code


@njit(cache=True)
def _double_one(code: Any, a: Any, b: Any, r: Any, c: Any, x: Any, y: Any, fact: Any) -> Any:
    """Next code of one element, and whether it is correct: only the last lane may be inexact.

    ``x`` and ``y`` are tables of the operands' values; ``fact`` is a `Double`.
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
    return _coded(rounded(total, fact.how), fact), True


def _in_double(mac: MacSpec, acc: FloatAccumulator) -> bool:
    """Whether binary64 holds all products and sums of a unit with two bits to spare."""
    fmt = acc.fmt
    return (
        significand_bits(mac.a) + significand_bits(mac.b) <= DOUBLE_BITS
        and within(mac, DOUBLE_LSB, DOUBLE_TOP)
        and fmt.lsb_exp >= DOUBLE_LSB
        and fmt.max_units.bit_length() + fmt.lsb_exp <= DOUBLE_TOP
        and fmt.precision <= DOUBLE_BITS - 2
    )


def _double_facts(acc: FloatAccumulator) -> Double:
    """Facts of units with this accumulator."""
    fmt = acc.fmt
    return Double(
        sign=fmt.sign_code,
        inf=special_code(fmt, Flag.POS_INF),
        nan=special_code(fmt, Flag.NAN),
        scale=2.0 ** (BIAS - fmt.bias),
        rebias=BIAS - fmt.bias << fmt.man_bits,
        how=float64_rounding(acc),
    )


# Floating point: a window of an int64.


class Float(NamedTuple):
    """Facts of a floating-point unit for its step, all integers."""

    lanes: int
    window: int
    product_bits: int
    precision: int
    man_bits: int
    lsb_exp: int
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
    """Code of ``total * 2**base`` rounded once. ``stays``: a zero sum is minus zero."""
    magnitude, negative = abs(total), total < 0
    bits = length(magnitude)
    excess = bits - unit.precision
    drop = min(max(excess, unit.lsb_exp - base, 0), bits + 1)
    sig = magnitude >> drop
    if unit.nearest:
        sig += ((magnitude - (sig << drop)) << 1) + (sig & 1) > 1 << drop
    sig <<= drop - excess
    exp = base + excess
    if not unit.subnormals and exp + (sig >> unit.precision) < unit.lsb_exp:
        sig = 0
    if sig != 0 and exp + (sig >> unit.precision) > unit.highest:
        sig, exp = unit.largest, unit.highest
        if unit.infinite and flag == 0:
            flag = 2 if negative else 1
    if flag:
        return unit.nan if flag == 3 else unit.inf | (unit.sign if flag == 2 else 0)
    if sig == 0:
        return unit.sign if negative or stays else 0
    field = exp - unit.lsb_exp
    code = (field << unit.man_bits) + sig if field >= 0 else sig >> min(-field, 62)
    return code | unit.sign if negative else code


@njit(cache=True)
def _float_one(
    code: Any, a: Any, b: Any, r: Any, c: Any, x: Any, y: Any, table: Any, unit: Any
) -> Any:
    """Next code of one element, and whether too many bits were lost to round correctly."""
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
    sig, exp = sig << left, exp + unit.lsb_exp - left if sig else LOWEST
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
def _float(
    acc: Any,
    a: Any,
    b: Any,
    frame: Any,
    left: Any,
    right: Any,
    x_values: Any,
    y_values: Any,
    classes: Any,
    units: Any,
    facts: Any,
) -> Any:
    """Step all elements. Returns whether any lost too many bits."""
    x = Operand(left[0], left[1], left[2], left[3])
    y = Operand(right[0], right[1], right[2], right[3])
    unit, fact = units[0], _unrecorded(facts[0])
    rows, _, cols = a.shape
    total, any_lost = np.empty_like(acc), False
    for r in range(rows):
        for c in range(cols):
            total[r, c] = acc[r, c]
            if not frame[r, c] & 1:
                continue
            old, good = 0 if frame[r, c] & 2 else acc[r, c], False
            if unit.double:
                total[r, c], good = _double_one(old, a, b, r, c, x_values, y_values, fact)
            if not good:
                total[r, c], lossy = _float_one(old, a, b, r, c, x, y, classes, unit)
                any_lost = any_lost or lossy
    return total, any_lost


def _float_advance(mac: MacSpec, plain: Advance) -> Advance:
    acc = mac.acc
    assert isinstance(acc, FloatAccumulator)
    drop = dropped(acc.fmt)
    if in_float32(mac) and drop is not None:
        return _single_advance(mac, acc, drop)
    facts = record(_float_facts(mac, acc)), record(_double_facts(acc))
    tables = [operand_table(normalise(parts(fmt), fmt)) for fmt in (mac.a, mac.b)]
    numbers = [values(fmt) for fmt in (mac.a, mac.b)]

    def one(
        acc: NDArray, flags: NDArray, a: NDArray, b: NDArray, frame: NDArray
    ) -> tuple[NDArray, NDArray]:
        total, lossy = _float(acc, a, b, frame, *tables, *numbers, FLAGS, *facts)
        if lossy and mac.lanes > 1:
            return plain(acc, flags, a, b, frame)
        return total, flags

    return one


def _float_facts(mac: MacSpec, acc: FloatAccumulator) -> Float:
    fmt, unit = acc.fmt, Unit.of(mac)
    return Float(
        lanes=mac.lanes,
        window=unit.window,
        product_bits=unit.product_bits,
        precision=fmt.precision,
        man_bits=fmt.man_bits,
        lsb_exp=fmt.lsb_exp,
        sign=fmt.sign_code,
        inf=special_code(fmt, Flag.POS_INF),
        nan=special_code(fmt, Flag.NAN),
        nearest=acc.rounding is Rounding.RNE,
        subnormals=acc.subnormals,
        largest=unit.largest,
        highest=unit.highest,
        infinite=unit.infinite,
        double=_in_double(mac, acc),
    )


# Aligned sums of tensor cores.

#: Units place of a zero, below all others, and of an infinity or NaN, above all others, even after
#: another place is added. A place of at least `SPECIAL` means that a term is infinite or NaN.
NOWHERE, BEYOND, SPECIAL = -(1 << 20), 1 << 22, 1 << 21


class Aligned(NamedTuple):
    """Facts of a unit for its step."""

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
    """Code of ``total * 2**lsb_exp`` truncated to the kept fraction bits; overflow gives Inf."""
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
def _flagged(
    code: Any, a: Any, b: Any, classes_a: Any, classes_b: Any, table: Any, fact: Any
) -> Any:
    """Code of a sum with an infinite or NaN term."""
    magnitude, flag = code & ~fact.sign, 0
    if magnitude >= fact.inf:
        flag = 3 if magnitude > fact.inf else 2 if code & fact.sign else 1
    for lane in range(a.size):
        if flag == 3:
            break
        flag |= table[classes_a[a[lane]], classes_b[b[lane]]]
    return fact.nan if flag == 3 else fact.inf | (fact.sign if flag == 2 else 0)


@njit(cache=True)
def _place(
    a: Any, b: Any, left: Any, right: Any, places_a: Any, places_b: Any, product: Any, top: Any
) -> Any:
    """Compute an element's products. Returns the highest place of them and of ``top``."""
    for lane in range(a.size):
        p, q = a[lane], b[lane]
        product[lane] = left[p] * right[q]
        top = max(top, places_a[p] + places_b[q])
    return top


@njit(cache=True)
def _sum(product: Any, scale: Any) -> Any:
    """Sum of products, each truncated at the common place, which ``scale`` moves to one.

    LLVM vectorises the loop. Each product is exact, but a sum of many may not be.
    """
    total = np.int64(0)
    for lane in range(product.size):
        total += np.int64(product[lane] * scale)
    return total


@njit(cache=True)
def _aligned(
    acc: Any,
    a: Any,
    b: Any,
    frame: Any,
    left: Any,
    right: Any,
    places_a: Any,
    places_b: Any,
    classes_a: Any,
    classes_b: Any,
    table: Any,
    facts: Any,
) -> Any:
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
                sums[r, c] = _flagged(
                    code, a[r, :, c], b[r, :, c], classes_a, classes_b, table, fact
                )
            elif top > NOWHERE // 2:
                cut = _truncated(old, fact.frac - fact.man_bits - (top - place))
                total = _sum(product, 2.0 ** (fact.frac - top)) + (
                    -cut if code & fact.sign else cut
                )
                sums[r, c] = _packed(total, top - fact.frac, fact)
            else:
                sums[r, c] = 0
    return sums


def _aligned_advance(mac: MacSpec, plain: Advance) -> Advance:
    acc = mac.acc
    assert isinstance(acc, AlignedAccumulator)
    fmt = acc.fmt
    facts = record(
        Aligned(
            sign=fmt.sign_code,
            inf=special_code(fmt, Flag.POS_INF),
            nan=acc.nan_code,
            man_bits=fmt.man_bits,
            kept=acc.fraction_bits,
            bias=fmt.bias,
            frac=acc.frac_bits,
        )
    )
    (left, places_a, classes_a), (right, places_b, classes_b) = _terms(mac.a), _terms(mac.b)
    return lambda acc, flags, a, b, frame: (
        _aligned(
            acc, a, b, frame, left, right, places_a, places_b, classes_a, classes_b, FLAGS, facts
        ),
        flags,
    )


def _terms(fmt: Format) -> tuple[NDArray, NDArray, NDArray]:
    """Value, place and class of each code. Infinities and NaN have the value 0."""
    table = parts(fmt)
    place = np.where(table.sig == 0, NOWHERE, table.exp + fmt.lsb_exp + fmt.man_bits)
    place = np.where(table.classes >= Class.POS_INF, BEYOND, place)
    finite = np.where(table.classes >= Class.POS_INF, 0.0, values(fmt))
    return finite, place.astype(np.int64), table.classes.astype(np.int64)


#: Makers of a step, by kind of accumulator.
ADVANCES = {
    FixedAccumulator: _fixed_advance,
    FloatAccumulator: _float_advance,
    AlignedAccumulator: _aligned_advance,
}


# Moves in the weight-stationary array; see `sim.cycle.steps` for the numpy versions.


@njit(cache=True)
def enter(acc: Any, flags: Any, control: Any, now: Any, words: Any, read: Any, before: Any) -> Any:
    """Sums and flags from the north of each element. The memory of sums takes its clock edge."""
    rows, cols = acc.shape
    sums, raised = np.empty_like(acc), np.empty_like(flags)
    for c in range(cols):
        time, south, flag = now - c, acc[rows - 1, c], flags[rows - 1, c]
        if control[time, 0]:
            sums[0, c], raised[0, c] = 0, 0
        elif control[time, 1]:
            sums[0, c], raised[0, c] = south, flag
        elif control[time, 2]:
            sums[0, c], raised[0, c] = before[0, c], before[1, c]
        else:
            sums[0, c], raised[0, c] = read[0, c], read[1, c]
        place = control[time, 4]
        read[0, c], read[1, c] = words[0, place, c], words[1, place, c]
        if control[time, 3]:
            place = control[time, 5]
            words[0, place, c], words[1, place, c] = south, flag
        before[0, c], before[1, c] = south, flag
    for r in range(1, rows):
        for c in range(cols):
            sums[r, c], raised[r, c] = acc[r - 1, c], flags[r - 1, c]
    return sums, raised


@njit(cache=True)
def exchange(
    used: Any,
    waiting: Any,
    passed: Any,
    b: Any,
    swap: Any,
    load: Any,
    now_b: Any,
    now_swap: Any,
    now_load: Any,
    step: Any,
) -> Any:
    """Next weights in use and next waiting weights. Most do not change in a cycle."""
    rows, lanes, cols = used.shape
    in_use, kept = used.copy(), waiting.copy()
    for r in range(rows):
        for c in range(cols):
            if swap[now_swap - r * step - c]:
                for lane in range(lanes):
                    in_use[r, lane, c] = waiting[r, lane, c]
            if load[now_load - r - c]:
                for lane in range(lanes):
                    kept[r, lane, c] = passed[r - 1, lane, c] if r else b[now_b - c, c, lane]
    return in_use, kept
