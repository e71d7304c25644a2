# SPDX-License-Identifier: Apache-2.0
"""Code of a floating-point accumulator: taken apart before the sum, put together behind it."""

from dataclasses import dataclass

from amaranth import *

from hw.mac.frame import Frame
from hw.mac.term import Term

__all__ = ["OldSum", "Rounded", "pack_sum", "unpack_sum"]


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
