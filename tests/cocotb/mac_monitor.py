# SPDX-License-Identifier: Apache-2.0
"""Collects the sums that a MAC hands out."""

from collections import namedtuple

import cocotb
from cocotb.triggers import FallingEdge

from tests.cocotb.clocking import cycle

__all__ = ["MacMonitor", "Sum"]

#: A sum on the output: the cycle in which it was valid, the accumulator's bits, the flag port.
Sum = namedtuple("Sum", "cycle data flags")


class MacMonitor:
    """Lists the valid outputs, sampled on falling edges; an X in any of them raises.

    Assumes that the outputs come straight from registers, so that they stand still half a cycle
    before the edge.
    """

    def __init__(self, dut, has_flags: bool):
        self._dut = dut
        self._flags = dut.o_flags if has_flags else None
        self.sums: list[Sum] = []
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        clk, valid, data, flags = self._dut.clk, self._dut.o_valid, self._dut.o_data, self._flags
        while True:
            if bool(valid.value):
                self.sums.append(Sum(cycle(), int(data.value),
                                     int(flags.value) if flags is not None else 0))
            await FallingEdge(clk)
