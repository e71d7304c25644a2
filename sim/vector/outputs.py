# SPDX-License-Identifier: Apache-2.0
"""Output stages in numpy; equals `sim.golden.output`."""

from dataclasses import dataclass, replace

import numpy as np

from hw.spec import FixedAccumulator, Flag, Format, OutputSpec, Overflow
from sim import golden
from sim.codes import NDArray
from sim.vector.codes import (
    MAX_BITS,
    Bools,
    Class,
    Ints,
    bit_length,
    encode_parts,
    holds,
    overflow_code,
    unpack,
)

#: Widest integer format for which a zero point can be added in int64.
MAX_INTEGER = 32
#: Bits of each half of a product, so that a product of halves fits an int64.
HALF_BITS = 31


def output(
    codes: NDArray, scale: NDArray, zero_point: NDArray, flags: NDArray, spec: OutputSpec
) -> NDArray:
    """Output codes for flat arrays of checked arguments; see `sim.output`."""
    source_fits = (
        spec.source.width <= MAX_BITS
        if isinstance(spec.source, FixedAccumulator)
        else holds(spec.source.fmt)
    )
    zero_fits = spec.to.width <= MAX_INTEGER or not spec.zero_point
    if not (source_fits and holds(spec.to) and zero_fits):  # int64 is too narrow.
        return golden.output(codes, scale, zero_point, flags, spec)
    overflow = Overflow.SATURATE if spec.saturate else Overflow.INF
    if isinstance(spec.source, FixedAccumulator):
        inf, nan = (flags == Flag.POS_INF) | (flags == Flag.NEG_INF), flags == Flag.NAN
        negative = np.where(inf, flags == Flag.NEG_INF, codes < 0)
        sums = _Numbers(abs(codes), np.full_like(codes, spec.source.lsb_exp), negative, inf, nan)
    else:
        sums = _based(codes, spec.source.fmt)
    number = _scaled(sums, scale, spec)
    result = encode_parts(
        number.magnitude, number.exp, number.negative, spec.to, overflow, zero_point=zero_point
    )
    result[number.inf] = _infinite(number.negative[number.inf], spec, overflow)
    zero = zero_point[number.nan] & ((1 << spec.to.width) - 1)
    result[number.nan] = zero if spec.to.nan_code is None else spec.to.nan_code
    return result


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Values ``magnitude * 2**exp`` with a sign, unless ``inf`` or ``nan`` is set."""

    magnitude: Ints
    exp: Ints
    negative: Bools
    inf: Bools
    nan: Bools

    @property
    def zero(self) -> Bools:
        """Mask of zeros."""
        zero: Bools = (self.magnitude == 0) & ~self.inf & ~self.nan
        return zero


def _based(codes: NDArray, fmt: Format) -> _Numbers:
    """Unpack codes."""
    parts = unpack(codes, fmt)
    nan = parts.classes == Class.NAN
    return _Numbers(
        abs(parts.sig), parts.exp + fmt.lsb_exp, parts.negative, parts.special & ~nan, nan
    )


def _scaled(x: _Numbers, scale: NDArray, spec: OutputSpec) -> _Numbers:
    """Numbers times the scale, which is an exponent or the code of a factor."""
    fmt = spec.scale_format
    if fmt is None or fmt.is_integer:
        return replace(x, exp=x.exp + scale)
    y = _based(scale, fmt)
    magnitude, places = _product(x.magnitude, y.magnitude)
    nan = x.nan | y.nan | (x.inf & y.zero) | (y.inf & x.zero)
    return _Numbers(
        magnitude, x.exp + y.exp + places, x.negative ^ y.negative, (x.inf | y.inf) & ~nan, nan
    )


def _product(x: Ints, y: Ints) -> tuple[Ints, Ints]:
    """``x * y`` as a magnitude of `MAX_BITS` bits and an exponent. ``y`` has at most `HALF_BITS`.

    If a longer product is shortened, its last bit is sticky, low enough for every rounding of
    `encode_parts`.
    """
    mask = np.int64((1 << HALF_BITS) - 1)
    low = (x & mask) * y
    high, low = (x >> HALF_BITS) * y + (low >> HALF_BITS), low & mask
    drop = np.maximum(bit_length(high) + HALF_BITS - MAX_BITS, 0)
    dropped = low & ((np.int64(1) << drop) - 1)
    return high << (HALF_BITS - drop) | low >> drop | (dropped != 0), drop


def _infinite(negative: Bools, spec: OutputSpec, overflow: Overflow) -> Ints:
    """Codes of infinities with these signs."""
    fmt = spec.to
    if fmt.is_integer:
        return np.where(negative, fmt.min_units, fmt.max_units) & ((1 << fmt.width) - 1)
    highest = overflow_code(fmt, overflow)
    if not fmt.signed:
        return np.where(negative, 0, highest)
    return np.where(negative & (highest != fmt.nan_code), highest | fmt.sign_code, highest)
