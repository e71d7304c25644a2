# SPDX-License-Identifier: Apache-2.0
"""States that a unit can be in, as conditions for a solver."""

import z3

from hw.mac.frame import Frame
from hw.spec import AlignedAccumulator, FloatAccumulator, Format, MacSpec
from tests.mutation.equivalence import States

__all__ = ["aligned_top", "held_sums"]


def held_sums(spec: MacSpec) -> States | None:
    """What an accumulator may hold; None for one in fixed point, which may hold anything."""
    if isinstance(spec.acc, AlignedAccumulator):
        return lambda signal: _holds_aligned(spec, signal("o_data"))
    if isinstance(spec.acc, FloatAccumulator):
        return lambda signal: _holds(Frame(spec), signal("o_data"))
    return None


def aligned_top(spec: MacSpec) -> int:
    """Exponent of a power of two that no finite sum of aligned terms reaches.

    Products are below ``2**above``. A sum from ``2**(above + frac_bits)`` on truncates all of them
    to zero and stays as it is; a smaller one grows by less than a product a lane.
    """
    units = [max(fmt.max_units, -fmt.min_units) for fmt in (spec.a, spec.b)]
    above = (units[0] * units[1]).bit_length() + spec.product_lsb
    return above + ((1 << spec.acc.frac_bits) + spec.lanes - 1).bit_length()


def _holds_aligned(spec: MacSpec, code: z3.BitVecRef) -> z3.BoolRef:
    """Whether an aligned accumulator may come to hold ``code``.

    Terms and sums are truncated to multiples of powers of two, so they stay multiples of what all
    products are multiples of.
    """
    acc, fmt = spec.acc, spec.acc.fmt
    magnitude = z3.Extract(fmt.magnitude_bits - 1, 0, code)
    highest = min(_power(fmt, aligned_top(spec) - fmt.lsb), fmt.inf_code)
    dropped = (1 << fmt.man_bits - acc.kept_bits) - 1
    finite = z3.And(z3.ULT(magnitude, highest), magnitude & dropped == 0,
                    _is_multiple(fmt, spec.product_lsb, magnitude),
                    z3.Implies(magnitude == 0, code == 0))
    return z3.Or(finite, magnitude == fmt.inf_code, code == acc.nan_code)


def _holds(frame: Frame, code: z3.BitVecRef) -> z3.BoolRef:
    """Whether the accumulator may come to hold ``code``."""
    fmt = frame.fmt
    sign = z3.Extract(fmt.width - 1, fmt.width - 1, code) == 1
    magnitude = z3.Extract(fmt.magnitude_bits - 1, 0, code)
    is_zero, special = magnitude == 0, z3.UGE(magnitude, fmt.inf_code)
    number = [_is_multiple(fmt, frame.lsb, magnitude)]
    if not frame.spec.acc.subnormals:
        number.append(z3.UGE(magnitude, 1 << fmt.man_bits))
    if not frame.overflows:
        number.append(z3.ULE(magnitude, _power(fmt, frame.top - fmt.lsb)))
    return z3.And(
        z3.Or(frame.has_negative, z3.Not(sign)),
        z3.If(special, _special(frame, code, magnitude),
              z3.If(is_zero, z3.Or(frame.has_minus_zero, z3.Not(sign)), z3.And(number))))


def _special(frame: Frame, code: z3.BitVecRef, magnitude: z3.BitVecRef) -> z3.BoolRef:
    """Whether an infinity, or the one NaN, may be held."""
    inf = frame.to_inf or frame.inf_terms
    nan = frame.inf_terms or frame.nan_terms
    return z3.Or(z3.And(inf, magnitude == frame.fmt.inf_code),
                 z3.And(nan, code == frame.fmt.nan_code))


def _is_multiple(fmt: Format, lsb: int, magnitude: z3.BitVecRef) -> z3.BoolRef:
    """Whether a finite magnitude is a multiple of ``2**lsb``."""
    places = lsb - fmt.lsb
    field = z3.LShR(magnitude, fmt.man_bits)
    man = magnitude & (1 << fmt.man_bits) - 1
    sig = z3.If(field == 0, man, man | 1 << fmt.man_bits)
    exp = z3.If(field == 0, field, field - 1)
    # In units of the format a significand ends `exp` places up.
    return z3.And([z3.Implies(exp == low, sig & (1 << min(places - low, fmt.precision)) - 1 == 0)
                   for low in range(places)])


def _power(fmt: Format, exp: int) -> int:
    """Code of two to a power, in units of the format."""
    return 1 << exp if exp < fmt.man_bits else exp - fmt.man_bits + 1 << fmt.man_bits
