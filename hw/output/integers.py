# SPDX-License-Identifier: Apache-2.0
"""Encoder to an integer: align, round, add the zero point, clamp."""

from amaranth import *

from hw.arith.align import shift_right
from hw.arith.round import rounds_up
from hw.output.source import Number
from hw.spec import OutputSpec, Rounding

__all__ = ["encode_integer"]


def encode_integer(m: Module, spec: OutputSpec, number: Number,
                   zero_point: Value | None) -> Value:
    """Code of ``number`` in ``spec.to``; combinational."""
    fmt = spec.to
    units, beyond = _round(m, spec, number)
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


def _round(m: Module, spec: OutputSpec, number: Number) -> tuple[Value, Value]:
    """Rounded magnitude in units of ``2**to.lsb``, and whether it is beyond any zero point.

    The magnitude has a bit more than the format: as much as a zero point can bring back.
    """
    fmt = spec.to
    bits = fmt.man_bits + 1
    high = Cat(Const(0, bits), number.sig)
    # The bit at the foot of the result is the guard bit.
    steps = (fmt.lsb - 1 + bits - number.lsb) - number.exp
    distance = Signal(steps.shape(), name="distance")
    stages = len(high).bit_length()
    amount, over = Signal(stages, name="amount"), Signal(name="over")
    m.d.comb += [
        distance.eq(steps),
        over.eq(distance < 0),
        amount.eq(distance[:stages] | (distance[stages:].any() & ~over).replicate(stages)),
    ]
    aligned, lost = shift_right(m, high, amount, name="aligned")
    kept = aligned[1:1 + bits]
    up = rounds_up(Rounding.RNE, odd=kept[0], guard=aligned[0], sticky=lost)
    units, beyond = Signal(bits + 1, name="units"), Signal(name="beyond")
    m.d.comb += [
        units.eq(kept + up),
        beyond.eq(aligned[1 + bits:].any() | (over & number.sig.any())),
    ]
    return Mux(over, 0, units), beyond
