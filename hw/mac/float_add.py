# SPDX-License-Identifier: Apache-2.0
"""The floating-point accumulate loop: ``acc' = round(acc + term)``, exact sum, one rounding.

The accumulator's code is taken apart. The larger one of accumulator and term stands at the top of
the window, the other one is aligned under it. Where their difference turns out negative, its
complement is the magnitude less one unit of the last column; ones shifted in below make up for it
when the sum is rounded, so that no second adder is needed. The sum is normalised, rounded and put
together as a code.
"""

from collections import Counter
from dataclasses import dataclass, replace

from amaranth import *

from hw.arith.add import add, extend
from hw.arith.normalize import normalize
from hw.arith.round import rounds_up, rounds_up_short
from hw.arith.shift import shift_right
from hw.mac.align_window import Frame
from hw.mac.float_term import Term
from hw.mac.stages import delayed_fields


@dataclass(frozen=True, slots=True)
class OldSum:
    """Accumulator taken apart.

    Members
    -------
    sign, sig
        Sign and significand; ``sig`` keeps its mantissa where the sum starts anew.
    place
        Exponent of the weight of the significand's top bit, counted as in `Frame`.
    special, nan
        Whether it is infinite or NaN, and whether it is NaN.
    """

    sign: Value
    sig: Value
    place: Value
    special: Value
    nan: Value


@dataclass(frozen=True, slots=True)
class Rounded:
    """Rounded magnitude; ``field`` means nothing unless ``is_normal``.

    ``infinite`` says that it stands for an infinity whatever else it says.
    """

    field: Value
    man: Value
    is_normal: Value
    infinite: Value


def unpack_sum(m: Module, frame: Frame, code: Value, first: Value) -> OldSum:
    """Take the accumulator apart; where a sum starts anew it stands below every term."""
    fmt, bits = frame.fmt, frame.exp_bits
    man, field = code[:fmt.man_bits], code[fmt.man_bits:fmt.magnitude_bits]
    # A clamp needs the lowest place of all; elsewhere the term is above anyway.
    kept = ~first if frame.clamps else Const(1)
    sign, hidden, special = (Signal(name=f"old_{part}") for part in ("sign", "hidden", "special"))
    exp, place = (Signal(bits, name=f"old_{part}") for part in ("exp", "place"))
    m.d.comb += [
        exp.eq(Cat(field[:bits - 1], field[-1]) & kept.replicate(bits)),
        hidden.eq(exp[frame.lowest_hidden:].any()),
        place.eq(Cat(exp[0] | ~hidden, exp[1:]) if frame.clamps else exp),
    ]
    if frame.has_negative:
        # Elsewhere a zero is positive whatever the signs, and no other sum depends on this one.
        m.d.comb += sign.eq(code[-1] & ~first if frame.has_minus_zero else code[-1])
    if frame.has_special:
        m.d.comb += special.eq(exp.all() & ~first)
    return OldSum(sign, Cat(man, hidden), place, special, special & man[-1])


def pack_sum(m: Module, frame: Frame, rounded: Rounded, sign: Value, old: OldSum,
             term: Term) -> Value:
    """Code of the rounded sum, or of what it is instead of a number."""
    nan, special = Signal(name="makes_nan"), term.nan | term.inf
    exp = rounded.field[:frame.exp_bits] & rounded.is_normal.replicate(frame.exp_bits)
    man = rounded.man
    if frame.clamps and not frame.spec.acc.subnormals:
        man = man & rounded.is_normal.replicate(len(man))
    m.d.comb += nan.eq(term.nan | (term.inf & (old.nan | (old.special & (old.sign ^ term.sign)))))
    if frame.overflows:
        exp, man = _limit(m, frame, rounded, exp, man, old, special)
        if frame.to_inf:
            man = Cat(man[:-1], man[-1] | old.nan)
    else:
        exp = exp | special.replicate(len(exp))
    sign = (sign & ~special) | (term.inf & ~nan & term.sign)
    code = Signal(frame.fmt.width, name="sum_code")
    m.d.comb += code.eq(Cat(man[:-1], man[-1] | nan, _widen(m, frame, exp), sign))
    return code


def _limit(m: Module, frame: Frame, rounded: Rounded, exp: Value, man: Value,
           old: OldSum, special: Value) -> tuple[Value, Value]:
    """Exponent and mantissa, held at infinity or at the largest number; ones if ``special``."""
    beyond = Signal(name="beyond")
    high = rounded.field[frame.exp_bits:].any() | rounded.field[:frame.exp_bits].all()
    if frame.to_inf:
        m.d.comb += beyond.eq((rounded.is_normal & high) | rounded.infinite)
        return exp | (beyond | special).replicate(len(exp)), man & ~beyond.replicate(len(man))
    m.d.comb += beyond.eq(rounded.is_normal & high & ~old.special)
    ones = (beyond | special).replicate(len(exp) - 1)
    return Cat((exp[0] & ~beyond) | special, exp[1:] | ones), man | beyond.replicate(len(man))


def _widen(m: Module, frame: Frame, exp: Value) -> Value:
    """Exponent in the accumulator's field, the bits that `Frame.exp_bits` left out put back."""
    missing = frame.fmt.exp_bits - frame.exp_bits
    if not missing:
        return exp
    middle = Signal(name="exp_middle")
    special = exp.all() if frame.has_special else Const(0)
    m.d.comb += middle.eq((exp.any() & ~exp[-1]) | special)
    return Cat(exp[:-1], middle.replicate(missing), exp[-1])


@dataclass(frozen=True, slots=True)
class Total:
    """Magnitude of the exact sum, one column above the frame included.

    If ``short``, it is less by one unit of its last column; the smaller one was not cut then,
    unless ``sticky`` says so and makes the magnitude right.
    """

    magnitude: Value
    short: Value
    sticky: Value


@dataclass(frozen=True, slots=True)
class Normal:
    """A `Total` whose magnitude was shifted left by ``places`` to lead with a one, if it can.

    ``place`` is that of the frame's top column.
    """

    value: Value
    places: Value
    place: Value
    short: Value
    sticky: Value


def normalize_total(m: Module, frame: Frame, total: Total, place: Value, *, spare: bool) -> Normal:
    """Normalise; ``spare`` as in `normalize`."""
    value, places = normalize(m, total.magnitude, fill=total.short, name="normal",
                              limit=place if frame.clamps else None, spare=spare)
    return Normal(value, places, place, total.short, total.sticky)


def round_normal(m: Module, frame: Frame, total: Normal, *, narrow: bool) -> Rounded:
    """Round; ``narrow`` says that a short magnitude needs no rounding."""
    value, places, place = total.value, total.places, total.place
    man_bits = frame.fmt.man_bits
    leads, man = value[-1], value[-1 - man_bits:-1]
    guard, rest = value[-2 - man_bits], value[:-2 - man_bits]
    rounding = frame.spec.acc.rounding
    up, is_normal = Signal(name="round_up"), Signal(name="is_normal")
    if narrow:
        m.d.comb += up.eq(rounds_up(rounding, odd=man[0], guard=guard, sticky=rest.any()
                                    | total.sticky, short=total.short))
    else:
        m.d.comb += up.eq(rounds_up_short(rounding, odd=man[0], guard=guard, rest=rest,
                                          sticky=total.sticky, short=total.short))
    adder = frame.spec.adder
    rounded, carry = add(m, man, Const(0, man_bits), up, adder=adder, name="rounded")
    m.d.comb += is_normal.eq(leads | carry)
    # The exponent is that of the column above the frame, less the places: the last bit of
    # 1 - places is the inverse, the others are those of -(places >> 1).
    width = frame.result_bits
    less, _ = add(m, extend(~places[1:], width - 1, fill=1), Const(0, width - 1), Const(1),
                  adder=adder, name="less")
    field, _ = add(m, place, Cat(~places[0], less), leads & carry, adder=adder, name="field")
    return Rounded(field, rounded, is_normal, infinite=Const(0))


@dataclass(frozen=True, slots=True)
class _Roles:
    """Who is the larger one, who counts at all, and how far the smaller one has to move."""

    old_is_larger: Value
    has_old: Value
    has_term: Value
    amount: Value


@dataclass(frozen=True, slots=True)
class _Sides:
    """What accumulator and term still decide behind the aligner: special codes, signs, place.

    ``place`` is that of the frame's top column, ``sub`` says that the signs differ.
    """

    old: OldSum
    term: Term
    place: Value
    sub: Value


@dataclass(frozen=True, slots=True)
class _Aligned:
    """Magnitudes in the frame; ``sticky`` is what the smaller one has lost below it."""

    big: Value
    small: Value
    sticky: Value
    old_is_larger: Value


@dataclass(frozen=True, slots=True)
class _Signed:
    """Sum that is not rounded yet, and its sign unless it is zero; whether it is, if known."""

    total: Total | Normal
    negative: Value
    zero: Value | None = None


def add_term(m: Module, frame: Frame, code: Value, term: Term, first: Value,
             stages: Counter[str]) -> Value:
    """Code of the new sum; ``first`` starts from plus zero.

    Registers may stand before the magnitudes are added (``aligned``), behind that (``total``) and
    before the sum is rounded (``normal``).
    """
    def cut(point: str, *parts):
        """Registers of a point behind all that is still to be used."""
        return (delayed_fields(m, part, stages[point], name=point) for part in parts)

    old = unpack_sum(m, frame, code, first)
    roles = _compare(m, frame, old, term, first)
    sub = Signal(name="subtract")
    m.d.comb += sub.eq(old.sign ^ term.sign)
    aligned = _align(m, frame, old, term, roles)
    sides = _sides(frame, old, term, roles, sub)
    aligned, sides = cut("aligned", aligned, sides)
    summed = _add(m, frame, aligned, sides)
    place = Signal(frame.result_bits, name="frame_place")
    m.d.comb += place.eq(sides.place)
    sides = replace(sides, place=place)
    summed, sides = cut("total", summed, sides)
    summed = replace(summed, zero=_is_minus_zero(frame, summed.total, sides.sub), total=(
        normalize_total(m, frame, summed.total, sides.place, spare=frame.has_spare_column)))
    summed, sides = cut("normal", summed, replace(sides, place=Const(0), sub=Const(0)))
    rounded = round_normal(m, frame, summed.total, narrow=frame.is_narrow)
    zero = _is_zero(frame, rounded) if summed.zero is None else summed.zero
    sign = Signal(name="sum_sign")
    m.d.comb += sign.eq(summed.negative & ~zero)
    return pack_sum(m, frame, rounded, sign, sides.old, sides.term)


def _compare(m: Module, frame: Frame, old: OldSum, term: Term, first: Value) -> _Roles:
    """Compare the exponents of accumulator and term.

    The accumulator also plays the larger one where there is no term: this keeps a subnormal or
    special one as it is.
    """
    width = frame.distance_bits
    distance, _ = add(m, extend(old.place, width), ~extend(term.place, width, signed=True),
                      Const(1), adder=frame.spec.adder, name="distance")
    below = distance[-1]
    starts = Const(0) if frame.clamps else first
    no_old, no_term, larger = (Signal(name=f"{name}") for name in ("no_old", "no_term", "larger"))
    stays = Const(0) if frame.special_stays else old.special
    stages = min(frame.width.bit_length(), width - 1)
    # The smaller one enters one column lower if it is the accumulator, so -distance - 1 will do.
    steps = distance[:-1] ^ below.replicate(width - 1)
    amount = Signal(stages, name="amount")
    m.d.comb += [
        no_old.eq(first | term.nan | term.inf),
        no_term.eq(term.zero | term.nan | term.inf | stays),
        larger.eq((~below & ~starts) | no_term),
        amount.eq(steps[:stages] | steps[stages:].any().replicate(stages)),
    ]
    return _Roles(larger, ~no_old, ~no_term, amount)


def _align(m: Module, frame: Frame, old: OldSum, term: Term, roles: _Roles) -> _Aligned:
    """Both magnitudes in the frame, the larger one at its top."""
    old_high = Cat(Const(0, frame.width - len(old.sig)), old.sig)
    old_low = Cat(Const(0, frame.width - len(old.sig) - 1), old.sig, Const(0, 1))
    term_high = Cat(Const(0, frame.width - len(term.sig)), term.sig)
    larger = roles.old_is_larger
    big = _either(m, (old_high, larger & roles.has_old), (term_high, ~larger), name="big")
    small = _either(m, (old_low, ~larger & roles.has_old), (term_high, larger & roles.has_term),
                    name="small")
    aligned, sticky = shift_right(m, small, roles.amount, name="aligned")
    return _Aligned(big, aligned, sticky, larger)


def _sides(frame: Frame, old: OldSum, term: Term, roles: _Roles, sub: Value) -> _Sides:
    """All that goes past the adder."""
    width, none = frame.result_bits, Const(0)
    place = Mux(roles.old_is_larger, extend(old.place, width),
                extend(term.place, width, signed=True))
    return _Sides(replace(old, sig=none, place=none),
                  replace(term, sig=none, place=none, zero=none), place, sub)


def _add(m: Module, frame: Frame, aligned: _Aligned, sides: _Sides) -> _Signed:
    """Exact sum or difference of the two magnitudes in the frame."""
    sub, sticky = sides.sub, aligned.sticky
    total, carry = add(m, aligned.big, aligned.small ^ sub.replicate(frame.width), sub & ~sticky,
                       adder=frame.spec.adder, name="sum")
    short = Signal(name="short")
    magnitude = Signal(frame.width + 1, name="magnitude")
    m.d.comb += [
        short.eq(sub & ~carry),
        magnitude.eq(Cat(total ^ short.replicate(frame.width), carry & ~sub)),
    ]
    # A difference has the sign of the larger one, or the other one if it is short.
    negative = sides.old.sign ^ (sub & (aligned.old_is_larger ^ carry))
    return _Signed(Total(magnitude, short, sticky), negative)


def _either(m: Module, *choices: tuple[Value, Value], name: str) -> Value:
    """The value whose line is set, or 0: columns that only one of them has need a single gate."""
    chosen: Value = Const(0)
    for index, (value, line) in enumerate(choices):
        selected = Signal(name=f"{name}_select{index}")
        m.d.comb += selected.eq(line)
        chosen = chosen | (value & selected.replicate(len(value)))
    result = Signal(len(choices[0][0]), name=name)
    m.d.comb += result.eq(chosen)
    return result


def _is_minus_zero(frame: Frame, total: Total, sub: Value) -> Value | None:
    """Whether the exact sum is zero, if only then it is plus zero whatever the signs."""
    if not frame.has_minus_zero:
        return None
    return sub & ~total.short & ~total.sticky & ~total.magnitude.any()


def _is_zero(frame: Frame, rounded: Rounded) -> Value:
    """Whether the sum is zero: none but zero itself rounds to it, and it is never a minus zero."""
    if not frame.clamps:
        return ~rounded.is_normal
    return ~(rounded.is_normal | rounded.man[frame.lsb - frame.fmt.lsb:].any())
