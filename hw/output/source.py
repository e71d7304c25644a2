# SPDX-License-Identifier: Apache-2.0
"""A sum of any accumulator as sign, magnitude and scaled exponent."""

from dataclasses import dataclass

from amaranth import *

from hw.arith.decode import decode
from hw.spec import FixedAccumulator, OutputSpec

__all__ = ["Number", "unpack_source"]


@dataclass(frozen=True, slots=True)
class Number:
    """Value ``(-1)**sign * sig * 2**(exp + lsb)``, unless ``nan`` or ``inf`` is set; not both are.

    If ``leads``, the top bit of ``sig`` is set wherever ``exp`` is above its lowest value, 1.
    """

    sign: Value
    sig: Value
    exp: Value
    lsb: int
    leads: bool
    nan: Value
    inf: Value


def unpack_source(m: Module, spec: OutputSpec, data: Value, flags: Value | None,
                  scale: Value | None) -> Number:
    """Take a sum apart and scale it; combinational."""
    if isinstance(spec.source, FixedAccumulator):
        sign, sig, exp, lsb, nan, inf = _fixed(m, spec, data, flags)
    else:
        fmt = spec.source.fmt
        code = decode(m, fmt, data, name="source")
        sign, sig, exp, nan, inf = code.sign, code.sig, code.exp, code.nan, code.inf
        lsb = fmt.lsb - code.base
    leads = not isinstance(spec.source, FixedAccumulator) and scale is None
    if scale is not None:
        exp = exp + scale.as_signed()
    return Number(sign, sig, exp, lsb, leads, nan, inf)


def _fixed(m: Module, spec: OutputSpec, data: Value, flags: Value | None):
    """Sign, magnitude, exponent, unit and kind of a sum in fixed point."""
    width = spec.source.width
    sign, sig = Signal(name="source_sign"), Signal(width, name="source_sig")
    nan, inf = Signal(name="source_nan"), Signal(name="source_inf")
    negative = data[-1]
    m.d.comb += sig.eq(Mux(negative, -data.as_signed(), data))
    if flags is not None:
        # In the encoding of `hw.spec.Flag`; a single bit is NaN.
        m.d.comb += nan.eq(flags.all())
        if len(flags) > 1:
            m.d.comb += inf.eq(flags[0] ^ flags[1])
            negative = Mux(inf, flags[1], negative)
    m.d.comb += sign.eq(negative)
    return sign, sig, Const(0, 1), spec.source.lsb, nan, inf
