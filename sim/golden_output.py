# SPDX-License-Identifier: Apache-2.0
"""What an output stage computes, one Python integer at a time. Made to be read."""

import numpy as np

from hw.spec import FixedAccumulator, Flag, Format, Kind, OutputSpec, Overflow, Unpacked
from sim.codes import NDArray
from sim.integers import infinite, pack, shift_right

__all__ = ["output"]


def output(codes: NDArray, scale: NDArray, zero_point: NDArray, flags: NDArray, spec: OutputSpec) -> NDArray:
    """Codes of flat arrays of one length, dtype object; arguments as in `sim.output`, checked."""
    rows = zip(codes.tolist(), scale.tolist(), zero_point.tolist(), flags.tolist(), strict=True)
    return np.array([_code(code, exp, point, Flag(flag), spec) for code, exp, point, flag in rows],
                    dtype=object)


def _code(code: int, scale: int, zero_point: int, flag: Flag, spec: OutputSpec) -> int:
    """Code of one sum in ``spec.to``."""
    fmt = spec.to
    kind, negative, sig, lsb = _scaled(_number(code, flag, spec), scale, spec)
    overflow = Overflow.SATURATE if spec.saturate else Overflow.INF
    if kind is Kind.NAN:
        return zero_point % (1 << fmt.width) if fmt.nan_code is None else fmt.nan_code
    if kind is Kind.INF:
        return infinite(fmt, negative, overflow)
    if fmt.is_integer:
        return _quantize(sig, lsb, zero_point, fmt)
    return pack(sig, lsb, fmt, overflow=overflow, minus_zero=negative)


def _number(code: int, flag: Flag, spec: OutputSpec) -> Unpacked:
    """Sum whose ``exp`` is the exponent of one unit of ``sig``."""
    if isinstance(spec.source, FixedAccumulator):
        return Unpacked(_kind(flag), flag is Flag.NEG_INF or (flag is Flag.FINITE and code < 0),
                        code, spec.source.lsb)
    return _based(spec.source.fmt, code)


def _based(fmt: Format, code: int) -> Unpacked:
    """Parts of a code, ``exp`` counted from 1."""
    kind, negative, sig, exp = fmt.unpack(code)
    return Unpacked(kind, negative, sig, exp + fmt.lsb)


def _scaled(number: Unpacked, scale: int, spec: OutputSpec) -> Unpacked:
    """Exact product of a number and the scale: the value of an exponent, or a factor's code."""
    kind, negative, sig, lsb = number
    fmt = spec.scale_format
    if fmt is None or fmt.is_integer:
        return Unpacked(kind, negative, sig, lsb + scale)
    factor = _based(fmt, scale)
    kinds, sign = {kind, factor.kind}, negative != factor.negative
    if Kind.NAN in kinds:
        return Unpacked(Kind.NAN, False, 0, 0)
    if Kind.INF in kinds:
        zero = any(x.kind is Kind.FINITE and x.sig == 0 for x in (number, factor))
        return Unpacked(Kind.NAN if zero else Kind.INF, sign, 0, 0)
    return Unpacked(Kind.FINITE, sign, sig * factor.sig, lsb + factor.exp)


def _kind(flag: Flag) -> Kind:
    """What a flag makes of a sum in fixed point."""
    return {Flag.FINITE: Kind.FINITE, Flag.NAN: Kind.NAN}.get(flag, Kind.INF)


def _quantize(sig: int, lsb: int, zero_point: int, fmt: Format) -> int:
    """Round to units, add the zero point, clamp."""
    units = shift_right(sig, fmt.lsb - lsb) + zero_point
    return min(max(units, fmt.min_units), fmt.max_units) % (1 << fmt.width)
