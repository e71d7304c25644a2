# SPDX-License-Identifier: Apache-2.0
"""Left shifters that move the leading one of a value to the top."""

from amaranth import *


def normalize(
    m: Module,
    value: Value,
    *,
    fill: Value,
    limit: Value | None = None,
    spare: bool = False,
    name: str,
) -> tuple[Value, Value]:
    """``value`` shifted left until its top bit is set, and the number of places.

    ``fill`` is shifted in. The shift is at most ``limit`` places, unless that is None. With
    ``spare``, bit 0 of the value must equal ``fill`` whenever the shift is four places or more.

    Coarse stages come first. A single bit keeps track of the limit: whether the remaining limit
    exceeds the current stage. Once set, it stays set in all finer stages.
    """
    stages = len(value).bit_length()
    places = Signal(stages, name=f"{name}_places")
    beyond = None if limit is None else limit[stages:].any()
    for stage in reversed(range(stages)):
        step = 1 << stage
        wanted, shifted = places[stage], Signal(len(value), name=f"{name}_{step}")
        empty = ~value[-step:].any() if step < len(value) else ~value.any()
        if limit is not None:
            own = limit[stage] if stage < len(limit) else Const(0)
            empty, beyond = empty & (beyond | own), beyond | (own & ~wanted)
        filled = Cat(fill.replicate(step), value)[: len(value)]
        kept = 1 if spare and step >= 4 else 0
        m.d.comb += [
            wanted.eq(empty),
            shifted.eq(Cat(value[:kept], Mux(wanted, filled[kept:], value[kept:]))),
        ]
        value = shifted
    return value, places


def lead_one(m: Module, value: Value, *, name: str) -> tuple[Value, list[Value]]:
    """``value`` shifted until its top bit is 1, and a one-hot number of places.

    The top bit of the result is the constant 1: a zero gives the same result as a one in bit 0. A
    one-hot shift is the smallest form for the few bits of a narrow significand.
    """
    lines = []
    above: Value = Const(0)
    for place in range(len(value)):
        line = Signal(name=f"{name}_by{place}")
        last = place == len(value) - 1
        m.d.comb += line.eq(~above if last else value[-1 - place] & ~above)
        lines.append(line)
        above = above | value[-1 - place]
    shifted = Signal(len(value), name=f"{name}_led")
    for bit in range(len(value) - 1):
        m.d.comb += shifted[bit].eq(
            Cat(*(line & value[bit - place] for place, line in enumerate(lines[: bit + 1]))).any()
        )
    m.d.comb += shifted[-1].eq(1)
    return shifted, lines
