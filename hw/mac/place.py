# SPDX-License-Identifier: Apache-2.0
"""Where a product stands: operands whose significands lead with a one, and their exponents' sum."""

from amaranth import *

from hw.arith.add import add, extend
from hw.arith.decode import Operand
from hw.arith.normalize import lead_one
from hw.mac.frame import Frame, signed_bits
from hw.mac.shape import leads
from hw.spec import Adder

__all__ = ["lead", "masked", "place_of_product", "shift_exponent", "split_offset"]


def masked(operand: Operand) -> Value:
    """Significand, 0 for zero."""
    sig = operand.sig
    return sig if operand.fmt.subnormals else sig & ~operand.zero.replicate(len(sig))


def lead(m: Module, operand: Operand, offset: int, *, adder: Adder,
         name: str) -> tuple[Value, Value]:
    """Significand that leads with a one, and exponent plus ``offset`` in two's complement."""
    if leads(operand.fmt):
        return (Cat(operand.sig[:-1], Const(1, 1)),
                shift_exponent(m, operand.exp, offset, adder=adder, name=name))
    sig, lines = lead_one(m, operand.sig, name=name)
    # A significand that has to be shifted stands at the lowest exponent, `base`; its field is 0.
    field = operand.exp
    if len(field):
        field = Cat(field[0] & operand.sig[-1], field[1:])
    field = shift_exponent(m, field, offset, adder=adder, name=name)
    width = max(len(field), signed_bits(operand.base - len(lines) + 1 + offset, 0))
    field = extend(field, width, signed=True)
    exp = Signal(width, name=f"{name}_led_exp")
    for bit in range(width):
        differs = [line for place, line in enumerate(lines) if place and
                   (operand.base - place + offset ^ offset) >> bit & 1]
        if offset >> bit & 1:
            m.d.comb += exp[bit].eq(field[bit] & ~Cat(*differs).any())
        else:
            m.d.comb += exp[bit].eq(Cat(field[bit], *differs).any())
    return sig, exp


def shift_exponent(m: Module, exp: Value, offset: int, *, adder: Adder, name: str) -> Value:
    """``exp + offset`` in two's complement."""
    if not offset:
        return Cat(exp, Const(0, 1))
    width = signed_bits(offset, (1 << len(exp)) - 1 + offset)
    total, _ = add(m, extend(exp, width), _constant(offset, width), Const(0, 1), adder=adder,
                   name=f"{name}_shifted_exp")
    return total


def split_offset(frame: Frame, x: Operand, y: Operand) -> tuple[int, int, int]:
    """What to add to each exponent, and to their sum, so that it becomes the product's place.

    The shorter exponent takes the low bits of the offset, where adding them needs the least gates.
    """
    lowest = x.fmt.lsb + y.fmt.lsb + frame.shape.bits - 1 + frame.bias
    # What the sum of the exponents is when each stands at its lowest, both significands leading.
    offset = lowest - (x.base + y.base + frame.shape.by_one)
    lengths = [len(operand.exp) for operand in (x, y)]
    if not any(lengths):
        return 0, 0, offset
    shorter = min(length for length in lengths if length)
    step = 1 << shorter - 1
    coarse = (offset + step // 2) // step * step
    own = [0, 0]
    own[lengths.index(shorter)] = offset - coarse
    return own[0], own[1], coarse


def place_of_product(m: Module, frame: Frame, exp_x: Value, exp_y: Value, offset: int,
                     leads: Value) -> Value:
    """Exponent of the product's top bit, counted as in `Frame`."""
    width = frame.place_bits
    if frame.place_low == frame.place_high:
        return _constant(frame.place_high, width)
    total, _ = add(m, extend(exp_x, width, signed=True), extend(exp_y, width, signed=True),
                   leads if frame.shape.by_one else Const(0), adder=frame.spec.adder,
                   name="exp_sum")
    place, _ = add(m, total, _constant(offset, width), Const(0), adder=frame.spec.adder,
                   name="place")
    return place


def _constant(value: int, width: int) -> Value:
    """``value`` in two's complement."""
    return Const(value & (1 << width) - 1, width)
