# SPDX-License-Identifier: Apache-2.0
"""Output stages on numpy arrays; the twin of `sim.golden_output`."""

import numpy as np

from hw.spec import FixedAccumulator, Flag, OutputSpec, Overflow
from sim import golden_output
from sim.codes import Array
from sim.vector.encode import encode_parts
from sim.vector.rounding import MAX_BITS, holds, overflow_code
from sim.vector.unpack import Bools, Class, Ints, unpack

__all__ = ["output"]

#: Widest integer to whose rounded values a zero point can be added in an int64.
MAX_INTEGER = 32


def output(codes: Array, scale: Array, zero_point: Array, flags: Array, spec: OutputSpec) -> Array:
    """Codes of flat arrays of one length; arguments as in `sim.output`, checked."""
    if not _supports(spec):
        return golden_output.output(codes, scale, zero_point, flags, spec)
    overflow = Overflow.SATURATE if spec.saturate else Overflow.INF
    sig, exp, negative, inf, nan = _unpack(codes, flags, spec)
    result = encode_parts(abs(sig), exp + scale, negative, spec.to, overflow,
                          zero_point=zero_point)
    result[inf] = _infinite(negative[inf], spec, overflow)
    zero = zero_point[nan] & ((1 << spec.to.width) - 1)
    result[nan] = zero if spec.to.nan_code is None else spec.to.nan_code
    return result


def _supports(spec: OutputSpec) -> bool:
    """Whether int64 is enough."""
    if isinstance(spec.source, FixedAccumulator):
        source_fits = spec.source.width <= MAX_BITS
    else:
        source_fits = holds(spec.source.fmt)
    return source_fits and holds(spec.to) and (spec.to.width <= MAX_INTEGER or
                                               not spec.zero_point)


def _unpack(codes: Array, flags: Array,
            spec: OutputSpec) -> tuple[Ints, Ints, Bools, Bools, Bools]:
    """Significand, its exponent, sign, and where a sum is infinite and where NaN."""
    if isinstance(spec.source, FixedAccumulator):
        inf, nan = (flags == Flag.POS_INF) | (flags == Flag.NEG_INF), flags == Flag.NAN
        negative = np.where(inf, flags == Flag.NEG_INF, codes < 0)
        return codes, np.full_like(codes, spec.source.lsb), negative, inf, nan
    parts = unpack(codes, spec.source.fmt)
    nan = parts.classes == Class.NAN
    return parts.sig, parts.exp + spec.source.fmt.lsb, parts.negative, parts.special & ~nan, nan


def _infinite(negative: Bools, spec: OutputSpec, overflow: Overflow) -> Ints:
    """Codes of infinities of these signs."""
    fmt = spec.to
    if fmt.is_integer:
        return np.where(negative, fmt.min_units, fmt.max_units) & ((1 << fmt.width) - 1)
    highest = overflow_code(fmt, overflow)
    if not fmt.signed:
        return np.where(negative, 0, highest)
    return np.where(negative & (highest != fmt.nan_code), highest | fmt.sign_code, highest)
