# SPDX-License-Identifier: Apache-2.0
"""Testbench of an array of either dataflow: streams, and the golden model seen through them."""

from random import Random

import numpy as np
from cocotb.triggers import FallingEdge

import sim
from hw.spec import ArraySpec
from tests.cocotb.bench import Checker, Design, reset, start
from tests.cocotb.streams import BesideDriver, StreamMonitor, StreamSink, StreamSource
from tests.support.mac_operands import port_of_flag

A, B, C = "s_axis_a", "s_axis_b", "m_axis_c"
#: Cycles for one beat after which a bench gives up.
PATIENCE = 40


class ArrayModel:
    """Packs operand tiles into beats, and products of tiles into the wanted beats of C."""

    def __init__(self, array: ArraySpec, slot: int, bus_a: int, bus_b: int, rng: Random):
        self._array = array
        self._slot = slot
        self._bus = (bus_a, bus_b)
        self._rng = rng

    def beats_a(self, tile) -> list[int]:
        """Beats of a tile of A (rows, K): column k of the tile, row 0 in the low bits."""
        return self._beats(tile, self._array.mac.a.width, self._bus[0])

    def beats_b(self, tile) -> list[int]:
        """Beats of a tile of B (K, cols): row k of the tile, column 0 in the low bits."""
        return self._beats(tile.T, self._array.mac.b.width, self._bus[1])

    def _beats(self, tile, width: int, bus: int) -> list[int]:
        """Beats of (side, K) codes: lanes vary fastest; unused bits hold garbage."""
        lanes = self._array.mac.lanes
        side, depth = tile.shape
        tile = np.pad(tile, ((0, 0), (0, -depth % lanes)))
        used = side * lanes * width
        beats = []
        for first in range(0, depth, lanes):
            codes = tile[:, first : first + lanes].ravel()
            data = sum(int(code) << place * width for place, code in enumerate(codes))
            beats.append(data | self._rng.getrandbits(bus - used) << used if bus > used else data)
        return beats

    def random_settings(self, rows: int) -> dict[str, np.ndarray]:
        """Random arguments of `sim.output` for a tile, (rows, cols) each."""
        out = self._array.out
        draws = (
            {
                "scale": (out.scale_bits, self._scale),
                "zero_point": (
                    out.zero_point_bits,
                    lambda: self._rng.randint(out.to.min_units, out.to.max_units),
                ),
            }
            if out
            else {}
        )
        shape = rows, self._array.cols
        return {
            name: np.array([draw() for _ in range(shape[0] * shape[1])]).reshape(shape)
            for name, (bits, draw) in draws.items()
            if bits
        }

    def _scale(self) -> int:
        """Any exponent or code of a factor, more often one near a scale of one."""
        fmt = self._array.out.scale_format
        if fmt.is_integer:
            return self._rng.choice(
                [self._rng.randint(fmt.min_units, fmt.max_units), self._rng.randint(-12, 3)]
            )
        near = int(
            sim.encode(
                self._rng.choice([-1, 1])
                * self._rng.uniform(0.5, 1)
                * 2.0 ** self._rng.randint(-12, 3),
                fmt,
            )
        )
        return self._rng.choice([self._rng.getrandbits(fmt.width), near, near])

    def rows_beside(self, settings: dict[str, np.ndarray]) -> list[dict[str, int]]:
        """Values of the ports of the output stages for each row, column 0 in the low bits."""
        out = self._array.out
        widths = {"scale": out.scale_bits, "zero_point": out.zero_point_bits} if out else {}
        return [
            {f"c_{name}": _packed(values[row], widths[name]) for name, values in settings.items()}
            for row in range(max(map(len, settings.values()), default=0))
        ]

    def beats_c(
        self, results, flags, settings: dict[str, np.ndarray]
    ) -> list[tuple[int, int, int]]:
        """Wanted ``(data, last, user)`` of each row of a tile of sums and their flags."""
        array = self._array
        if array.out:
            codes = sim.output(results, array.out, flags=flags, **settings).astype(object)
            sign = 1 << array.result_width - 1 if array.result_signed else 0
            results = codes - 2 * (codes & sign)
        bits = self._slot if array.result_signed else array.result_width
        users = [[port_of_flag(flag, array.flag_bits) for flag in row] for row in flags]
        return [
            (
                _packed(results[row], bits, self._slot),
                int(row == len(results) - 1),
                _packed(users[row], array.flag_bits),
            )
            for row in range(len(results))
        ]


def _packed(values, bits: int, slot: int | None = None) -> int:
    """The low ``bits`` of each value, the first one lowest, a slot (by default ``bits``) each."""
    slot = bits if slot is None else slot
    return sum((int(value) & (1 << bits) - 1) << place * slot for place, value in enumerate(values))


class ArrayBench:
    """Output stationary: expects a product for every pair of tiles that it sent, in order."""

    #: Whether a beat of A and one of B are taken in the same cycle.
    together = True

    def __init__(self, dut, test: str, seed: int):
        self.dut = dut
        self.design = Design.load()
        self.array = self.design.array
        self.rng = Random(seed)
        self.checker = Checker(test, seed)
        widths = self.design.inputs
        self.model = ArrayModel(
            self.array,
            self.design.outputs[f"{C}_tdata"] // self.array.cols,
            widths[f"{A}_tdata"],
            widths[f"{B}_tdata"],
            self.rng,
        )
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

    def random_operands(self, m: int, k: int, n: int):
        """Operands (M, K) and (K, N), uniform over all codes."""
        mac = self.array.mac
        return self._codes(mac.a.width, (m, k)), self._codes(mac.b.width, (k, n))

    def _codes(self, width: int, shape) -> np.ndarray:
        """Random codes."""
        count = int(np.prod(shape))
        codes = [self.rng.getrandbits(width) for _ in range(count)]
        return np.array(codes, np.uint64).reshape(shape)

    def product(self, m: int, k: int, n: int) -> None:
        """Queue random operands of one tile of C on both streams and expect their product."""
        assert (m, n) == (self.array.rows, self.array.cols), "a tile of C is a whole one"
        a, b = self.random_operands(m, k, n)
        self.queue(a, b)
        self.expect(a, b)

    def queue(self, a, b) -> None:
        """Queue a pair of tiles."""
        for name, beats in ((A, self.model.beats_a(a)), (B, self.model.beats_b(b))):
            last = len(beats) - 1
            self.sources[name].send((data, index == last) for index, data in enumerate(beats))

    def expect(self, a, b) -> None:
        """Expect the product of a pair of tiles, and give its output stages something to do."""
        self._expect_sums(
            *sim.matmul_with_flags(a, b, self.array.mac),
            f"tile with K={a.shape[1]}, A={a.tolist()}, B={b.tolist()}",
        )

    def _expect_sums(self, sums, flags, about: str) -> None:
        """Expect a tile of sums."""
        settings = self.model.random_settings(len(sums))
        self.beside.rows += self.model.rows_beside(settings)
        for row, beat in enumerate(self.model.beats_c(sums, flags, settings)):
            self._wanted.append(beat)
            self._about.append(f"row {row} of a {about}, {settings}")

    async def until(self, condition) -> None:
        """Wait for a falling edge on which ``condition()`` holds."""
        for _ in range(PATIENCE * (self.array.rows + self.array.cols + len(self._wanted) + 20)):
            if condition():
                return
            await FallingEdge(self.dut.clk)
        raise AssertionError(
            f"{self.checker.test}, seed {self.checker.seed}: stuck with "
            f"{len(self.monitors[C].transfers)} of {len(self._wanted)} beats of C"
        )

    def taken(self, name: str) -> int:
        """Beats that went over a stream."""
        return len(self.monitors[name].transfers)

    async def reset(self) -> None:
        """Reset the array, and discard all that was sent and expected before."""
        for source in self.sources.values():
            source.take_back()
        await reset(self.dut)
        self._about.clear()
        self._wanted.clear()
        self.beside.rows.clear()
        for monitor in self.monitors.values():
            monitor.transfers.clear()

    async def compare(self) -> None:
        """Wait for all beats of C, then compare them; extra beats are a failure."""
        await self.until(lambda: self.taken(C) >= len(self._wanted))
        for _ in range(2 * (self.array.rows + self.array.cols) + 20):
            await FallingEdge(self.dut.clk)
        got = [tuple(beat[1:]) for beat in self.monitors[C].transfers]
        self.checker.all_equal(
            got,
            self._wanted,
            lambda index: f"(data, last, user) of beat {index}, {self._about[index]}",
        )
        if self.together:
            self.checker.equal(
                [beat.cycle for beat in self.monitors[A].transfers],
                [beat.cycle for beat in self.monitors[B].transfers],
                "A and B are taken together, cycles",
            )
        self.checker.equal(
            [source.waiting for source in self.sources.values()],
            [0, 0],
            "beats left in the sources",
        )


class WeightBench(ArrayBench):
    """Weight stationary: expects the sums of every product that it sent, tile by tile, in order.

    A product goes in passes over K.
    """

    #: Streams of operands do not wait for each other.
    together = False

    def product(self, m: int, k: int, n: int) -> None:
        """Queue the product of random codes (M, K) and (K, N), and expect it."""
        array, mac = self.array, self.array.mac
        a, b = self.random_operands(m, k, n)
        wide = -n % array.cols
        sums, flags = sim.matmul_with_flags(a, np.pad(b, ((0, 0), (0, wide))), mac)
        step = array.rows * mac.lanes
        depth = -k % step
        a, b = np.pad(a, ((0, 0), (0, depth))), np.pad(b, ((0, depth), (0, wide)))
        whole = array.beats(k) * mac.lanes
        a[:, whole:], b[whole:] = mac.neutral
        for top in range(0, m, array.depth):
            rows = slice(top, min(top + array.depth, m))
            for left in range(0, n, array.cols):
                cols = slice(left, left + array.cols)
                for k_from in range(0, k + depth, step):
                    steps = slice(k_from, k_from + step)
                    self._send(
                        a[rows, steps],
                        b[steps, cols],
                        starts=k_from == 0,
                        leaves=k_from + step == k + depth,
                    )
                self._expect_sums(
                    sums[rows, cols], flags[rows, cols], f"tile of a product of {m}x{k}x{n}"
                )

    def _send(self, a, b, *, starts: bool, leaves: bool) -> None:
        """Queue a pass: rows of A, and steps of B of which the last one goes first."""
        lanes, user = self.array.mac.lanes, starts + 2 * leaves
        beats_a = [beat for row in a for beat in self.model.beats_a(row.reshape(-1, lanes))]
        beats_b = self.model.beats_b(b)[::-1]
        self.sources[A].send(
            (data, index == len(beats_a) - 1, user) for index, data in enumerate(beats_a)
        )
        self.sources[B].send(
            (data, index == len(beats_b) - 1) for index, data in enumerate(beats_b)
        )
