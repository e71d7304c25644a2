# SPDX-License-Identifier: Apache-2.0
"""Takes beats from an AXI4-Stream port."""

from random import Random

import cocotb
from cocotb.triggers import FallingEdge

__all__ = ["StreamSink"]


class StreamSink:
    """Drives ready on falling edges; ``stall`` is the chance that it is low in a cycle."""

    def __init__(self, dut, name: str, rng: Random):
        self._clk = dut.clk
        self._ready = getattr(dut, f"{name}_tready")
        self._rng = rng
        self.stall = 0.0
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while True:
            self._ready.value = int(self._rng.random() >= self.stall)
            await FallingEdge(self._clk)
