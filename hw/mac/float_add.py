# SPDX-License-Identifier: Apache-2.0
"""The floating-point accumulate loop: ``acc' = round(acc + term)``, exact sum, one rounding.

The accumulator's code is unpacked. The operand with the larger exponent goes to the top of the
window, and the other one is aligned to it. If their difference is negative, its bitwise complement
is the magnitude minus one unit of the last column. The normaliser shifts in ones, and rounding
corrects this error, so no second adder is needed. The sum is normalised, rounded and packed.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from amaranth import *

from hw.arith.add import add, extend
from hw.arith.normalize import normalize
from hw.arith.round import rounds_up, rounds_up_short
from hw.arith.shift import shift_right
from hw.mac.align_window import AlignWindow
from hw.mac.float_term import Term
from hw.mac.stages import delayed_fields


@dataclass(frozen=True, slots=True)
class OldSum:
    """Unpacked accumulator.

    Members
    -------
    sign, sig
        Sign and significand; the first pair of a sum does not clear the mantissa in ``sig``.
    exponent
        Exponent of the weight of the significand's top bit, biased as in `AlignWindow`.
    special, nan
        Whether the accumulator is infinite or NaN, and whether it is NaN.
    """

    sign: Value
    sig: Value
    exponent: Value = field(metadata={"signal": "place"})
    special: Value
    nan: Value


@dataclass(frozen=True, slots=True)
class Rounded:
    """Rounded magnitude; ``field`` is meaningful only if ``is_normal``.

    If ``infinite``, the sum is infinite and the other fields are ignored.
    """

    field: Value
    man: Value
    is_normal: Value
    infinite: Value


def unpack_sum(m: Module, window: AlignWindow, code: Value, first: Value) -> OldSum:
    """Unpack the accumulator; if ``first``, its exponent is below that of every term."""
    fmt, bits = window.fmt, window.exp_bits
    man, field = code[: fmt.man_bits], code[fmt.man_bits : fmt.magnitude_bits]
    # If sums can be subnormal, a new sum starts from the lowest exponent; otherwise `_compare`
    # selects the term.
    kept = ~first if window.clamps else Const(1)
    sign, hidden, special = (Signal(name=f"old_{part}") for part in ("sign", "hidden", "special"))
    exp, exponent = (Signal(bits, name=f"old_{part}") for part in ("exp", "place"))
    m.d.comb += [
        exp.eq(Cat(field[: bits - 1], field[-1]) & kept.replicate(bits)),
        hidden.eq(exp[window.lowest_hidden :].any()),
        exponent.eq(Cat(exp[0] | ~hidden, exp[1:]) if window.clamps else exp),
    ]
    if window.has_negative:
        # Without a minus zero, the old sign cannot change a new sum, so it need not be cleared.
        m.d.comb += sign.eq(code[-1] & ~first if window.has_minus_zero else code[-1])
    if window.has_special:
        m.d.comb += special.eq(exp.all() & ~first)
    return OldSum(sign, Cat(man, hidden), exponent, special, special & man[-1])


def pack_sum(
    m: Module, window: AlignWindow, rounded: Rounded, sign: Value, old: OldSum, term: Term
) -> Value:
    """Code of the rounded sum, or of an infinity or NaN."""
    nan, special = Signal(name="makes_nan"), term.nan | term.inf
    exp = rounded.field[: window.exp_bits] & rounded.is_normal.replicate(window.exp_bits)
    man = rounded.man
    if window.clamps and not window.spec.acc.subnormals:
        man = man & rounded.is_normal.replicate(len(man))
    m.d.comb += nan.eq(term.nan | (term.inf & (old.nan | (old.special & (old.sign ^ term.sign)))))
    if window.overflows:
        exp, man = _limit(m, window, rounded, exp, man, old, special)
        if window.to_inf:
            man = Cat(man[:-1], man[-1] | old.nan)
    else:
        exp = exp | special.replicate(len(exp))
    sign = (sign & ~special) | (term.inf & ~nan & term.sign)
    code = Signal(window.fmt.width, name="sum_code")
    m.d.comb += code.eq(Cat(man[:-1], man[-1] | nan, _widen(m, window, exp), sign))
    return code


def _limit(
    m: Module,
    window: AlignWindow,
    rounded: Rounded,
    exp: Value,
    man: Value,
    old: OldSum,
    special: Value,
) -> tuple[Value, Value]:
    """Exponent and mantissa limited to infinity or the largest number; ones if ``special``."""
    beyond = Signal(name="beyond")
    high = rounded.field[window.exp_bits :].any() | rounded.field[: window.exp_bits].all()
    if window.to_inf:
        m.d.comb += beyond.eq((rounded.is_normal & high) | rounded.infinite)
        return exp | (beyond | special).replicate(len(exp)), man & ~beyond.replicate(len(man))
    m.d.comb += beyond.eq(rounded.is_normal & high & ~old.special)
    ones = (beyond | special).replicate(len(exp) - 1)
    return Cat((exp[0] & ~beyond) | special, exp[1:] | ones), man | beyond.replicate(len(man))


def _widen(m: Module, window: AlignWindow, exp: Value) -> Value:
    """Exponent field of the accumulator: restores the bits that `AlignWindow.exp_bits` omits."""
    missing = window.fmt.exp_bits - window.exp_bits
    if not missing:
        return exp
    middle = Signal(name="exp_middle")
    special = exp.all() if window.has_special else Const(0)
    m.d.comb += middle.eq((exp.any() & ~exp[-1]) | special)
    return Cat(exp[:-1], middle.replicate(missing), exp[-1])


@dataclass(frozen=True, slots=True)
class Total:
    """Magnitude of the exact sum, with one column above the window.

    If ``short`` and not ``sticky``, the magnitude is too small by one unit of its last column. If
    ``sticky``, nonzero bits below the last column were dropped.
    """

    magnitude: Value
    short: Value
    sticky: Value


@dataclass(frozen=True, slots=True)
class Normal:
    """A `Total` shifted left by ``places``, to lead with a one unless the sum is subnormal or zero.

    ``exponent`` is the exponent of the window's top column.
    """

    value: Value
    places: Value
    exponent: Value = field(metadata={"signal": "place"})
    short: Value
    sticky: Value


def normalize_total(
    m: Module, window: AlignWindow, total: Total, exponent: Value, *, spare: bool
) -> Normal:
    """Normalise the sum; for ``spare`` see `normalize`."""
    value, places = normalize(
        m,
        total.magnitude,
        fill=total.short,
        name="normal",
        limit=exponent if window.clamps else None,
        spare=spare,
    )
    return Normal(value, places, exponent, total.short, total.sticky)


def round_normal(m: Module, window: AlignWindow, total: Normal, *, narrow: bool) -> Rounded:
    """Round the sum; with ``narrow``, a short magnitude is known to need no rounding."""
    value, places, exponent = total.value, total.places, total.exponent
    man_bits = window.fmt.man_bits
    leads, man = value[-1], value[-1 - man_bits : -1]
    guard, rest = value[-2 - man_bits], value[: -2 - man_bits]
    rounding = window.spec.acc.rounding
    up, is_normal = Signal(name="round_up"), Signal(name="is_normal")
    if narrow:
        m.d.comb += up.eq(
            rounds_up(
                rounding,
                odd=man[0],
                guard=guard,
                sticky=rest.any() | total.sticky,
                short=total.short,
            )
        )
    else:
        m.d.comb += up.eq(
            rounds_up_short(
                rounding, odd=man[0], guard=guard, rest=rest, sticky=total.sticky, short=total.short
            )
        )
    adder = window.spec.adder
    rounded, carry = add(m, man, Const(0, man_bits), up, adder=adder, name="rounded")
    m.d.comb += is_normal.eq(leads | carry)
    # The sum's exponent is exponent + 1 - places. The lowest bit of 1 - places is the inverse of
    # that of places, and the other bits are those of -(places >> 1).
    width = window.result_bits
    less, _ = add(
        m,
        extend(~places[1:], width - 1, fill=1),
        Const(0, width - 1),
        Const(1),
        adder=adder,
        name="less",
    )
    field, _ = add(m, exponent, Cat(~places[0], less), leads & carry, adder=adder, name="field")
    return Rounded(field, rounded, is_normal, infinite=Const(0))


@dataclass(frozen=True, slots=True)
class _Roles:
    """Which operand goes to the top, which ones are added, and the shift of the smaller one."""

    old_is_larger: Value
    has_old: Value
    has_term: Value
    amount: Value


@dataclass(frozen=True, slots=True)
class _Sides:
    """Values that are needed after the aligner, beside the magnitudes: specials, signs, exponent.

    ``exponent`` is the exponent of the window's top column; ``sub`` is 1 if the signs differ.
    """

    old: OldSum
    term: Term
    exponent: Value = field(metadata={"signal": "place"})
    sub: Value


@dataclass(frozen=True, slots=True)
class _Aligned:
    """Magnitudes in the window; ``sticky`` is 1 if bits of the smaller one were shifted out."""

    big: Value
    small: Value
    sticky: Value
    old_is_larger: Value


@dataclass(frozen=True, slots=True)
class _Signed:
    """Sum before rounding.

    ``negative`` is its sign unless it is zero; ``zero`` is whether it is zero, or None if that is
    not computed.
    """

    total: Total | Normal
    negative: Value
    zero: Value | None = None


def add_term(
    m: Module, window: AlignWindow, code: Value, term: Term, first: Value, stages: Counter[str]
) -> Value:
    """Code of the new sum; ``first`` starts from plus zero.

    Registers may be placed before the magnitudes are added (``aligned``), after that (``total``),
    and before the sum is rounded (``normal``).
    """

    def cut(point: str, *parts):
        """``parts`` after the registers at ``point``."""
        return (delayed_fields(m, part, stages[point], name=point) for part in parts)

    old = unpack_sum(m, window, code, first)
    roles = _compare(m, window, old, term, first)
    sub = Signal(name="subtract")
    m.d.comb += sub.eq(old.sign ^ term.sign)
    aligned = _align(m, window, old, term, roles)
    sides = _sides(window, old, term, roles, sub)
    aligned, sides = cut("aligned", aligned, sides)
    summed = _add(m, window, aligned, sides)
    exponent = Signal(window.result_bits, name="frame_place")
    m.d.comb += exponent.eq(sides.exponent)
    sides = replace(sides, exponent=exponent)
    summed, sides = cut("total", summed, sides)
    summed = replace(
        summed,
        zero=_is_minus_zero(window, summed.total, sides.sub),
        total=(
            normalize_total(m, window, summed.total, sides.exponent, spare=window.has_spare_column)
        ),
    )
    summed, sides = cut("normal", summed, replace(sides, exponent=Const(0), sub=Const(0)))
    rounded = round_normal(m, window, summed.total, narrow=window.is_narrow)
    zero = _is_zero(window, rounded) if summed.zero is None else summed.zero
    sign = Signal(name="sum_sign")
    m.d.comb += sign.eq(summed.negative & ~zero)
    return pack_sum(m, window, rounded, sign, sides.old, sides.term)


def _compare(m: Module, window: AlignWindow, old: OldSum, term: Term, first: Value) -> _Roles:
    """Compare the exponents of accumulator and term.

    If there is no term, the accumulator counts as the larger one, so a subnormal or special
    accumulator does not change.
    """
    width = window.distance_bits
    distance, _ = add(
        m,
        extend(old.exponent, width),
        ~extend(term.exponent, width, signed=True),
        Const(1),
        adder=window.spec.adder,
        name="distance",
    )
    below = distance[-1]
    starts = Const(0) if window.clamps else first
    no_old, no_term, larger = (Signal(name=f"{name}") for name in ("no_old", "no_term", "larger"))
    stays = Const(0) if window.special_stays else old.special
    stages = min(window.width.bit_length(), width - 1)
    # The accumulator enters one column lower if it is the smaller one, so its shift amount is
    # -distance - 1, the bitwise complement of distance.
    steps = distance[:-1] ^ below.replicate(width - 1)
    amount = Signal(stages, name="amount")
    m.d.comb += [
        no_old.eq(first | term.nan | term.inf),
        no_term.eq(term.zero | term.nan | term.inf | stays),
        larger.eq((~below & ~starts) | no_term),
        amount.eq(steps[:stages] | steps[stages:].any().replicate(stages)),
    ]
    return _Roles(larger, ~no_old, ~no_term, amount)


def _align(m: Module, window: AlignWindow, old: OldSum, term: Term, roles: _Roles) -> _Aligned:
    """Both magnitudes in the window, the larger one at the top."""
    old_high = Cat(Const(0, window.width - len(old.sig)), old.sig)
    old_low = Cat(Const(0, window.width - len(old.sig) - 1), old.sig, Const(0, 1))
    term_high = Cat(Const(0, window.width - len(term.sig)), term.sig)
    larger = roles.old_is_larger
    big = _either(m, (old_high, larger & roles.has_old), (term_high, ~larger), name="big")
    small = _either(
        m, (old_low, ~larger & roles.has_old), (term_high, larger & roles.has_term), name="small"
    )
    aligned, sticky = shift_right(m, small, roles.amount, name="aligned")
    return _Aligned(big, aligned, sticky, larger)


def _sides(window: AlignWindow, old: OldSum, term: Term, roles: _Roles, sub: Value) -> _Sides:
    """Values that bypass the adder."""
    width, none = window.result_bits, Const(0)
    exponent = Mux(
        roles.old_is_larger, extend(old.exponent, width), extend(term.exponent, width, signed=True)
    )
    return _Sides(
        replace(old, sig=none, exponent=none),
        replace(term, sig=none, exponent=none, zero=none),
        exponent,
        sub,
    )


def _add(m: Module, window: AlignWindow, aligned: _Aligned, sides: _Sides) -> _Signed:
    """Exact sum or difference of the two magnitudes in the window."""
    sub, sticky = sides.sub, aligned.sticky
    total, carry = add(
        m,
        aligned.big,
        aligned.small ^ sub.replicate(window.width),
        sub & ~sticky,
        adder=window.spec.adder,
        name="sum",
    )
    short = Signal(name="short")
    magnitude = Signal(window.width + 1, name="magnitude")
    m.d.comb += [
        short.eq(sub & ~carry),
        magnitude.eq(Cat(total ^ short.replicate(window.width), carry & ~sub)),
    ]
    # A difference has the sign of the larger operand, or of the other one if it is short.
    negative = sides.old.sign ^ (sub & (aligned.old_is_larger ^ carry))
    return _Signed(Total(magnitude, short, sticky), negative)


def _either(m: Module, *choices: tuple[Value, Value], name: str) -> Value:
    """The value whose select line is 1, or 0 if none is.

    An AND-OR needs only one gate in a column where the other value is constant 0.
    """
    chosen: Value = Const(0)
    for index, (value, line) in enumerate(choices):
        selected = Signal(name=f"{name}_select{index}")
        m.d.comb += selected.eq(line)
        chosen = chosen | (value & selected.replicate(len(value)))
    result = Signal(len(choices[0][0]), name=name)
    m.d.comb += result.eq(chosen)
    return result


def _is_minus_zero(window: AlignWindow, total: Total, sub: Value) -> Value | None:
    """Whether the exact sum of operands with different signs is zero, which is then plus zero.

    None if the accumulator is never a minus zero.
    """
    if not window.has_minus_zero:
        return None
    return sub & ~total.short & ~total.sticky & ~total.magnitude.any()


def _is_zero(window: AlignWindow, rounded: Rounded) -> Value:
    """Whether the rounded sum is zero; used where only an exact zero rounds to zero."""
    if not window.clamps:
        return ~rounded.is_normal
    return ~(rounded.is_normal | rounded.man[window.lsb_exp - window.fmt.lsb_exp :].any())
