# SPDX-License-Identifier: Apache-2.0
"""Shifters: left into a fixed-point term, right under the larger one of two terms."""

from collections.abc import Iterable

from amaranth import *


def shift_left(
    m: Module, value: Value, amount: Value, *, base: int, width: int, name: str
) -> Value:
    """``value << (amount - base)``, cut to ``width`` bits; ``amount`` is never below ``base``.

    Fine stages come first: while the value is still narrow, each stage needs a multiplexer for the
    value's own bits and single gates for the rest. The two coarsest weights are decoded to four
    lines, where that is smaller. Both make the shifter about a third smaller than coarse-to-fine
    stages.
    """
    lines = _first_decoded(len(value), len(amount), base=base, width=width)
    for stage in range(lines):
        shifted = Signal(len(value) + (1 << stage), name=f"{name}_{1 << stage}")
        m.d.comb += shifted.eq(Mux(amount[stage], value << (1 << stage), value))
        value = shifted
    total = Signal(width, name=name)
    terms = []
    for step in range(base >> lines, 1 << len(amount) - lines):
        selected = Signal(name=f"{name}_step{step}")
        m.d.comb += selected.eq(amount[lines:] == step if len(amount) else 1)
        terms.append(((value << (step << lines)) >> base) & selected.replicate(width))
    while len(terms) > 1:
        terms = [
            x if y is None else x | y
            for x, y in zip(terms[::2], [*terms[1::2], None], strict=False)
        ]
    m.d.comb += total.eq(terms[0])
    return total


def _first_decoded(bits: int, weights: int, *, base: int, width: int) -> int:
    """Number of the amount's weights that have a stage, the others being decoded: one or two."""
    coarsest = weights - 1
    if coarsest < 1:
        return 0
    step = 1 << coarsest - 1
    bits += step - 1
    steps = range(base // step * step, 4 * step, step)
    lines = len(steps) + _gates(bits, steps, base=base, width=width)
    stages = _gates(bits, (0, step), base=0, width=bits + step) + _gates(
        bits + step, (0, 2 * step), base=base, width=width
    )
    return coarsest - (lines <= stages)


def _gates(bits: int, steps: Iterable[int], *, base: int, width: int) -> int:
    """Two-input gates that choose one of some shifts of a value: an AND and an OR for each bit."""
    reached = [sum(0 <= place + base - step < bits for step in steps) for place in range(width)]
    return sum(2 * count - 1 for count in reached if count)


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
