# SPDX-License-Identifier: Apache-2.0
"""From operand codes to the term that a floating-point adder takes: exact, with its own sign."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from amaranth import *

from hw.arith.add import add, extend
from hw.arith.columns import Columns
from hw.arith.decode import Operand, decode
from hw.arith.multiply import multiply_magnitudes
from hw.arith.normalize import lead_one
from hw.arith.shift import shift_left
from hw.mac.frame import Frame
from hw.mac.product import lane_pairs, multiply, special_product
from hw.mac.shape import extreme_units, leads
from hw.mac.stages import delayed
from hw.spec import Format

__all__ = ["Term", "make_term"]


@dataclass(frozen=True, slots=True)
class Term:
    """Exact term of the shape ``Frame.shape``: sign and magnitude.

    Members
    -------
    sign
        Of a zero too: whether all its products are minus zeros.
    sig
        Significand.
    place
        Exponent of the weight of its top bit, counted as in `Frame`, two's complement.
    zero
        Whether the term is zero; constant 0 where ``sig`` shows it.
    nan, inf
        What it is instead of a number; ``sig``, ``place`` and ``zero`` mean nothing then.
    """

    sign: Value
    sig: Value
    place: Value
    zero: Value
    nan: Value
    inf: Value

    def delayed(self, m: Module, cycles: int) -> "Term":
        """The term some cycles ago."""
        return Term(**{field.name: _delayed(m, getattr(self, field.name), cycles, field.name)
                       for field in fields(self)})


def _delayed(m: Module, value: Value, cycles: int, part: str) -> Value:
    """Registers, where there is something to keep."""
    return value if isinstance(value, Const) else delayed(m, value, cycles, name=f"term_{part}")


def make_term(m: Module, frame: Frame, a: Value, b: Value, stages: int) -> Term:
    """Exact sum of the products of all lanes; several have ``stages`` registers behind each."""
    spec = frame.spec
    if spec.lanes == 1:
        return _product(m, frame, a, b)
    return _sum(m, frame, lane_pairs(spec, a, b), stages)


def _product(m: Module, frame: Frame, a: Value, b: Value) -> Term:
    """Product of one pair of operand codes."""
    shape = frame.shape
    x, y = (decode(m, fmt, code, name=side)
            for fmt, code, side in ((frame.spec.a, a, "a"), (frame.spec.b, b, "b")))
    (sig_x, exp_x), (sig_y, exp_y) = (
        _lead(m, operand, name=side) if shape.leads else (_sig(operand), _signed(operand.exp))
        for operand, side in ((x, "a"), (y, "b")))
    sig = multiply_magnitudes(m, sig_x, sig_y, multiplier=frame.spec.rows,
                              name="product")
    sign = Signal(name="term_sign")
    m.d.comb += sign.eq(x.sign ^ y.sign)
    leads = sig[-1] if shape.by_one else Const(1)
    if shape.by_one:
        shifted = Signal(len(sig), name="product_by_one")
        m.d.comb += shifted.eq(Mux(leads, sig, sig << 1))
        sig = shifted
    zero = x.zero | y.zero if shape.leads else Const(0)
    nan, inf = special_product(m, x, y, name="product")
    return Term(sign, sig[:shape.bits], _place(m, frame, x, y, exp_x, exp_y, leads), zero, nan,
                inf & ~nan)


def _sum(m: Module, frame: Frame, pairs: Iterable[tuple[Value, Value]], stages: int) -> Term:
    """Sum of several products in fixed point."""
    spec = frame.spec
    largest = extreme_units(spec, lanes=1)
    columns = Columns(m, name="lanes")
    nan, plus, minus, is_minus = Const(0), Const(0), Const(0), Const(1)
    for lane, (a, b) in enumerate(pairs):
        name = f"lane{lane}"
        product = multiply(m, spec, a, b, name=name)
        magnitude = shift_left(m, product.sig, product.exp, base=product.base,
                               width=largest.bit_length(), name=f"{name}_aligned")
        infinite = product.inf & ~product.nan
        magnitude, sign, nan_lane, inf_lane = (
            _delayed(m, part, stages, f"{name}_{index}")
            for index, part in enumerate((magnitude, product.sign, product.nan, infinite)))
        columns.add_signed(magnitude, sign)
        nan = nan | nan_lane
        plus, minus = plus | (inf_lane & ~sign), minus | (inf_lane & sign)
        is_minus = is_minus & sign
    return _signed_sum(m, frame, Cat(*columns.reduce(0, frame.shape.bits + 1)), is_minus,
                       nan | (plus & minus), plus, minus)


def _signed_sum(m: Module, frame: Frame, total: Value, is_minus: Value, nan: Value, plus: Value,
                minus: Value) -> Term:
    """Term of a sum in two's complement, unless it is NaN or an infinity."""
    negative = total[-1]
    flipped = total[:-1] ^ negative.replicate(len(total) - 1)
    sig, _ = add(m, flipped, Const(0, len(flipped)), negative, adder=frame.spec.adder,
                 name="term_sig")
    makes_nan, inf, sign = (Signal(name=f"term_{part}") for part in ("nan", "inf", "sign"))
    m.d.comb += [
        makes_nan.eq(nan),
        inf.eq((plus | minus) & ~nan),
        sign.eq(Mux(plus | minus, minus, negative | is_minus)),
    ]
    place = Const(frame.place_high & (1 << frame.place_bits) - 1, frame.place_bits)
    return Term(sign, sig, place, Const(0, 1), makes_nan, inf)


def _signed(exp: Value) -> Value:
    """Unsigned exponent in two's complement."""
    return Cat(exp, Const(0, 1))


def _sig(operand: Operand) -> Value:
    """Significand, 0 for zero."""
    sig = operand.sig
    return sig if operand.fmt.subnormals else sig & ~operand.zero.replicate(len(sig))


def _lead(m: Module, operand: Operand, *, name: str) -> tuple[Value, Value]:
    """Significand that leads with a one, and exponent in two's complement."""
    if leads(operand.fmt):
        sig, lines = Cat(operand.sig[:-1], Const(1, 1)), []
    else:
        sig, lines = lead_one(m, operand.sig, name=name)
    width = max(len(operand.exp), len(lines).bit_length()) + 1
    exp = Signal(width, name=f"{name}_led_exp")
    for bit in range(width):
        # A significand that has to be shifted stands at the lowest exponent, `base`.
        parts = [line for place, line in enumerate(lines) if place and
                 (operand.base - place) >> bit & 1]
        field = operand.exp[bit] if bit < len(operand.exp) else Const(0)
        if bit == 0 and operand.base:
            field = field & operand.sig[-1]
        m.d.comb += exp[bit].eq(Cat(field, *parts).any())
    return sig, exp


def _place(m: Module, frame: Frame, x: Operand, y: Operand, exp_x: Value, exp_y: Value,
           leads: Value) -> Value:
    """Exponent of the product's top bit."""
    width = frame.place_bits
    if not (x.fmt.exp_bits or y.fmt.exp_bits) and not frame.shape.leads:
        return Const(frame.place_high & (1 << width) - 1, width)
    total, _ = add(m, extend(exp_x, width, signed=True), extend(exp_y, width, signed=True),
                   leads if frame.shape.by_one else Const(0), adder=frame.spec.adder,
                   name="exp_sum")
    # What the sum of the exponents is when each stands at its lowest, both significands leading.
    start = x.base + y.base + frame.shape.by_one
    place, _ = add(m, total, Const(_lowest(frame, x.fmt, y.fmt) - start, width), Const(0),
                   adder=frame.spec.adder, name="place")
    return place


def _lowest(frame: Frame, a: Format, b: Format) -> int:
    """Place of a product whose factors stand at their lowest exponents and lead with a one."""
    top = (a.lsb + b.lsb) + frame.shape.bits - 1
    return top + frame.bias

