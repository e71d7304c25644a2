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
    stands still so that a simulator has little to do. A stream with a user has it as a third item
    of its beats.
    """

    def __init__(self, dut, name: str, rng: Random):
        self._clk = dut.clk
        self._valid, self._ready, self._data, self._last = (
            getattr(dut, f"{name}_{signal}") for signal in ("tvalid", "tready", "tdata", "tlast"))
        user = getattr(dut, f"{name}_tuser", None)
        self._wires = [self._data, self._last, *([user] if user is not None else [])]
        self._rng = rng
        self._queue: deque[tuple[int, ...]] = deque()
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

    def take_back(self) -> list[tuple[int, ...]]:
        """Beats that were not taken yet; they will not be. Breaks the rules outside of reset."""
        beats = list(self._queue)
        self._queue.clear()
        self._offered = False
        return beats

    def _garbage(self) -> tuple[int, ...]:
        """Data, last and user that must not count."""
        return tuple(self._rng.getrandbits(len(wire)) for wire in self._wires)

    async def _run(self) -> None:
        garbage = self._garbage()
        while True:
            if self._queue and not self._offered:
                self._offered = self._rng.random() >= self.stall
            beat = self._queue[0] if self._offered else garbage
            self._valid.value = int(self._offered)
            for wire, value in zip(self._wires, beat, strict=True):
                wire.value = int(value)
            await ReadOnly()
            if self._offered and bool(self._ready.value):
                self._queue.popleft()
                self._offered = False
                garbage = self._garbage()
            await FallingEdge(self._clk)
