# SPDX-License-Identifier: Apache-2.0
"""The floating-point accumulate loop: ``acc' = round(acc + term)``, exact sum, one rounding.

The larger one of accumulator and term stands at the top of the frame, the other one is aligned
under it. Where their difference turns out negative, its complement is the magnitude less one unit
of the last column; ones shifted in below make up for it when the sum is rounded, so that no second
adder is needed.
"""

from collections import Counter
from dataclasses import dataclass, replace

from amaranth import *

from hw.arith.add import add, extend
from hw.arith.align import shift_right
from hw.mac.float_code import OldSum, Rounded, pack_sum, unpack_sum
from hw.mac.float_round import Normal, Total, normalize_total, round_normal
from hw.mac.frame import Frame
from hw.mac.stages import delayed_fields
from hw.mac.term import Term

__all__ = ["add_term"]


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
