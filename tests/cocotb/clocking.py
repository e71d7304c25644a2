# SPDX-License-Identifier: Apache-2.0
"""Clock and reset. Everything is driven on the falling edge, half a cycle before it counts."""

from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from cocotb.utils import get_sim_time

__all__ = ["cycle", "reset", "start"]

PERIOD_NS = 10


def cycle() -> int:
    """Number of the present cycle; a cycle lasts from one falling edge to the next."""
    return int(get_sim_time("ns") + PERIOD_NS // 2) // PERIOD_NS


async def start(dut, inputs) -> None:
    """Start the clock with all ``inputs`` (names) at zero and reset; ends on a falling edge."""
    for name in inputs:
        getattr(dut, name).value = 0
    Clock(dut.clk, PERIOD_NS, unit="ns", impl="gpi").start()
    await FallingEdge(dut.clk)
    await reset(dut, cycles=2)


async def reset(dut, cycles: int = 1) -> None:
    """Hold reset for some cycles, from this falling edge on."""
    dut.rst.value = 1
    for _ in range(cycles):
        await FallingEdge(dut.clk)
    dut.rst.value = 0
