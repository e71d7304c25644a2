# SPDX-License-Identifier: Apache-2.0
"""Sends beats into an AXI4-Stream port."""

from collections import deque
from random import Random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

__all__ = ["StreamSource"]


class StreamSource:
    """Offers queued ``(data, last)`` beats; ``stall`` is the chance of a pause before each.

    Valid stays high until the beat is taken. While it is low, data and last hold garbage, which
    stands still so that a simulator has little to do.
    """

    def __init__(self, dut, name: str, rng: Random):
        self._clk = dut.clk
        self._valid, self._ready, self._data, self._last = (
            getattr(dut, f"{name}_{signal}") for signal in ("tvalid", "tready", "tdata", "tlast"))
        self._rng = rng
        self._queue: deque[tuple[int, bool]] = deque()
        self._offered = False
        self.stall = 0.0
        cocotb.start_soon(self._run())

    @property
    def waiting(self) -> int:
        """Beats that are not taken yet."""
        return len(self._queue)

    def send(self, beats) -> None:
        """Queue beats; ends before they are sent."""
        self._queue.extend(beats)

    def take_back(self) -> list[tuple[int, bool]]:
        """Beats that were not taken yet; they will not be. Breaks the rules outside of reset."""
        beats = list(self._queue)
        self._queue.clear()
        self._offered = False
        return beats

    def _garbage(self) -> tuple[int, bool]:
        """Data and last that must not count."""
        return self._rng.getrandbits(len(self._data)), self._rng.random() < 0.5

    async def _run(self) -> None:
        garbage = self._garbage()
        while True:
            if self._queue and not self._offered:
                self._offered = self._rng.random() >= self.stall
            data, last = self._queue[0] if self._offered else garbage
            self._valid.value = int(self._offered)
            self._data.value = data
            self._last.value = int(last)
            await ReadOnly()
            if self._offered and bool(self._ready.value):
                self._queue.popleft()
                self._offered = False
                garbage = self._garbage()
            await FallingEdge(self._clk)
