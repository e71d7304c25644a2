# SPDX-License-Identifier: Apache-2.0
"""Adder for fixed-point sums that pass by: parts of equal width, each a cycle after the one below.

What is added has been made one number before, so that nothing but a carry chain is left.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise

from amaranth import *

from hw.arith.add import add, step_by_one
from hw.arith.columns import Columns
from hw.mac.addends import add_integers, signed_magnitudes
from hw.mac.shape import extreme_units
from hw.mac.stages import ADDER_POINTS, delayed
from hw.spec import Adder, MacSpec

__all__ = ["Addend", "addend_of_lanes", "pass_sum"]


@dataclass(frozen=True, slots=True)
class Addend:
    """The number ``bits + carry - negative * 2**len(bits)``."""

    bits: Value
    negative: Value
    carry: Value


def addend_of_lanes(m: Module, spec: MacSpec, a: Value, b: Value, stages: Counter[str],
                    ) -> tuple[Addend, Value | None]:
    """Sum of the products of all lanes behind the registers ``addend``; the flags they raise.

    A single signed magnitude is complemented behind the registers.
    """
    cycles = stages["addend"]
    columns = Columns(m, by_arrival=spec.adder is not Adder.RIPPLE, name="lanes")
    if spec.is_fused:
        add_integers(m, spec, columns, a, b)
        largest = extreme_units(spec, spec.lanes) << spec.product_lsb - spec.acc.lsb
        return _number(m, columns, largest.bit_length() + 1, cycles), None
    terms, flags = signed_magnitudes(m, spec, a, b, stages)
    if spec.lanes == 1:
        magnitude, sign = (delayed(m, part, cycles, name=f"addend_{name}")
                           for part, name in zip(terms[0], ("magnitude", "sign"), strict=True))
        return Addend(magnitude ^ sign.replicate(len(magnitude)), sign, sign), flags
    for magnitude, sign in terms:
        columns.add_signed(magnitude, sign)
    width = max(len(magnitude) for magnitude, _ in terms) + (spec.lanes - 1).bit_length() + 1
    return _number(m, columns, width, cycles), flags


def _number(m: Module, columns: Columns, width: int, cycles: int) -> Addend:
    """What columns hold, as a number in two's complement."""
    total = delayed(m, Cat(*columns.reduce(0, width)), cycles, name="addend")
    return Addend(total[:-1], total[-1], Const(0))


def pass_sum(m: Module, old: Value, addend: Addend, stages: Counter[str], adder: Adder) -> Value:
    """``old + addend`` modulo ``2**len(old)``, as late as there are registers in the adder.

    Above the addend a part is stepped up or down by one at most.
    """
    cycles, reach = sum(stages[point] for point in ADDER_POINTS), len(addend.bits)
    bounds = [len(old) * part // (cycles + 1) for part in range(cycles + 2)]
    line, negative, total = addend.carry, addend.negative, []
    for part, (low, high) in enumerate(pairwise(bounds)):
        name = f"part{part}"
        x, y = (delayed(m, value[low:high], part, name=f"{name}_{side}")
                for value, side in ((old, "old"), (addend.bits, "addend")))
        bits, line = add(m, x[:len(y)], y, line, adder=adder, name=name) if len(y) else (
            Const(0, 0), line)
        if high > reach:
            enable = line ^ negative if low <= reach else line
            # One bit more shows whether the next part has to be stepped too.
            stepped = step_by_one(m, Cat(x[len(y):], Const(0, 1)), enable, negative, adder=adder,
                                  name=f"{name}_guard")
            bits, line = Cat(bits, stepped[:-1]), stepped[-1]
        total.append(delayed(m, bits, cycles - part, name=f"{name}_sum"))
        if part < cycles:
            line, negative = (delayed(m, bit, 1, name=f"{name}_{role}")
                              for bit, role in ((line, "carry"), (negative, "negative")))
    return Cat(*total)
