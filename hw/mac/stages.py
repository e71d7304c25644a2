# SPDX-License-Identifier: Apache-2.0
"""Placement of the pipeline registers of a MAC."""

from collections import Counter
from dataclasses import fields, is_dataclass, replace
from typing import TypeVar

from amaranth import *

#: Places for registers inside an adder, the most useful first: after the addition, before it, and
#: before rounding. Only arrays where sums move (weight stationary) use them.
ADDER_POINTS = ("total", "aligned", "normal")

Record = TypeVar("Record")


def place_stages(pipeline: int, points: tuple[str, ...]) -> Counter[str]:
    """Number of registers at each of ``points``, the most useful first.

    Each point gets one; all that are left go to the last point. Other names count as 0.
    """
    return Counter(points[min(index, len(points) - 1)] for index in range(pipeline))


def delayed(m: Module, value: Value, cycles: int, *, name: str, reset_less: bool = True) -> Value:
    """``value`` delayed by ``cycles``; data registers need no reset, valid bits do."""
    for stage in range(1, cycles + 1):
        register = Signal(len(value), name=f"{name}_q{stage}", reset_less=reset_less)
        m.d.sync += register.eq(value)
        value = register
    return value


def delayed_fields(m: Module, record: Record, cycles: int, *, name: str) -> Record:
    """A dataclass of values, possibly nested, delayed by ``cycles``; constants get no register.

    A register is named after its field, or after the ``signal`` entry of the field's metadata.
    """
    later = {}
    for part in fields(record):
        value, own = getattr(record, part.name), f"{name}_{part.metadata.get('signal', part.name)}"
        if is_dataclass(value):
            later[part.name] = delayed_fields(m, value, cycles, name=own)
        elif isinstance(value, Value) and not isinstance(value, Const):
            later[part.name] = delayed(m, value, cycles, name=own)
    return replace(record, **later)
