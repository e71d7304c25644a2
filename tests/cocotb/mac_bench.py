# SPDX-License-Identifier: Apache-2.0
"""Testbench of a MAC: a driver, a monitor, and the golden model seen through the ports."""

from collections import namedtuple
from random import Random

import cocotb
import numpy as np
from cocotb.triggers import FallingEdge

import sim
from hw.spec import MacSpec
from tests.cocotb.bench import Checker, Design, cycle, reset, start
from tests.support.mac_operands import pack, port_of_flag

#: One cycle's operands: packed codes of all lanes, and whether a sum starts or ends with them.
Beat = namedtuple("Beat", "first last a b")
#: A sum on the output: the cycle in which it was valid, the accumulator's bits, the flag port.
Sum = namedtuple("Sum", "cycle data flags")


def beats_of(packed) -> list[Beat]:
    """Beats of one sum from its packed operand pairs."""
    end = len(packed) - 1
    return [Beat(index == 0, index == end, a, b) for index, (a, b) in enumerate(packed)]


class MacDriver:
    """Writes beats on falling edges, with idle cycles of garbage in between.

    ``ends`` lists the cycles in which the last beat of a sum was presented.
    """

    def __init__(self, dut, rng: Random, idle: float = 0.0):
        self._dut = dut
        self._rng = rng
        self._ports = [dut.i_valid, dut.i_first, dut.i_last, dut.i_a, dut.i_b]
        self._shown = [None] * len(self._ports)
        self.idle = idle
        self.ends: list[int] = []

    async def send(self, beats) -> None:
        """Present ``beats`` one a cycle; starts and ends on a falling edge, valid low behind it."""
        clk = self._dut.clk
        for beat in beats:
            while self.idle and self._rng.random() < self.idle:
                self._show(0, *self._garbage())
                await FallingEdge(clk)
            self._show(1, *beat)
            if beat.last:
                self.ends.append(cycle())
            await FallingEdge(clk)
        self._show(0, *self._garbage())

    def _garbage(self) -> list[int]:
        """Operands that must not count."""
        return [self._rng.getrandbits(len(port)) for port in self._ports[1:]]

    def _show(self, *values) -> None:
        """Write the ports that change."""
        for index, value in enumerate(values):
            if self._shown[index] != value:
                self._ports[index].value = int(value)
                self._shown[index] = value


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
                self.sums.append(
                    Sum(cycle(), int(data.value), int(flags.value) if flags is not None else 0)
                )
            await FallingEdge(clk)


class MacModel:
    """Sums as ``(data, flags)`` in the bits of the ports ``o_data`` and ``o_flags``."""

    def __init__(self, mac: MacSpec):
        self._mac = mac

    def products(self, pairs) -> list[tuple[int, int]]:
        """Sums of one product each, for pairs of codes."""
        a, b = np.array(pairs, np.uint64).T
        west, row = np.unique(a, return_inverse=True)
        north, col = np.unique(b, return_inverse=True)
        data, flags = sim.matmul_with_flags(west[:, None], north[None, :], self._mac)
        return [self._bits(*one) for one in zip(data[row, col], flags[row, col], strict=True)]

    def sum(self, a, b) -> tuple[int, int]:
        """Sum of the products of the codes ``a`` and ``b``, in order."""
        west, north = np.array(a, np.uint64), np.array(b, np.uint64)
        return self._bits(*sim.dot_with_flags(west, north, self._mac))

    def _bits(self, data, flags) -> tuple[int, int]:
        """Accumulator and `Flag` code as the ports show them."""
        mask = (1 << self._mac.acc.width) - 1
        return int(data) & mask, port_of_flag(flags, self._mac.flag_bits)


class MacBench:
    """Expects the sums that it sent, in order, each ``latency`` cycles after its last beat."""

    def __init__(self, dut, test: str, seed: int):
        self.dut = dut
        self.design = Design.load()
        self.mac = self.design.mac
        self.rng = Random(seed)
        self.checker = Checker(test, seed)
        self.model = MacModel(self.mac)
        self._wanted: list[tuple[int, int]] = []
        self._about: list[str] = []

    async def start(self, idle: float = 0.0) -> None:
        """Reset the unit; from now on ``idle`` is the probability of an idle cycle."""
        self.design.assert_ports(self.dut)
        await start(self.dut, [name for name in self.design.inputs if name != "clk"])
        self.driver = MacDriver(self.dut, self.rng, idle)
        self.monitor = MacMonitor(self.dut, self.design.flag_bits > 0)

    async def send_products(self, pairs) -> None:
        """Send each pair as a sum of its own, the lanes taking turns, zeros in the other lanes."""
        lanes, a_width, b_width = self.mac.lanes, self.mac.a.width, self.mac.b.width
        shifts = [(lane * a_width, lane * b_width) for lane in range(lanes)]
        beats = []
        for index, (a, b) in enumerate(pairs):
            west, north = shifts[index % lanes]
            beats += beats_of([(a << west, b << north)])
        self._wanted += self.model.products(pairs)
        self._about += [f"product of a=0x{a:x}, b=0x{b:x}" for a, b in pairs]
        await self.driver.send(beats)

    async def send_sum(self, a, b) -> None:
        """Send one sum of products of the codes ``a`` and ``b``."""
        self._wanted.append(self.model.sum(a, b))
        self._about.append(f"sum of products of a={_hex(a)}, b={_hex(b)}")
        await self.driver.send(beats_of(pack(self.mac, a, b)))

    async def break_off(self, a, b, *, ended: bool) -> None:
        """Send a sum, without its last beat unless ``ended``, and reset at once.

        Its result counts only if it is on the output by then; the beats during reset never count.
        """
        await self._drain()
        beats = beats_of(pack(self.mac, a, b))
        if ended and self.design.latency == 1:
            await self.send_sum(a, b)
        else:
            await self._send_uncounted(beats if ended else beats[:-1])
        self.dut.rst.value = 1
        await self._send_uncounted(beats[-1:])
        await reset(self.dut)

    async def _send_uncounted(self, beats) -> None:
        """Send beats that have no result."""
        kept = len(self.driver.ends)
        await self.driver.send(beats)
        del self.driver.ends[kept:]

    async def _drain(self) -> None:
        """Wait until every sum is out, and a little longer for those that should not come."""
        for _ in range(self.design.latency + 2):
            await FallingEdge(self.dut.clk)

    async def finish(self, sums: int) -> None:
        """Wait for the last sum, compare all of them and assert that there were ``sums``."""
        await self._drain()
        wanted = [
            (end + self.design.latency, *bits)
            for end, bits in zip(self.driver.ends, self._wanted, strict=True)
        ]
        got = [tuple(one) for one in self.monitor.sums]
        self.checker.all_equal(
            got, wanted, lambda index: f"(cycle, data, flags) of sum {index}, {self._about[index]}"
        )
        self.checker.close(sums)


def _hex(codes) -> str:
    """Codes as hexadecimal numbers; long lists are cut."""
    shown = [f"{code:02x}" for code in codes[:24]]
    return " ".join(shown) + (f" ... ({len(codes)} codes)" if len(codes) > 24 else "")
