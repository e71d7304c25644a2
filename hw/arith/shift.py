# SPDX-License-Identifier: Apache-2.0
"""Shifters: left to align a fixed-point term, right to align the smaller of two terms."""

from collections.abc import Iterable

from amaranth import *


def shift_left(
    m: Module, value: Value, amount: Value, *, base: int, width: int, name: str
) -> Value:
    """``value << (amount - base)``, truncated to ``width`` bits; ``amount`` is at least ``base``.

    Fine stages come first: while the value is narrow, a stage needs multiplexers only for the bits
    of the value and single gates for the rest. If it is smaller, the two top bits of the amount are
    decoded to four lines. Together this makes the shifter about a third smaller than stages from
    coarse to fine.
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
    """Number of bits of the amount with a stage of their own; the one or two above are decoded."""
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
    """Two-input gates to select one of several shifts of a value: an AND and an OR per bit."""
    reached = [sum(0 <= place + base - step < bits for step in steps) for place in range(width)]
    return sum(2 * count - 1 for count in reached if count)


def shift_right(m: Module, value: Value, amount: Value, *, name: str) -> tuple[Value, Value]:
    """``value >> amount``, and whether a dropped bit was set.

    Coarse stages come first: constant zeros at the low end of an operand then remain constants, and
    need no multiplexers.
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
