# SPDX-License-Identifier: Apache-2.0
"""Testbench of an array: joins sources, sink, monitors, model and checker."""

from random import Random

import numpy as np
from cocotb.triggers import FallingEdge

from tests.cocotb.array_model import ArrayModel
from tests.cocotb.beside_driver import BesideDriver
from tests.cocotb.checker import Checker
from tests.cocotb.clocking import reset, start
from tests.cocotb.design import Design
from tests.cocotb.stream_monitor import StreamMonitor
from tests.cocotb.stream_sink import StreamSink
from tests.cocotb.stream_source import StreamSource

__all__ = ["ArrayBench"]

A, B, C = "s_axis_a", "s_axis_b", "m_axis_c"
#: Cycles for one beat after which a bench gives up.
PATIENCE = 40


class ArrayBench:
    """Expects a product for every pair of tiles that it sent, in order."""

    #: Whether a beat of A and one of B are taken in the same cycle.
    together = True

    def __init__(self, dut, test: str, seed: int):
        self.dut = dut
        self.design = Design.load()
        self.array = self.design.array
        self.rng = Random(seed)
        self.checker = Checker(test, seed)
        widths = self.design.inputs
        self.model = ArrayModel(self.array, self.design.outputs[f"{C}_tdata"] // self.array.cols,
                                widths[f"{A}_tdata"], widths[f"{B}_tdata"], self.rng)
        self._wanted: list[tuple[int, int, int]] = []
        self._about: list[str] = []

    async def start(self) -> None:
        """Reset the array, with free-running streams."""
        self.design.assert_ports(self.dut)
        await start(self.dut, [name for name in self.design.inputs if name != "clk"])
        self.monitors = {name: StreamMonitor(self.dut, name) for name in (A, B, C)}
        self.sources = {name: StreamSource(self.dut, name, self.rng) for name in (A, B)}
        self.sink = StreamSink(self.dut, C, self.rng)
        self.beside = BesideDriver(self.dut, C, self.monitors[C])

    def stall(self, a: float, b: float, c: float) -> None:
        """Set the chance of a pause on each stream."""
        self.sources[A].stall, self.sources[B].stall, self.sink.stall = a, b, c

    def random_tiles(self, k: int):
        """Tiles of A (rows, K) and B (K, cols), uniform over all codes."""
        mac = self.array.mac
        return (self._codes(mac.a.width, (self.array.rows, k)),
                self._codes(mac.b.width, (k, self.array.cols)))

    def _codes(self, width: int, shape) -> np.ndarray:
        """Random codes."""
        count = int(np.prod(shape))
        codes = [self.rng.getrandbits(width) for _ in range(count)]
        return np.array(codes, np.uint64).reshape(shape)

    def send(self, k: int) -> None:
        """Queue a tile of depth ``k`` on both streams and expect its product."""
        a, b = self.random_tiles(k)
        self.queue(a, b)
        self.expect(a, b)

    def queue(self, a, b) -> None:
        """Queue a pair of tiles."""
        for name, beats in ((A, self.model.beats_a(a)), (B, self.model.beats_b(b))):
            last = len(beats) - 1
            self.sources[name].send((data, index == last) for index, data in enumerate(beats))

    def expect(self, a, b) -> None:
        """Expect the product of a pair of tiles, and give its output stages something to do."""
        settings = self.model.random_settings()
        self.beside.rows += self.model.rows_beside(settings)
        for row, beat in enumerate(self.model.beats_c(a, b, settings)):
            self._wanted.append(beat)
            self._about.append(f"row {row} of a tile with K={a.shape[1]}, A={a.tolist()}, "
                               f"B={b.tolist()}, {settings}")

    async def until(self, condition) -> None:
        """Wait for a falling edge on which ``condition()`` holds."""
        for _ in range(PATIENCE * (self.array.rows + self.array.cols + len(self._wanted) + 20)):
            if condition():
                return
            await FallingEdge(self.dut.clk)
        raise AssertionError(f"{self.checker.test}, seed {self.checker.seed}: stuck with "
                             f"{len(self.monitors[C].transfers)} of {len(self._wanted)} beats of C")

    def taken(self, name: str) -> int:
        """Beats that went over a stream."""
        return len(self.monitors[name].transfers)

    async def reset(self) -> None:
        """Reset the array and start afresh: what was sent and expected before is forgotten."""
        for source in self.sources.values():
            source.take_back()
        await reset(self.dut)
        self._about.clear()
        self._wanted.clear()
        self.beside.rows.clear()
        for monitor in self.monitors.values():
            monitor.transfers.clear()

    async def compare(self) -> None:
        """Wait for all beats of C, then compare them; more beats than wanted are a failure."""
        await self.until(lambda: self.taken(C) >= len(self._wanted))
        for _ in range(2 * (self.array.rows + self.array.cols) + 20):
            await FallingEdge(self.dut.clk)
        got = [tuple(beat[1:]) for beat in self.monitors[C].transfers]
        self.checker.all_equal(got, self._wanted, lambda index: f"(data, last, user) of beat "
                                                                f"{index}, {self._about[index]}")
        if self.together:
            self.checker.equal([beat.cycle for beat in self.monitors[A].transfers],
                               [beat.cycle for beat in self.monitors[B].transfers],
                               "A and B are taken together, cycles")
        self.checker.equal([source.waiting for source in self.sources.values()], [0, 0],
                           "beats left in the sources")
