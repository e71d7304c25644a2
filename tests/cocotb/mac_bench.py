# SPDX-License-Identifier: Apache-2.0
"""Testbench of a MAC: joins driver, monitor, model and checker."""

from random import Random

from cocotb.triggers import FallingEdge

from tests.cocotb.checker import Checker
from tests.cocotb.clocking import reset, start
from tests.cocotb.design import Design
from tests.cocotb.mac_driver import MacDriver, beats_of
from tests.cocotb.mac_model import MacModel
from tests.cocotb.mac_monitor import MacMonitor
from tests.cocotb.mac_plan import pack

__all__ = ["MacBench"]


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
        wanted = [(end + self.design.latency, *bits)
                  for end, bits in zip(self.driver.ends, self._wanted, strict=True)]
        got = [tuple(one) for one in self.monitor.sums]
        self.checker.all_equal(got, wanted,
                               lambda index: f"(cycle, data, flags) of sum {index}, "
                                             f"{self._about[index]}")
        self.checker.close(sums)


def _hex(codes) -> str:
    """Codes as hexadecimal numbers; long lists are cut."""
    shown = [f"{code:02x}" for code in codes[:24]]
    return " ".join(shown) + (f" ... ({len(codes)} codes)" if len(codes) > 24 else "")
