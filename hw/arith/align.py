# SPDX-License-Identifier: Apache-2.0
"""Right shifter that remembers what it drops: puts the smaller of two terms under the larger."""

from amaranth import *

__all__ = ["shift_right"]


def shift_right(m: Module, value: Value, amount: Value, *, name: str) -> tuple[Value, Value]:
    """``value >> amount``, and whether a bit that is set was dropped.

    Coarse stages come first: the zeros that an operand leaves at the low end are then still
    constants, and drop out with their multiplexers.
    """
    dropped = []
    for stage in reversed(range(len(amount))):
        step = 1 << stage
        lost, shifted = Signal(name=f"{name}_lost{step}"), Signal(len(value), name=f"{name}_{step}")
        m.d.comb += [
            lost.eq(amount[stage] & value[:step].any()),
            shifted.eq(Mux(amount[stage], value >> step, value)),
        ]
        dropped.append(lost)
        value = shifted
    return value, Cat(dropped).any()
