# SPDX-License-Identifier: Apache-2.0
"""Testbench of a GEMM engine: registers by name, products through the bus, the interrupt."""

from random import Random

import numpy as np
from cocotb.triggers import FallingEdge

from hw.spec.registers import BUS_BITS, BUS_BYTES, gemm_map
from sim.rtl.engine import bus_words, operand_words
from tests.cocotb.bench import Checker, Design, reset, start
from tests.cocotb.bus_masters import MASTERS
from tests.support.engine_checks import draw, noisy, results

#: Bits of IRQ_ENABLE, and the bit of STATUS that reports the end.
DONE, ERROR = 1, 2
ENDED = 2


class GemmBench:
    """Accesses registers and memories, runs products and compares words of C, all counted."""

    def __init__(self, dut, test: str, seed: int):
        self.dut, self.design = dut, Design.load()
        self.spec = self.design.gemm
        self.map = gemm_map(self.spec)
        self.rng, self.checker = Random(seed), Checker(test, seed)
        self._operands = np.random.default_rng(seed)

    async def start(self) -> None:
        """Reset the engine, with a bus that does not pause."""
        self.design.assert_ports(self.dut)
        await start(self.dut, [name for name in self.design.inputs if name != "clk"])
        self.bus = MASTERS[self.spec.bus](self.dut, self.rng)

    async def reset(self) -> None:
        """Reset the engine while no access is under way."""
        await reset(self.dut)

    async def idle(self, cycles: int) -> None:
        """Let some cycles pass."""
        for _ in range(cycles):
            await FallingEdge(self.dut.clk)

    async def get(self, register: str) -> int | None:
        """Value of a register."""
        return await self.bus.read(self.map.offset(register))

    async def put(self, register: str, value: int) -> bool:
        """Write a register; whether it was taken."""
        return await self.bus.write(self.map.offset(register), value)

    async def load(self, shape):
        """Random operands in the memories, noise beyond their edges; what C must be, by words."""
        a, b = draw(self.spec, self._operands, shape)
        whole = noisy(self.spec, self._operands, a, b)
        for name, words in zip("AB", operand_words(self.spec, *whole), strict=True):
            window = self.map.window(name)
            for (place, lane), value in np.ndenumerate(bus_words(words, window)):
                address = self.map.base(window) + window.stride * place + BUS_BYTES * lane
                assert await self.bus.write(address, int(value)), f"{name} must be writable"
        padded = np.pad(b, ((0, 0), (0, -shape[2] % self.spec.array.cols)))
        return self._words(*results(self.spec, a, padded, {}))

    def _words(self, codes, flags) -> list[int]:
        """Words of C of a matrix whose width is whole tiles."""
        array, words = self.spec.array, []
        width, slot = array.result_width, array.slot_width
        for row, beside in zip(
            codes.reshape(-1, array.cols), flags.reshape(-1, array.cols), strict=True
        ):
            word = 0
            for col, (code, flag) in enumerate(zip(row.tolist(), beside.tolist(), strict=True)):
                signed = array.result_signed and code >> width - 1
                wide = (code - (1 << width) if signed else code) % (1 << slot)
                word |= wide << slot * col
                word |= flag << slot * array.cols + array.flag_bits * col
            words.append(word)
        return words

    async def begin(self, shape) -> None:
        """Write the sizes and start; each write is a check."""
        for name, value in zip(("M", "K", "N", "CONTROL"), (*shape, 1), strict=True):
            self.checker.equal(await self.put(name, value), True, f"{name} takes {value}")

    async def ended(self, shape) -> None:
        """Wait for the interrupt, then check that it came in time, status, errors and cycles."""
        cycles = self.spec.cycles(*shape)
        for _ in range(cycles + 2):
            if int(self.dut.irq.value):
                break
            await FallingEdge(self.dut.clk)
        self.checker.equal(int(self.dut.irq.value), 1, f"interrupt at the end of {shape}")
        for name, wanted in (("STATUS", ENDED), ("ERROR", 0), ("CYCLES", cycles)):
            self.checker.equal(await self.get(name), wanted, f"{name} after {shape}")

    async def compare(self, wanted: list[int], about) -> None:
        """Compare the words of C."""
        window = self.map.window("C")
        for place, word in enumerate(wanted):
            got = 0
            for lane in range(window.lanes):
                address = self.map.base(window) + window.stride * place + BUS_BYTES * lane
                got |= (await self.bus.read(address) or 0) << BUS_BITS * lane
            self.checker.equal(got, word, f"word {place} of C of {about}")

    async def product(self, shape) -> list[int]:
        """Load, start, wait, compare, acknowledge; what C was."""
        wanted = await self.load(shape)
        await self.begin(shape)
        await self.ended(shape)
        await self.compare(wanted, shape)
        await self.acknowledge()
        return wanted

    async def acknowledge(self) -> None:
        """Clear ``done``: the interrupt goes."""
        self.checker.equal(await self.put("STATUS", ENDED), True, "STATUS can be cleared")
        self.checker.equal(int(self.dut.irq.value), 0, "interrupt after it was acknowledged")
