# SPDX-License-Identifier: Apache-2.0
"""Specification of a floating-point step: exact sum of the old sum and a term, one rounding.

Written from the definition: a code is a sign and a whole number of units, as a fixed-point
bit-vector of the solver; a sum of such numbers is exact, and rounding keeps the leading bits. No
width is saved and nothing is left out.
"""

from dataclasses import dataclass

import z3

from hw.mac.align_window import AlignWindow
from hw.spec import Format, MacSpec, Overflow, Rounding
from tests.formal.flow import Stimuli
from tests.formal.meaning import products


@dataclass(frozen=True, slots=True)
class Number:
    """``(-1)**neg * mag * 2**unit``, unless it is NaN or infinite."""

    neg: z3.BoolRef
    mag: z3.BitVecRef
    unit: int
    nan: z3.BoolRef
    inf: z3.BoolRef


def widen(value: z3.BitVecRef, width: int) -> z3.BitVecRef:
    """``value`` in ``width`` bits, zeros above it; or its low bits."""
    if width <= value.size():
        return z3.Extract(width - 1, 0, value)
    return z3.ZeroExt(width - value.size(), value)


def decode(fmt: Format, code: z3.BitVecRef, *, unit: int, width: int) -> Number:
    """Value of a code with the special codes of IEEE 754, its magnitude in ``width`` bits.

    Only numbers that are multiples of ``2**unit`` and below ``2**(unit + width)`` come out right.
    """
    man_bits, exp_bits = fmt.man_bits, fmt.exp_bits
    top = man_bits + exp_bits
    field, man = z3.Extract(top - 1, man_bits, code), z3.Extract(man_bits - 1, 0, code)
    special, subnormal = field == (1 << exp_bits) - 1, field == 0
    size = max(width, man_bits + 1)
    hidden = z3.If(subnormal, z3.BitVecVal(0, 1), z3.BitVecVal(1, 1))
    sig = widen(z3.Concat(hidden, man), size)
    places = z3.If(subnormal, z3.BitVecVal(0, exp_bits), field - 1)
    above = fmt.lsb_exp - unit
    if above >= 0:
        mag = sig << widen(places, size) << above
    else:
        # A subnormal, and any number that is smaller than this many units, is taken to be zero.
        mag = z3.If(
            z3.UGE(field, 1 - above), sig << widen(places + above, size), z3.BitVecVal(0, size)
        )
    return Number(
        z3.Extract(top, top, code) == 1,
        widen(mag, width),
        unit,
        z3.And(special, man != 0),
        z3.And(special, man == 0),
    )


def add(x: Number, y: Number) -> Number:
    """Exact sum of two numbers of one unit and width, one bit wider; IEEE's zeros and infinities.

    A sum of zeros is minus zero only if both are; a difference of equal numbers is plus zero.
    """
    a, b = (widen(value.mag, value.mag.size() + 1) for value in (x, y))
    same, larger = x.neg == y.neg, z3.UGE(a, b)
    mag = z3.If(same, a + b, z3.If(larger, a - b, b - a))
    neg = z3.If(same, x.neg, z3.If(larger, z3.And(x.neg, a != b), y.neg))
    nan = z3.Or(x.nan, y.nan, z3.And(x.inf, y.inf, z3.Not(same)))
    return Number(
        z3.If(x.inf, x.neg, z3.If(y.inf, y.neg, neg)), mag, x.unit, nan, z3.Or(x.inf, y.inf)
    )


def round_to(
    fmt: Format, value: Number, *, rounding: Rounding, overflow: Overflow, subnormals: bool = True
) -> z3.BitVecRef:
    """Code of a number in a format with the special codes of IEEE 754, NaN the canonical one."""
    man_bits, exp_bits = fmt.man_bits, fmt.exp_bits
    low = fmt.lsb_exp - value.unit
    magnitude = _rounded(value.mag, man_bits, low, rounding)
    if not subnormals:
        zero = z3.BitVecVal(0, magnitude.size())
        magnitude = z3.If(z3.ULT(magnitude, 1 << man_bits), zero, magnitude)
    inf = ((1 << exp_bits) - 1) << man_bits
    to_inf = rounding is Rounding.RNE and overflow is Overflow.INF
    beyond = z3.BitVecVal(inf if to_inf else inf - 1, magnitude.size())
    magnitude = widen(z3.If(z3.UGE(magnitude, inf), beyond, magnitude), exp_bits + man_bits)
    magnitude = z3.If(value.inf, z3.BitVecVal(inf, magnitude.size()), magnitude)
    code = z3.Concat(z3.If(value.neg, z3.BitVecVal(1, 1), z3.BitVecVal(0, 1)), magnitude)
    return z3.If(value.nan, z3.BitVecVal(inf | 1 << man_bits - 1, code.size()), code)


def _rounded(mag: z3.BitVecRef, man_bits: int, low: int, rounding: Rounding) -> z3.BitVecRef:
    """Magnitude's code without its sign, wide enough for any exponent.

    ``low`` is the place in ``mag`` of the format's smallest unit.
    """
    precision = man_bits + 1
    width = max(mag.size(), precision + low, precision + 2)
    highest = width - precision - low
    value, places = _lead(widen(mag, width), highest)
    sig, below = z3.Extract(width - 1, width - precision, value), width - precision
    guard, rest = z3.Extract(below - 1, below - 1, value), z3.Extract(below - 2, 0, value)
    size = highest.bit_length() + precision + 1
    code = z3.Concat(
        z3.If(
            z3.Extract(man_bits, man_bits, sig) == 1,
            highest - widen(places, size - man_bits),
            z3.BitVecVal(0, size - man_bits),
        ),
        z3.BitVecVal(0, man_bits),
    )
    code += widen(sig, size)
    if rounding is Rounding.RTZ:
        return code
    up = z3.And(guard == 1, z3.Or(rest != 0, z3.Extract(0, 0, sig) == 1))
    return code + z3.If(up, z3.BitVecVal(1, size), z3.BitVecVal(0, size))


def _lead(value: z3.BitVecRef, limit: int) -> tuple[z3.BitVecRef, z3.BitVecRef]:
    """``value`` shifted left until its top bit is set, by ``limit`` places at most; the places."""
    width = value.size()
    stages = (width - 1).bit_length()
    size = stages + 1
    places = z3.BitVecVal(0, size)
    for stage in reversed(range(stages)):
        step = 1 << stage
        if step > limit:
            continue
        moves = z3.Extract(width - 1, max(width - step, 0), value) == 0
        if limit < 2 << stages:
            moves = z3.And(moves, z3.ULE(places, limit - step))
        value = z3.If(moves, value << step, value)
        places += z3.If(moves, z3.BitVecVal(step, size), z3.BitVecVal(0, size))
    return value, places


def held(spec: MacSpec, code: z3.BitVecRef) -> z3.BoolRef:
    """Whether the accumulator can hold a code, according to the design.

    This is only a hint: the proof includes that the unit never leaves these codes.
    """
    fmt, frame = spec.acc.fmt, AlignWindow(spec)
    top, man_bits = fmt.magnitude_bits, fmt.man_bits
    magnitude, neg = z3.Extract(top - 1, 0, code), z3.Extract(top, top, code) == 1
    exp = z3.Extract(top - 1, man_bits, code)
    finite = [z3.ULT(magnitude, fmt.inf_code)]
    missing = frame.lsb_exp - fmt.lsb_exp
    for place in range(man_bits + 1):
        bit = z3.Extract(place, place, code) == 1 if place < man_bits else exp != 0
        if place < missing:
            finite.append(z3.Or(z3.Not(bit), z3.UGE(exp, missing - place + 1)))
    if not frame.overflows:
        finite.append(z3.ULE(magnitude, (frame.top - fmt.lsb_exp - man_bits + 1) << man_bits))
    if not spec.acc.subnormals:
        finite.append(z3.UGE(magnitude, 1 << man_bits))
    kinds = [z3.And(magnitude != 0, *finite), magnitude == 0 if frame.has_minus_zero else code == 0]
    if frame.to_inf or frame.inf_terms:
        kinds.append(magnitude == fmt.inf_code)
    if frame.inf_terms or frame.nan_terms:
        kinds.append(code == fmt.nan_code)
    return z3.And(z3.Or(*kinds), True if frame.has_negative else z3.Not(neg))


@dataclass(frozen=True, slots=True)
class Scale:
    """Fixed-point format that holds every sum of a unit: width, and weight of the lowest bit."""

    unit: int
    width: int

    @classmethod
    def of(cls, spec: MacSpec) -> "Scale":
        """Scale for all that the accumulator can hold and all sums of products."""
        fmt, frame = spec.acc.fmt, AlignWindow(spec)
        unit = min(spec.product_lsb, fmt.lsb_exp) if frame.clamps else frame.lsb_exp - fmt.man_bits
        largest = spec.lanes * max(product.units for product in products(spec.a, spec.b))
        top = max(
            fmt.bias if frame.overflows else frame.top, largest.bit_length() + spec.product_lsb - 1
        )
        return cls(unit, top + 1 - unit)


def accumulated(spec: MacSpec, stimuli: Stimuli, term: Number) -> z3.BitVecRef:
    """Accumulator after a step by definition: exact sum, rounded once."""
    acc, width = spec.acc, term.mag.size()
    old = decode(acc.fmt, stimuli.old, unit=term.unit, width=width)
    continues = z3.Not(stimuli.first)
    old = Number(
        z3.And(continues, old.neg),
        z3.If(continues, old.mag, z3.BitVecVal(0, width)),
        term.unit,
        z3.And(continues, old.nan),
        z3.And(continues, old.inf),
    )
    return round_to(
        acc.fmt,
        add(old, term),
        rounding=acc.rounding,
        overflow=acc.overflow,
        subnormals=acc.subnormals,
    )
