# SPDX-License-Identifier: Apache-2.0
"""Watches an AXI4-Stream port: lists the transfers and holds the sender to the rules."""

from collections import namedtuple

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from tests.cocotb.clocking import cycle

__all__ = ["StreamMonitor", "Transfer"]

#: One accepted beat and the cycle in which it was.
Transfer = namedtuple("Transfer", "cycle data last user")


class StreamMonitor:
    """Samples when all drivers have driven and logic has settled, half a cycle before the edge.

    Rules (AXI4-Stream, section 2.2.1): once valid is high it stays high, and data, last and user
    stand still, until the beat is taken. Reset ends every obligation. ``waits`` counts the cycles
    in which a beat had to wait, which is how often the rule was put to the test.
    """

    def __init__(self, dut, name: str):
        self._dut = dut
        self._name = name
        self._valid, self._ready, self._data, self._last = (
            getattr(dut, f"{name}_{signal}") for signal in ("tvalid", "tready", "tdata", "tlast"))
        self._user = getattr(dut, f"{name}_tuser", None)
        self.transfers: list[Transfer] = []
        self.waits = 0
        cocotb.start_soon(self._watch())

    async def _watch(self) -> None:
        kept = None
        while True:
            await ReadOnly()
            beat = self._beat() if bool(self._valid.value) else None
            in_reset = bool(self._dut.rst.value)
            if kept is not None and not in_reset:
                assert beat == kept, (f"{self._name} in cycle {cycle()}: (data, last, user) {kept} "
                                      f"became {beat} before it was taken")
            taken = beat is not None and bool(self._ready.value)
            if taken and not in_reset:
                self.transfers.append(Transfer(cycle(), *beat))
            kept = None if taken or in_reset else beat
            self.waits += kept is not None
            await FallingEdge(self._dut.clk)

    def _beat(self) -> tuple[int, int, int]:
        """Data, last and user as they stand."""
        user = int(self._user.value) if self._user is not None else 0
        return int(self._data.value), int(self._last.value), user
