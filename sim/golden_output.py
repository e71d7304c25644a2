# SPDX-License-Identifier: Apache-2.0
"""What an output stage computes, one Python integer at a time. Made to be read."""

import numpy as np

from hw.spec import FixedAccumulator, Flag, Format, Kind, OutputSpec, Overflow
from sim.codes import Array
from sim.integers import infinite, pack, shift_right

__all__ = ["output"]


def output(codes: Array, scale: Array, zero_point: Array, flags: Array, spec: OutputSpec) -> Array:
    """Codes of flat arrays of one length, dtype object; arguments as in `sim.output`, checked."""
    rows = zip(codes.tolist(), scale.tolist(), zero_point.tolist(), flags.tolist(), strict=True)
    return np.array([_code(code, exp, point, Flag(flag), spec) for code, exp, point, flag in rows],
                    dtype=object)


def _code(code: int, scale: int, zero_point: int, flag: Flag, spec: OutputSpec) -> int:
    """Code of one sum in ``spec.to``."""
    fmt = spec.to
    if isinstance(spec.source, FixedAccumulator):
        kind, negative, sig, lsb = _kind(flag), flag is Flag.NEG_INF, code, spec.source.lsb
    else:
        kind, negative, sig, exp = spec.source.fmt.unpack(code)
        lsb = exp + spec.source.fmt.lsb
    overflow = Overflow.SATURATE if spec.saturate else Overflow.INF
    if kind is Kind.NAN:
        return zero_point % (1 << fmt.width) if fmt.nan_code is None else fmt.nan_code
    if kind is Kind.INF:
        return infinite(fmt, negative, overflow)
    if fmt.is_integer:
        return _quantize(sig, lsb + scale, zero_point, fmt)
    return pack(sig, lsb + scale, fmt, overflow=overflow, minus_zero=negative)


def _kind(flag: Flag) -> Kind:
    """What a flag makes of a sum in fixed point."""
    return {Flag.FINITE: Kind.FINITE, Flag.NAN: Kind.NAN}.get(flag, Kind.INF)


def _quantize(sig: int, lsb: int, zero_point: int, fmt: Format) -> int:
    """Round to units, add the zero point, clamp."""
    units = shift_right(sig, fmt.lsb - lsb) + zero_point
    return min(max(units, fmt.min_units), fmt.max_units) % (1 << fmt.width)
