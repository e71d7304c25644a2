# SPDX-License-Identifier: Apache-2.0
"""Encoders of an output stage: they round once, to a floating-point format or an integer."""

from amaranth import *

from hw.arith.normalize import normalize
from hw.arith.number import Number
from hw.arith.round import rounds_up
from hw.arith.shift import shift_right
from hw.spec import Format, OutputSpec, Rounding


def encode_float(m: Module, spec: OutputSpec, number: Number) -> Value:
    """Code of ``number`` in ``spec.to``; combinational."""
    fmt = spec.to
    # Exponent of the smallest normal number.
    lowest = fmt.lsb_exp + fmt.man_bits
    sig, top = number.sig, number.exp + (number.lsb_exp + len(number.sig) - 1)
    # A value without leading one is subnormal in the source; in the target it is then subnormal
    # too, or smaller, and needs no normalization.
    if not (number.leads and number.lsb_exp + len(number.sig) <= lowest):
        sig, places = normalize(m, sig, fill=Const(0), name="normal")
        top = top - places
    above = top - lowest
    distance = Signal(above.shape(), name="distance")
    m.d.comb += distance.eq(above)
    magnitude = _round_float(m, fmt, sig, distance)
    return _limit(m, spec, number, magnitude)


def _round_float(m: Module, fmt: Format, sig: Value, distance: Value) -> Value:
    """Rounded magnitude as a code without an upper limit: exponent field above mantissa.

    ``distance`` is the exponent of the top bit of ``sig`` minus that of the smallest normal number.
    """
    precision = fmt.man_bits + 1
    # Rounding needs the kept bits, the guard bit, and whether any lower bit is set.
    sig = Cat(Const(0, max(precision + 1 - len(sig), 0)), sig)
    rest = len(sig) - precision - 1
    short = Cat(sig[:rest].any(), sig[rest:])
    below = Signal(name="below")
    m.d.comb += below.eq(distance < 0)
    amount = _limited(m, Mux(below, -distance, 0), len(short).bit_length())
    aligned, lost = shift_right(m, short, amount, name="aligned")
    kept, guard, sticky = aligned[2:], aligned[1], aligned[0] | lost
    up = rounds_up(Rounding.RNE, odd=kept[0], guard=guard, sticky=sticky)
    field = Signal(max(len(distance) - 1, 1), name="field")
    m.d.comb += field.eq(Mux(sig[-1] & ~below, distance, 0))
    # The field is one too low for normal numbers; adding the hidden bit corrects it.
    total = Cat(Const(0, fmt.man_bits), field) + kept + up
    magnitude = Signal(len(total), name="magnitude")
    m.d.comb += magnitude.eq(total)
    return magnitude


def _limited(m: Module, value: Value, width: int) -> Value:
    """``value``, limited to the largest number of ``width`` bits."""
    amount = Signal(width, name="amount")
    m.d.comb += amount.eq(value[:width] | value[width:].any().replicate(width))
    return amount


def _limit(m: Module, spec: OutputSpec, number: Number, magnitude: Value) -> Value:
    """Code with its sign, including overflow and special values."""
    fmt = spec.to
    highest, beyond = _highest(spec), Signal(name="beyond")
    m.d.comb += beyond.eq(number.inf | (magnitude > fmt.max_code))
    held = Signal(fmt.magnitude_bits, name="held")
    if not fmt.subnormals:
        magnitude = Mux(magnitude[fmt.man_bits :].any(), magnitude, 0)
    m.d.comb += held.eq(Mux(beyond, highest, magnitude))
    negative = number.sign
    if not fmt.has_minus_zero:
        negative = negative & held.any()
    if highest == fmt.nan_code:
        negative = negative & ~beyond
    if fmt.signed:
        # A NaN with the code of minus zero is the sign bit only.
        finite = Cat(held, negative | (beyond & bool(highest & fmt.sign_code)))
    else:
        finite = Mux(number.sign, 0, held)
    code = Signal(fmt.width, name="code")
    m.d.comb += code.eq(Mux(number.nan, fmt.nan_code or 0, finite))
    return code


def _highest(spec: OutputSpec) -> int:
    """Code, without sign, for an overflow."""
    fmt = spec.to
    if spec.saturate:
        return fmt.max_code
    codes = (fmt.inf_code, fmt.nan_code, fmt.max_code)
    return next(code for code in codes if code is not None)


def encode_integer(m: Module, spec: OutputSpec, number: Number, zero_point: Value | None) -> Value:
    """Code of ``number`` in ``spec.to``; combinational."""
    fmt = spec.to
    units, beyond = _round_integer(m, spec, number)
    offset = Const(0, 1) if zero_point is None else zero_point
    signed = Mux(number.nan, 0, Mux(number.sign, -units, units))
    total = signed + (offset.as_signed() if fmt.signed else offset)
    result = Signal(total.shape(), name="total")
    low, high = Signal(name="too_low"), Signal(name="too_high")
    code = Signal(fmt.width, name="code")
    out = (beyond | number.inf) & ~number.nan
    m.d.comb += [
        result.eq(total),
        low.eq(Mux(out, number.sign, result < fmt.min_units)),
        high.eq(Mux(out, ~number.sign, result > fmt.max_units)),
        code.eq(Mux(low, fmt.min_units, Mux(high, fmt.max_units, result))),
    ]
    return code


def _round_integer(m: Module, spec: OutputSpec, number: Number) -> tuple[Value, Value]:
    """Rounded magnitude in units of ``2**to.lsb_exp``; whether it overflows for any zero point.

    The magnitude is one bit wider than the format, because a zero point can bring such a value
    back into range.
    """
    fmt = spec.to
    bits = fmt.man_bits + 1
    high = Cat(Const(0, bits), number.sig)
    # Bit 0 of the shifted value is the guard bit.
    steps = (fmt.lsb_exp - 1 + bits - number.lsb_exp) - number.exp
    distance = Signal(steps.shape(), name="distance")
    stages = len(high).bit_length()
    amount, over = Signal(stages, name="amount"), Signal(name="over")
    m.d.comb += [
        distance.eq(steps),
        over.eq(distance < 0),
        amount.eq(distance[:stages] | (distance[stages:].any() & ~over).replicate(stages)),
    ]
    aligned, lost = shift_right(m, high, amount, name="aligned")
    kept = aligned[1 : 1 + bits]
    up = rounds_up(Rounding.RNE, odd=kept[0], guard=aligned[0], sticky=lost)
    units, beyond = Signal(bits + 1, name="units"), Signal(name="beyond")
    m.d.comb += [
        units.eq(kept + up),
        beyond.eq(aligned[1 + bits :].any() | (over & number.sig.any())),
    ]
    return Mux(over, 0, units), beyond
