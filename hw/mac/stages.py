# SPDX-License-Identifier: Apache-2.0
"""Where the pipeline registers of a MAC go."""

from amaranth import *

__all__ = ["delayed", "place_stages"]


def place_stages(pipeline: int, points: tuple[str, ...]) -> dict[str, int]:
    """Registers at each of ``points``, the most useful first; more of them go to the last point."""
    stages = dict.fromkeys(points, 0)
    for index in range(pipeline):
        stages[points[min(index, len(points) - 1)]] += 1
    return stages


def delayed(m: Module, value: Value, cycles: int, *, name: str, reset_less: bool = True) -> Value:
    """``value`` some cycles ago; data registers need no reset, valid bits do."""
    for stage in range(1, cycles + 1):
        register = Signal(len(value), name=f"{name}_q{stage}", reset_less=reset_less)
        m.d.sync += register.eq(value)
        value = register
    return value
