# SPDX-License-Identifier: Apache-2.0
"""What a floating-point step has to do: exact sum of the old sum and a term, one rounding."""

from dataclasses import dataclass

import z3

from hw.mac.align_window import Frame
from hw.spec import MacSpec
from tests.formal.meaning import products
from tests.formal.stimuli import Stimuli
from tests.formal.values import Number, add, decode, round_to

__all__ = ["Scale", "accumulated", "held"]


def held(spec: MacSpec, code: z3.BitVecRef) -> z3.BoolRef:
    """Whether the accumulator may hold a code, as the unit's designer has it.

    A hint only: what is proven is that the unit never leaves these codes.
    """
    fmt, frame = spec.acc.fmt, Frame(spec)
    top, man_bits = fmt.magnitude_bits, fmt.man_bits
    magnitude, neg = z3.Extract(top - 1, 0, code), z3.Extract(top, top, code) == 1
    exp = z3.Extract(top - 1, man_bits, code)
    finite = [z3.ULT(magnitude, fmt.inf_code)]
    missing = frame.lsb - fmt.lsb
    for place in range(man_bits + 1):
        bit = z3.Extract(place, place, code) == 1 if place < man_bits else exp != 0
        if place < missing:
            finite.append(z3.Or(z3.Not(bit), z3.UGE(exp, missing - place + 1)))
    if not frame.overflows:
        finite.append(z3.ULE(magnitude, (frame.top - fmt.lsb - man_bits + 1) << man_bits))
    if not spec.acc.subnormals:
        finite.append(z3.UGE(magnitude, 1 << man_bits))
    kinds = [z3.And(magnitude != 0, *finite),
             magnitude == 0 if frame.has_minus_zero else code == 0]
    if frame.to_inf or frame.inf_terms:
        kinds.append(magnitude == fmt.inf_code)
    if frame.inf_terms or frame.nan_terms:
        kinds.append(code == fmt.nan_code)
    return z3.And(z3.Or(*kinds), True if frame.has_negative else z3.Not(neg))


@dataclass(frozen=True, slots=True)
class Scale:
    """Fixed point that holds every sum of a unit: bits, and what the lowest one weighs."""

    unit: int
    width: int

    @classmethod
    def of(cls, spec: MacSpec) -> "Scale":
        """Scale for all that the accumulator can hold and all sums of products."""
        fmt, frame = spec.acc.fmt, Frame(spec)
        unit = min(spec.product_lsb, fmt.lsb) if frame.clamps else frame.lsb - fmt.man_bits
        largest = spec.lanes * max(product.units for product in products(spec.a, spec.b))
        top = max(fmt.bias if frame.overflows else frame.top,
                  largest.bit_length() + spec.product_lsb - 1)
        return cls(unit, top + 1 - unit)


def accumulated(spec: MacSpec, stimuli: Stimuli, term: Number) -> z3.BitVecRef:
    """Accumulator behind a step as the definition has it: exact sum, rounded once."""
    acc, width = spec.acc, term.mag.size()
    old = decode(acc.fmt, stimuli.old, unit=term.unit, width=width)
    continues = z3.Not(stimuli.first)
    old = Number(z3.And(continues, old.neg),
                 z3.If(continues, old.mag, z3.BitVecVal(0, width)), term.unit,
                 z3.And(continues, old.nan), z3.And(continues, old.inf))
    return round_to(acc.fmt, add(old, term), rounding=acc.rounding, overflow=acc.overflow,
                    subnormals=acc.subnormals)
