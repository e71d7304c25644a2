# SPDX-License-Identifier: Apache-2.0
"""Decoder from a code to sign, significand and exponent: the RTL version of ``Format.unpack``."""

from dataclasses import dataclass

from amaranth import *

from hw.spec import Format, Specials


@dataclass(frozen=True, slots=True)
class Operand:
    """One decoded operand; a finite value is ``(-1)**sign * sig * 2**(exp - base + fmt.lsb_exp)``.

    Members
    -------
    sign
        1 bit; set for minus zero.
    sig
        Significand with its hidden bit; for an integer, its absolute value. If subnormal codes mean
        zero, ``sig`` of such a code is still its fraction and must be masked.
    exp
        Exponent field, 1 for subnormals; for an integer it has no bits.
    base
        Value of ``exp`` that stands for exponent 0: 1, or 0 for an integer.
    nan, inf, zero
        1 bit each, constant 0 if the format has no such code. ``sig`` and ``exp`` of a special code
        are its raw fields and must be masked.
    """

    fmt: Format
    sign: Value
    sig: Value
    exp: Value
    base: int
    nan: Value
    inf: Value
    zero: Value

    @property
    def hidden(self) -> Value:
        """Whether ``sig`` must be masked to zero.

        A NaN with the code of minus zero has ``sig`` 0 and needs no mask.
        """
        fmt, hidden = self.fmt, self.inf
        if fmt.nan_code is not None and fmt.nan_code & ~fmt.sign_code:
            hidden = hidden | self.nan
        return hidden if fmt.subnormals else hidden | self.zero


def decode(m: Module, fmt: Format, code: Value, *, name: str) -> Operand:
    """Decode ``code``; combinational."""
    if fmt.is_integer:
        return _decode_integer(m, fmt, code, name)
    man = code[: fmt.man_bits]
    field = code[fmt.man_bits : fmt.magnitude_bits]
    sign = code[fmt.magnitude_bits] if fmt.signed else Const(0, 1)
    normal = Signal(name=f"{name}_normal")
    exp = Signal(fmt.exp_bits, name=f"{name}_exp")
    sig = Signal(fmt.precision, name=f"{name}_sig")
    m.d.comb += [
        normal.eq(field.any()),
        sig.eq(Cat(man, normal)),
        # Subnormals have the lowest exponent, 1: one OR gate instead of a subtraction.
        exp.eq(Cat(field[0] | ~normal, field[1:])),
    ]
    nan, inf, zero = (Signal(name=f"{name}_{kind}") for kind in ("nan", "inf", "zero"))
    m.d.comb += [
        nan.eq(_is_nan(fmt, code)),
        inf.eq(_is_inf(fmt, code)),
        zero.eq(~sig.any() if fmt.subnormals else ~normal),
    ]
    return Operand(fmt, sign, sig, exp, 1, nan, inf, zero)


def _decode_integer(m: Module, fmt: Format, code: Value, name: str) -> Operand:
    """Sign and absolute value of an integer."""
    sign = Signal(name=f"{name}_sign")
    sig = Signal(fmt.width, name=f"{name}_sig")
    zero = Signal(name=f"{name}_zero")
    m.d.comb += zero.eq(~code.any())
    if fmt.signed:
        m.d.comb += [sign.eq(code[-1]), sig.eq(Mux(sign, -code.as_signed(), code))]
    else:
        m.d.comb += sig.eq(code)
    return Operand(fmt, sign, sig, Const(0, 0), 0, Const(0), Const(0), zero)


def _is_nan(fmt: Format, code: Value) -> Value:
    """Whether ``code`` is a NaN."""
    magnitude, man = code[: fmt.magnitude_bits], code[: fmt.man_bits]
    match fmt.specials:
        case Specials.NONE:
            return Const(0)
        case Specials.IEEE:
            return code[fmt.man_bits : fmt.magnitude_bits].all() & man.any()
        case Specials.FN:
            return magnitude.all()
        case _:
            return code == fmt.nan_code


def _is_inf(fmt: Format, code: Value) -> Value:
    """Whether ``code`` is an infinity."""
    if not fmt.has_inf:
        return Const(0)
    return code[: fmt.magnitude_bits] == fmt.inf_code


def special_product(m: Module, x: Operand, y: Operand, *, name: str) -> tuple[Value, Value]:
    """Whether a product is NaN, and whether an operand is infinite."""
    nan, inf = Signal(name=f"{name}_nan"), Signal(name=f"{name}_inf")
    m.d.comb += [
        nan.eq(x.nan | y.nan | (x.inf & y.zero) | (y.inf & x.zero)),
        inf.eq(x.inf | y.inf),
    ]
    return nan, inf
