# SPDX-License-Identifier: Apache-2.0
"""States that a unit can be in, as conditions for a solver."""

import z3

from hw.mac.frame import Frame
from hw.spec import FloatAccumulator, MacSpec
from tests.mutants.equivalence import States

__all__ = ["held_sums"]


def held_sums(spec: MacSpec) -> States | None:
    """What a floating-point accumulator may hold, as `Frame.holds` says; None for other ones."""
    if not isinstance(spec.acc, FloatAccumulator):
        return None
    return lambda signal: _holds(Frame(spec), signal("o_data"))


def _holds(frame: Frame, code: z3.BitVecRef) -> z3.BoolRef:
    """Whether the accumulator may come to hold ``code``."""
    fmt = frame.fmt
    sign = z3.Extract(fmt.width - 1, fmt.width - 1, code) == 1
    magnitude = z3.Extract(fmt.magnitude_bits - 1, 0, code)
    is_zero, special = magnitude == 0, z3.UGE(magnitude, fmt.inf_code)
    number = [_is_multiple(frame, magnitude)]
    if not frame.spec.acc.subnormals:
        number.append(z3.UGE(magnitude, 1 << fmt.man_bits))
    if not frame.overflows:
        number.append(z3.ULE(magnitude, _power(frame, frame.top - fmt.lsb)))
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


def _is_multiple(frame: Frame, magnitude: z3.BitVecRef) -> z3.BoolRef:
    """Whether a finite magnitude is a multiple of the frame's unit."""
    fmt, places = frame.fmt, frame.lsb - frame.fmt.lsb
    field = z3.LShR(magnitude, fmt.man_bits)
    man = magnitude & (1 << fmt.man_bits) - 1
    sig = z3.If(field == 0, man, man | 1 << fmt.man_bits)
    exp = z3.If(field == 0, field, field - 1)
    # In units of the format a significand ends `exp` places up.
    return z3.And([z3.Implies(exp == low, sig & (1 << min(places - low, fmt.precision)) - 1 == 0)
                   for low in range(places)])


def _power(frame: Frame, exp: int) -> int:
    """Code of two to a power, in units of the format."""
    fmt = frame.fmt
    return 1 << exp if exp < fmt.man_bits else exp - fmt.man_bits + 1 << fmt.man_bits
