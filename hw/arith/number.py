# SPDX-License-Identifier: Apache-2.0
"""A sum of any accumulator as sign, magnitude and exponent, and its product with a scale."""

from dataclasses import dataclass, replace

from amaranth import *

from hw.arith.decode import decode, special_product
from hw.arith.multiply import multiply_magnitudes
from hw.spec import FixedAccumulator, Format, OutputSpec


@dataclass(frozen=True, slots=True)
class Number:
    """Value ``(-1)**sign * sig * 2**(exp + lsb_exp)``; NaN if ``nan``, else infinite if ``inf``.

    If ``leads``, the top bit of ``sig`` is set whenever ``exp`` is above 1, its lowest value.
    """

    sign: Value
    sig: Value
    exp: Value
    lsb_exp: int
    leads: bool
    nan: Value
    inf: Value

    @property
    def zero(self) -> Value:
        """Whether a number that is not NaN is zero."""
        return ~(self.sig.any() | self.inf)


def unpack_source(m: Module, spec: OutputSpec, data: Value, flags: Value | None) -> Number:
    """Unpack a sum; combinational."""
    if isinstance(spec.source, FixedAccumulator):
        return _fixed(m, spec, data, flags)
    return unpack_code(m, spec.source.fmt, data, name="source")


def unpack_code(m: Module, fmt: Format, data: Value, *, name: str) -> Number:
    """Unpack a code; combinational."""
    code = decode(m, fmt, data, name=name)
    return Number(code.sign, code.sig, code.exp, fmt.lsb_exp - code.base, True, code.nan, code.inf)


def _fixed(m: Module, spec: OutputSpec, data: Value, flags: Value | None) -> Number:
    """Unpack a fixed-point sum."""
    width = spec.source.width
    sign, sig = Signal(name="source_sign"), Signal(width, name="source_sig")
    nan, inf = Signal(name="source_nan"), Signal(name="source_inf")
    negative = data[-1]
    m.d.comb += sig.eq(Mux(negative, -data.as_signed(), data))
    if flags is not None:
        # Encoded as in `hw.spec.Flag`; a single bit means NaN.
        m.d.comb += nan.eq(flags.all())
        if len(flags) > 1:
            m.d.comb += inf.eq(flags[0] ^ flags[1])
            negative = Mux(inf, flags[1], negative)
    m.d.comb += sign.eq(negative)
    return Number(sign, sig, Const(0, 1), spec.source.lsb_exp, False, nan, inf)


def scaled(m: Module, spec: OutputSpec, number: Number, scale: Value) -> Number:
    """``number`` times ``scale``, a code of ``spec.scale_format``; combinational."""
    if spec.scale_format.is_integer:
        return replace(number, exp=number.exp + scale.as_signed(), leads=False)
    # `special_product` reads sign, zero, inf and nan, which a Number has like an operand.
    factor = unpack_code(m, spec.scale_format, scale, name="scale")
    nan, inf = special_product(m, number, factor, name="scaled")
    return Number(
        number.sign ^ factor.sign,
        multiply_magnitudes(m, number.sig, factor.sig, name="scaled_sig"),
        number.exp + factor.exp,
        number.lsb_exp + factor.lsb_exp,
        False,
        nan,
        inf,
    )
