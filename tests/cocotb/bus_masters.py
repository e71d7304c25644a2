# SPDX-License-Identifier: Apache-2.0
"""Managers of AXI4-Lite and Wishbone that pause at random and check the engine's protocol."""

from random import Random

import cocotb
from cocotb.triggers import FallingEdge, ReadOnly

from hw.spec import Bus
from hw.spec.registers import BUS_BITS, BUS_BYTES
from tests.cocotb.bench import cycle

#: Cycles after which an access counts as never answered.
PATIENCE = 60
OKAY, SLVERR = 0, 2


class Axi4LiteMaster:
    """Address and data of a write come in any order; answers wait to be taken.

    ``pause`` is the chance, each cycle, that a channel waits. ``waits`` counts the cycles in which
    an answer stood still because it was not taken.
    """

    def __init__(self, dut, rng: Random):
        self._dut, self._rng = dut, rng
        self.pause, self.waits = 0.0, 0
        cocotb.start_soon(self._watch("b", "bresp"))
        cocotb.start_soon(self._watch("r", "rdata", "rresp"))

    async def write(self, address: int, data: int, strobe: int = 15) -> bool:
        """Write a bus word; whether it was done."""
        parts = [
            cocotb.start_soon(self._offer("aw", awaddr=address, awprot=0)),
            cocotb.start_soon(self._offer("w", wdata=data, wstrb=strobe)),
        ]
        for part in parts:
            await part
        (answer,) = await self._take("b", "bresp")
        return self._done(answer)

    async def read(self, address: int) -> int | None:
        """Bus word, or None if the read was refused."""
        await self._offer("ar", araddr=address, arprot=0)
        data, answer = await self._take("r", "rdata", "rresp")
        if self._done(answer):
            return data
        assert data == 0, f"a refused read gave {data:#x}"
        return None

    def _wire(self, name: str):
        return getattr(self._dut, f"s_axil_{name}")

    @staticmethod
    def _done(answer: int) -> bool:
        assert answer in (OKAY, SLVERR), f"answer {answer}"
        return answer == OKAY

    async def _offer(self, channel: str, **payload: int) -> None:
        """Offer a beat until it is taken; before and after, its wires hold garbage."""
        while self._rng.random() < self.pause:
            await FallingEdge(self._dut.clk)
        for name, value in payload.items():
            self._wire(name).value = value
        self._wire(f"{channel}valid").value = 1
        for _ in range(PATIENCE):
            await ReadOnly()
            taken = bool(self._wire(f"{channel}ready").value)
            await FallingEdge(self._dut.clk)
            if taken:
                break
        else:
            raise AssertionError(f"a beat of {channel} was never taken")
        self._wire(f"{channel}valid").value = 0
        for name in payload:
            self._wire(name).value = self._rng.getrandbits(len(self._wire(name)))

    async def _take(self, channel: str, *payload: str) -> tuple[int, ...]:
        """The next answer of a channel."""
        for _ in range(PATIENCE):
            ready = self._rng.random() >= self.pause
            self._wire(f"{channel}ready").value = int(ready)
            await ReadOnly()
            taken = ready and bool(self._wire(f"{channel}valid").value)
            found = tuple(int(self._wire(name).value) for name in payload) if taken else ()
            await FallingEdge(self._dut.clk)
            if taken:
                self._wire(f"{channel}ready").value = 0
                return found
        raise AssertionError(f"no answer on {channel}")

    async def _watch(self, channel: str, *payload: str) -> None:
        """An answer stays as it is until it is taken (AXI, section A3.2.1)."""
        kept = None
        while True:
            await ReadOnly()
            there = bool(self._wire(f"{channel}valid").value)
            beat = tuple(int(self._wire(name).value) for name in payload) if there else None
            if kept is not None and not bool(self._dut.rst.value):
                assert beat == kept, f"{channel} in cycle {cycle()}: {kept} became {beat}"
                self.waits += 1
            taken = there and bool(self._wire(f"{channel}ready").value)
            kept = None if taken or bool(self._dut.rst.value) else beat
            await FallingEdge(self._dut.clk)


class WishboneMaster:
    """Classic cycles; ``pause`` is the chance, each cycle, that the next access waits.

    Between accesses the bus cycle goes on or ends, as it comes. ``waits`` counts the cycles between
    accesses in which the engine had to keep still.
    """

    def __init__(self, dut, rng: Random):
        self._dut, self._rng = dut, rng
        self.pause, self.waits = 0.0, 0
        cocotb.start_soon(self._watch())

    async def write(self, address: int, data: int, strobe: int = 15) -> bool:
        """Write a bus word; whether it was done."""
        done, _ = await self._access(address, 1, data, strobe)
        return done

    async def read(self, address: int) -> int | None:
        """Bus word, or None if the read was refused."""
        done, data = await self._access(address, 0, self._rng.getrandbits(BUS_BITS), 15)
        if not done:
            assert data == 0, f"a refused read gave {data:#x}"
        return data if done else None

    def _wire(self, name: str):
        return getattr(self._dut, f"s_wb_{name}")

    async def _access(self, address: int, we: int, data: int, sel: int) -> tuple[bool, int]:
        """One access: whether it was done, and what was read."""
        while self._rng.random() < self.pause:
            await FallingEdge(self._dut.clk)
        values = {
            "cyc": 1,
            "stb": 1,
            "we": we,
            "adr": address // BUS_BYTES,
            "sel": sel,
            "dat_w": data,
        }
        for name, value in values.items():
            self._wire(name).value = value
        for _ in range(PATIENCE):
            await ReadOnly()
            ack, err = (bool(self._wire(name).value) for name in ("ack", "err"))
            found = int(self._wire("dat_r").value) if ack or err else 0
            await FallingEdge(self._dut.clk)
            if ack or err:
                break
        else:
            raise AssertionError("an access was never answered")
        self._wire("stb").value = 0
        self._wire("cyc").value = self._rng.getrandbits(1)
        return ack, found

    async def _watch(self) -> None:
        """One answer at a time, and only to a request (Wishbone B4, rules 3.35 and 3.45)."""
        while True:
            await ReadOnly()
            ack, err, cyc, stb = (
                bool(self._wire(name).value) for name in ("ack", "err", "cyc", "stb")
            )
            assert not (ack and err), f"ack and err in cycle {cycle()}"
            assert (cyc and stb) or not (ack or err), f"an answer to nobody in cycle {cycle()}"
            self.waits += not stb
            await FallingEdge(self._dut.clk)


MASTERS = {Bus.AXI4LITE: Axi4LiteMaster, Bus.WISHBONE: WishboneMaster}
