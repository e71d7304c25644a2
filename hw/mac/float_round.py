# SPDX-License-Identifier: Apache-2.0
"""Normalises and rounds the exact sum of a floating-point step."""

from dataclasses import dataclass

from amaranth import *

from hw.arith.add import add, extend
from hw.arith.normalize import normalize
from hw.arith.round import rounds_up, rounds_up_short
from hw.mac.float_code import Rounded
from hw.mac.frame import Frame

__all__ = ["Normal", "Total", "normalize_total", "round_normal"]


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
