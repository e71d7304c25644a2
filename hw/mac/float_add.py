# SPDX-License-Identifier: Apache-2.0
"""The floating-point accumulate loop: ``acc' = round(acc + term)``, exact sum, one rounding.

The larger one of accumulator and term stands at the top of the frame, the other one is aligned
under it. Where their difference turns out negative, its complement is the magnitude less one unit
of the last column; ones shifted in below make up for it when the sum is rounded, so that no second
adder is needed.
"""

from dataclasses import dataclass

from amaranth import *

from hw.arith.add import add, extend
from hw.arith.align import shift_right
from hw.mac.float_code import OldSum, Rounded, pack_sum, unpack_sum
from hw.mac.float_round import Total, round_total
from hw.mac.frame import Frame
from hw.mac.term import Term

__all__ = ["add_term"]


@dataclass(frozen=True, slots=True)
class _Roles:
    """Who is the larger one, who counts at all, and how far the smaller one has to move."""

    old_is_larger: Value
    has_old: Value
    has_term: Value
    amount: Value


def add_term(m: Module, frame: Frame, code: Value, term: Term, first: Value) -> Value:
    """Code of the new sum; ``first`` starts from plus zero."""
    old = unpack_sum(m, frame, code, first)
    roles = _compare(m, frame, old, term, first)
    sub = Signal(name="subtract")
    m.d.comb += sub.eq(old.sign ^ term.sign)
    total, carry = _add(m, frame, old, term, roles, sub)
    larger = roles.old_is_larger
    place = Signal(frame.result_bits, name="frame_place")
    m.d.comb += place.eq(Mux(larger, extend(old.place, len(place)),
                             extend(term.place, len(place), signed=True)))
    rounded = round_total(m, frame, total, place, spare=frame.has_spare_column,
                          narrow=frame.is_narrow)
    sign = Signal(name="sum_sign")
    # A difference has the sign of the larger one, or the other one if it is short.
    m.d.comb += sign.eq((old.sign ^ (sub & (larger ^ carry)))
                        & ~_is_zero(frame, total, rounded, sub))
    return pack_sum(m, frame, rounded, sign, old, term)


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


def _add(m: Module, frame: Frame, old: OldSum, term: Term, roles: _Roles,
         sub: Value) -> tuple[Total, Value]:
    """Exact sum or difference of the two magnitudes in the frame, and its carry."""
    old_high = Cat(Const(0, frame.width - len(old.sig)), old.sig)
    old_low = Cat(Const(0, frame.width - len(old.sig) - 1), old.sig, Const(0, 1))
    term_high = Cat(Const(0, frame.width - len(term.sig)), term.sig)
    larger = roles.old_is_larger
    big = _either(m, (old_high, larger & roles.has_old), (term_high, ~larger), name="big")
    small = _either(m, (old_low, ~larger & roles.has_old), (term_high, larger & roles.has_term),
                    name="small")
    aligned, sticky = shift_right(m, small, roles.amount, name="aligned")
    total, carry = add(m, big, aligned ^ sub.replicate(frame.width), sub & ~sticky,
                       adder=frame.spec.adder, name="sum")
    short = Signal(name="short")
    magnitude = Signal(frame.width + 1, name="magnitude")
    m.d.comb += [
        short.eq(sub & ~carry),
        magnitude.eq(Cat(total ^ short.replicate(frame.width), carry & ~sub)),
    ]
    return Total(magnitude, short, sticky), carry


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


def _is_zero(frame: Frame, total: Total, rounded: Rounded, sub: Value) -> Value:
    """Whether the sum is plus zero whatever the signs."""
    if frame.has_minus_zero:
        return sub & ~total.short & ~total.sticky & ~total.magnitude.any()
    # No sum but zero itself rounds to zero, and it is never a minus zero.
    if not frame.clamps:
        return ~rounded.is_normal
    return ~(rounded.is_normal | rounded.man[frame.lsb - frame.fmt.lsb:].any())
