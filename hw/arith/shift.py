# SPDX-License-Identifier: Apache-2.0
"""Widening left shifter that puts a product in its place in a fixed-point term."""

from amaranth import *

__all__ = ["shift_left"]


def shift_left(m: Module, value: Value, amount: Value, *, base: int, width: int,
               name: str) -> Value:
    """``(value << amount) >> base``, cut to ``width`` bits; nothing set may be shifted below bit 0.

    Fine stages come first: while the value is still narrow, each stage needs a multiplexer for the
    value's own bits and single gates for the rest. The two coarsest weights are decoded to four
    lines. Both make the shifter about a third smaller than coarse-to-fine stages.
    """
    lines = max(len(amount) - 2, 0)
    for stage in range(lines):
        shifted = Signal(len(value) + (1 << stage), name=f"{name}_{1 << stage}")
        m.d.comb += shifted.eq(Mux(amount[stage], value << (1 << stage), value))
        value = shifted
    total = Signal(width, name=name)
    terms = []
    for step in range(1 << min(len(amount), 2)):
        selected = Signal(name=f"{name}_step{step}")
        m.d.comb += selected.eq(amount[lines:] == step if len(amount) else 1)
        terms.append(((value << (step << lines)) >> base) & selected.replicate(width))
    while len(terms) > 1:
        terms = [x if y is None else x | y for x, y in zip(terms[::2], [*terms[1::2], None],
                                                           strict=False)]
    m.d.comb += total.eq(terms[0])
    return total
