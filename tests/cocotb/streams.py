# SPDX-License-Identifier: Apache-2.0
"""AXI4-Stream ports: a source, a sink, and a monitor that checks the sender's protocol.

Sources and sinks pause at random, by chances that a bench sets.
"""

from collections import deque, namedtuple
from random import Random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from tests.cocotb.bench import cycle

#: One accepted beat and the cycle in which it was.
Transfer = namedtuple("Transfer", "cycle data last user")


class StreamSource:
    """Offers queued ``(data, last)`` beats; ``stall`` is the chance of a pause before each.

    Valid stays high until the beat is taken. While it is low, data and last hold garbage, which
    stands still so that a simulator has little to do. A stream with a user has it as a third item
    of its beats.
    """

    def __init__(self, dut, name: str, rng: Random):
        self._clk = dut.clk
        self._valid, self._ready, self._data, self._last = (
            getattr(dut, f"{name}_{signal}") for signal in ("tvalid", "tready", "tdata", "tlast")
        )
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
            getattr(dut, f"{name}_{signal}") for signal in ("tvalid", "tready", "tdata", "tlast")
        )
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
                assert beat == kept, (
                    f"{self._name} in cycle {cycle()}: (data, last, user) {kept} "
                    f"became {beat} before it was taken"
                )
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


class BesideDriver:
    """Shows the values of a row on falling edges until the row is offered, then those of the next.

    ``rows`` holds a value by port for each row; behind the last one the ports keep their values.
    """

    def __init__(self, dut, name: str, monitor: StreamMonitor):
        self._dut = dut
        self._valid = getattr(dut, f"{name}_tvalid")
        self._monitor = monitor
        self.rows: list[dict[str, int]] = []
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while True:
            # The monitor counts a transfer after this edge, in the cycle in which it happens.
            row = len(self._monitor.transfers) + bool(self._valid.value)
            if row < len(self.rows):
                for port, value in self.rows[row].items():
                    getattr(self._dut, port).value = value
            await FallingEdge(self._dut.clk)
