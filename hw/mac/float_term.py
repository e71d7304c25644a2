# SPDX-License-Identifier: Apache-2.0
"""Computes the exact, signed term of a floating-point adder from operand codes."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from amaranth import *

from hw.arith.add import add, extend
from hw.arith.columns import Columns, shared
from hw.arith.decode import Operand, decode, special_product
from hw.arith.multiply import multiply_magnitudes
from hw.arith.normalize import lead_one
from hw.arith.shift import shift_left
from hw.mac.align_window import AlignWindow, leads, signed_bits
from hw.mac.product import extreme_units, lane_pairs, multiply
from hw.mac.stages import delayed, delayed_fields
from hw.spec import Adder


@dataclass(frozen=True, slots=True)
class Term:
    """Exact term of the shape ``AlignWindow.shape``: sign and magnitude.

    Members
    -------
    sign
        Sign. A zero is negative only if all its products are minus zeros.
    sig
        Significand.
    exponent
        Exponent of the weight of its top bit, biased as in `AlignWindow`, two's complement.
    zero
        Whether the term is zero; constant 0 where ``sig`` shows it.
    nan, inf
        Whether the term is NaN or infinite; ``sig``, ``exponent`` and ``zero`` are then
        meaningless.
    """

    sign: Value
    sig: Value
    exponent: Value = field(metadata={"signal": "place"})
    zero: Value
    nan: Value
    inf: Value

    def delayed(self, m: Module, cycles: int) -> "Term":
        """The term delayed by ``cycles``."""
        return delayed_fields(m, self, cycles, name="term")


def make_term(m: Module, window: AlignWindow, a: Value, b: Value, stages: int) -> Term:
    """Exact sum of the products of all lanes; ``stages`` registers follow each of several."""
    spec = window.spec
    if spec.lanes == 1:
        return _product(m, window, a, b)
    return _sum(m, window, lane_pairs(spec, a, b), stages)


def _product(m: Module, window: AlignWindow, a: Value, b: Value) -> Term:
    """Product of one pair of operand codes."""
    shape = window.shape
    x, y = (
        decode(m, fmt, code, name=side)
        for fmt, code, side in ((window.spec.a, a, "a"), (window.spec.b, b, "b"))
    )
    adder = window.spec.adder
    offset_x, offset_y, offset = split_offset(window, x, y)
    (sig_x, exp_x), (sig_y, exp_y) = (
        lead(m, operand, own, adder=adder, name=side)
        if shape.leads
        else (masked(operand), shift_exponent(m, operand.exp, own, adder=adder, name=side))
        for operand, own, side in ((x, offset_x, "a"), (y, offset_y, "b"))
    )
    sig = multiply_magnitudes(
        m, sig_x, sig_y, multiplier=window.spec.resolved_multiplier, name="product"
    )
    sign = Signal(name="term_sign")
    m.d.comb += sign.eq(x.sign ^ y.sign)
    leads = sig[-1] if shape.by_one else Const(1)
    if shape.by_one:
        shifted = Signal(len(sig), name="product_by_one")
        m.d.comb += shifted.eq(Mux(leads, sig, sig << 1))
        sig = shifted
    zero = x.zero | y.zero if shape.leads else Const(0)
    nan, inf = special_product(m, x, y, name="product")
    exponent = exponent_of_product(m, window, exp_x, exp_y, offset, leads)
    return Term(sign, sig[: shape.bits], exponent, zero, nan, inf & ~nan)


def _sum(m: Module, window: AlignWindow, pairs: Iterable[tuple[Value, Value]], stages: int) -> Term:
    """Sum of several products in fixed point."""
    spec = window.spec
    largest = extreme_units(spec, lanes=1)
    columns = Columns(m, name="lanes")
    nan, plus, minus, is_minus = Const(0), Const(0), Const(0), Const(1)
    for lane, (a, b) in enumerate(pairs):
        name = f"lane{lane}"
        product = multiply(m, spec, a, b, name=name)
        magnitude = shift_left(
            m,
            product.sig,
            product.exp,
            base=product.base,
            width=largest.bit_length(),
            name=f"{name}_aligned",
        )
        infinite = product.inf & ~product.nan
        magnitude, sign, nan_lane, inf_lane = (
            delayed(m, part, stages, name=f"term_{name}_{index}")
            for index, part in enumerate((magnitude, product.sign, product.nan, infinite))
        )
        columns.add_signed(magnitude, sign)
        nan = nan | nan_lane
        plus, minus = plus | (inf_lane & ~sign), minus | (inf_lane & sign)
        is_minus = is_minus & sign
    return _signed_sum(
        m,
        window,
        Cat(*columns.reduce(0, window.shape.bits + 1)),
        is_minus,
        nan | (plus & minus),
        plus,
        minus,
    )


def _signed_sum(
    m: Module,
    window: AlignWindow,
    total: Value,
    is_minus: Value,
    nan: Value,
    plus: Value,
    minus: Value,
) -> Term:
    """Term from the two's complement sum ``total`` and the special cases."""
    total = shared(m, total, name="term_total")
    negative = total[-1]
    flipped = total[:-1] ^ negative.replicate(len(total) - 1)
    sig, _ = add(
        m, flipped, Const(0, len(flipped)), negative, adder=window.spec.adder, name="term_sig"
    )
    makes_nan, inf, sign = (Signal(name=f"term_{part}") for part in ("nan", "inf", "sign"))
    m.d.comb += [
        makes_nan.eq(nan),
        inf.eq((plus | minus) & ~nan),
        sign.eq(Mux(plus | minus, minus, negative | is_minus)),
    ]
    exponent = Const(window.exponent_high & (1 << window.exponent_bits) - 1, window.exponent_bits)
    return Term(sign, sig, exponent, Const(0, 1), makes_nan, inf)


def masked(operand: Operand) -> Value:
    """Significand, 0 for zero."""
    sig = operand.sig
    return sig if operand.fmt.subnormals else sig & ~operand.zero.replicate(len(sig))


def lead(
    m: Module, operand: Operand, offset: int, *, adder: Adder, name: str
) -> tuple[Value, Value]:
    """Significand that leads with a one, and exponent plus ``offset`` in two's complement."""
    if leads(operand.fmt):
        return (
            Cat(operand.sig[:-1], Const(1, 1)),
            shift_exponent(m, operand.exp, offset, adder=adder, name=name),
        )
    sig, lines = lead_one(m, operand.sig, name=name)
    # Only a number with the lowest exponent, `base`, has to be shifted; its exponent field is 0.
    field = operand.exp
    if len(field):
        field = Cat(field[0] & operand.sig[-1], field[1:])
    field = shift_exponent(m, field, offset, adder=adder, name=name)
    width = max(len(field), signed_bits(operand.base - len(lines) + 1 + offset, 0))
    field = extend(field, width, signed=True)
    exp = Signal(width, name=f"{name}_led_exp")
    for bit in range(width):
        differs = [
            line
            for shift, line in enumerate(lines)
            if shift and (operand.base - shift + offset ^ offset) >> bit & 1
        ]
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
    total, _ = add(
        m,
        extend(exp, width),
        _constant(offset, width),
        Const(0, 1),
        adder=adder,
        name=f"{name}_shifted_exp",
    )
    return total


def split_offset(window: AlignWindow, x: Operand, y: Operand) -> tuple[int, int, int]:
    """Constants to add to ``x.exp``, to ``y.exp``, and to the sum of both.

    The result is then the exponent of the product. The low bits of the offset are added to the
    shorter exponent, where that costs the fewest gates.
    """
    lowest = x.fmt.lsb_exp + y.fmt.lsb_exp + window.shape.bits - 1 + window.bias
    # The product's exponent if both exponents are at their lowest and both significands lead.
    offset = lowest - (x.base + y.base + window.shape.by_one)
    lengths = [len(operand.exp) for operand in (x, y)]
    if not any(lengths):
        return 0, 0, offset
    shorter = min(length for length in lengths if length)
    step = 1 << shorter - 1
    coarse = (offset + step // 2) // step * step
    own = [0, 0]
    own[lengths.index(shorter)] = offset - coarse
    return own[0], own[1], coarse


def exponent_of_product(
    m: Module, window: AlignWindow, exp_x: Value, exp_y: Value, offset: int, leads: Value
) -> Value:
    """Exponent of the product's top bit, biased as in `AlignWindow`."""
    width = window.exponent_bits
    if window.exponent_low == window.exponent_high:
        return _constant(window.exponent_high, width)
    total, _ = add(
        m,
        extend(exp_x, width, signed=True),
        extend(exp_y, width, signed=True),
        leads if window.shape.by_one else Const(0),
        adder=window.spec.adder,
        name="exp_sum",
    )
    exponent, _ = add(
        m, total, _constant(offset, width), Const(0), adder=window.spec.adder, name="place"
    )
    return exponent


def _constant(value: int, width: int) -> Value:
    """``value`` in two's complement."""
    return Const(value & (1 << width) - 1, width)
