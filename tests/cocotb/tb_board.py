# SPDX-License-Identifier: Apache-2.0
"""A board's pins: line errors are reported, do no harm, and end with the next frame.

Runs inside a simulator; see `tests.cocotb.run`.
"""

import random

import cocotb
from cocotb.triggers import FallingEdge, Timer

from hw.host.exchange import Deframer, Reply, frame
from hw.spec.board import FLAG, MAX_WORDS, WORD_BYTES, WRITE_WORDS, Code, Command
from hw.spec.registers import gemm_map
from tests.cocotb.bench import PERIOD_NS, Checker, reset, start
from tests.support.boards import BOARD

BITS = 10
TABLE = gemm_map(BOARD.gemm)
PLACE, SIDE_BY_SIDE = TABLE.offset("M"), 1 | 1 << 16
NOISES, CUTS, RESETS = 12, 8, 6


class Line:
    """Sends bytes, collects those that come back, asks and awaits replies.

    Parameters
    ----------
    dut
        Board, its clock running.
    divider
        Clock cycles of a bit.
    """

    def __init__(self, dut, divider: int):
        self._dut, self._bit_ns, self._deframer = dut, divider * PERIOD_NS, Deframer()
        self._sequence = 0
        #: Replies that nobody has taken yet.
        self.replies: list[Reply] = []
        cocotb.start_soon(self._watch())

    async def _watch(self):
        """Bytes from the board, each sampled in the middle of its bits."""
        while True:
            await FallingEdge(self._dut.tx)
            await Timer(self._bit_ns // 2, unit="ns")
            bits = 0
            for place in range(BITS):
                bits |= int(self._dut.tx.value) << place
                if place < BITS - 1:
                    await Timer(self._bit_ns, unit="ns")
            assert bits >> BITS - 1, "a byte of the board has no stop bit"
            self.replies += self._deframer.push(bytes([bits >> 1 & 0xFF]))

    async def send(self, data: bytes, *, stop: int = 1):
        """Bytes to the board; without a stop bit if ``stop`` is 0."""
        for byte in data:
            for place in range(BITS):
                self._dut.rx.value = (byte << 1 | stop << BITS - 1) >> place & 1
                await Timer(self._bit_ns, unit="ns")
        self._dut.rx.value = 1

    async def quiet(self, bits: int = 40):
        """Wait until neither side has sent anything for some bits."""
        left = bits
        while left:
            left = bits if int(self._dut.active.value) or not int(self._dut.tx.value) else left - 1
            await Timer(self._bit_ns, unit="ns")

    def request(self, command: int, *words: int) -> bytes:
        """Bytes of a request with a number of its own."""
        self._sequence = (self._sequence + 1) % 256
        payload = b"".join(word.to_bytes(WORD_BYTES, "little") for word in words)
        return frame(self._sequence, command, payload)

    async def ask(self, command: int, *words: int) -> tuple[int, list[int]]:
        """Code and words of the only reply to a request."""
        await self.send(self.request(command, *words))
        await self.quiet()
        (reply,) = self.replies
        self.replies.clear()
        assert reply.sequence == self._sequence, "the reply is to another request"
        data = reply.payload
        return reply.code, [
            int.from_bytes(data[place : place + WORD_BYTES], "little")
            for place in range(0, len(data), WORD_BYTES)
        ]

    def codes(self) -> list[int]:
        """Codes of the replies that have come, which are taken thereby."""
        found = [reply.code for reply in self.replies]
        self.replies.clear()
        return found


class Bench:
    """The registers M, K and N by the line, and what they must hold."""

    def __init__(self, dut, test: str, seed: int):
        self.dut, self.checker, self.rng = dut, Checker(test, seed), random.Random(seed)
        self.wanted = [0, 0, 0]

    async def start(self):
        """Clock, reset, an idle line."""
        await start(self.dut, ["rst"])
        self.dut.rx.value = 1
        await self.reset()
        self.line = Line(self.dut, BOARD.divider)

    async def reset(self):
        """Reset; the registers are 0 behind it."""
        await reset(self.dut, cycles=4)
        self.wanted = [0, 0, 0]

    def values(self) -> list[int]:
        """Other values for the registers."""
        return [self.rng.getrandbits(32) for _ in self.wanted]

    def write(self, values: list[int]) -> bytes:
        """Bytes of a request that writes them."""
        return self.line.request(Command.WRITE, PLACE, SIDE_BY_SIDE, *values)

    async def settle(self) -> list[int]:
        """Recover as a host does after an error; return the codes of the replies."""
        await self.line.send(bytes([FLAG]))
        await self.line.quiet()
        return self.line.codes()

    async def works(self, about: str):
        """Registers are as they must be; then they are written, and read back."""
        for _ in range(2):
            code, found = await self.line.ask(Command.READ, PLACE, SIDE_BY_SIDE, 3)
            self.checker.equal((code, found), (Code.OK, self.wanted), about)
            self.wanted = self.values()
            code, _ = await self.line.ask(Command.WRITE, PLACE, SIDE_BY_SIDE, *self.wanted)
            self.checker.equal(code, Code.OK, f"write {about}")


@cocotb.test
async def line_noise(dut):
    """Glitches, garbage and breaks on an idle line."""
    bench = Bench(dut, "line_noise", seed=21)
    await bench.start()
    for number in range(NOISES):
        for _ in range(bench.rng.randrange(1, 200)):
            dut.rx.value = bench.rng.getrandbits(1) if number % 2 else bench.rng.random() > 0.1
            await FallingEdge(dut.clk)
        dut.rx.value = 1
        await bench.line.quiet()
        codes = await bench.settle()
        bench.checker.equal(Code.OK in codes, False, f"noise {number} is taken for a request")
        await bench.works(f"behind noise {number}")
    bench.checker.close(NOISES * 5)


@cocotb.test
async def wrong_check(dut):
    """Each byte of a request is wrong in turn: this is reported, and nothing is written."""
    bench = Bench(dut, "wrong_check", seed=22)
    await bench.start()
    for place in range(1, 27):
        data = bytearray(bench.write(bench.values()))
        data[place] = next(
            byte for byte in iter(lambda: bench.rng.randrange(0x7D), None) if byte != data[place]
        )
        await bench.line.send(bytes(data))
        await bench.line.quiet()
        codes = bench.line.codes() + await bench.settle()
        bench.checker.equal(
            Code.CHECK in codes and Code.OK not in codes,
            True,
            f"a wrong byte {place} is reported, not {codes}",
        )
    await bench.works("behind wrong checks")
    bench.checker.close(26 + 4)


@cocotb.test
async def byte_without_a_stop_bit(dut):
    """A frame with such a byte is refused with a code of its own."""
    bench = Bench(dut, "byte_without_a_stop_bit", seed=23)
    await bench.start()
    data = bench.write(bench.values())
    await bench.line.send(data[:9])
    await bench.line.send(b"\0", stop=0)
    await bench.line.send(data[9:])
    await bench.line.quiet()
    bench.checker.equal(bench.line.codes(), [Code.FRAMING], "codes of a byte without a stop bit")
    await bench.works("behind a byte without a stop bit")
    bench.checker.close(5)


@cocotb.test
async def cut_in_mid_frame(dut):
    """The line goes quiet within a frame, for as long as it likes; a flag ends the frame."""
    bench = Bench(dut, "cut_in_mid_frame", seed=24)
    await bench.start()
    for number in range(CUTS):
        data = bench.write(bench.values())
        await bench.line.send(data[: bench.rng.randrange(2, len(data) - 5)])
        await bench.line.quiet(bits=bench.rng.randrange(40, 400))
        bench.checker.equal(bench.line.codes(), [], f"answers to a part of frame {number}")
        bench.checker.equal(await bench.settle(), [Code.CHECK], f"code of the cut frame {number}")
        await bench.works(f"behind cut frame {number}")
    bench.checker.close(CUTS * 6)


@cocotb.test
async def reset_in_mid_transfer(dut):
    """Resets while a request arrives, is served or is answered; the next reply reports it."""
    bench = Bench(dut, "reset_in_mid_transfer", seed=25)
    await bench.start()
    for number in range(RESETS):
        code, _ = await bench.line.ask(Command.IDENTIFY)
        bench.checker.equal(code, Code.OK, "identity")
        sending = cocotb.start_soon(bench.line.send(bench.write(bench.values())))
        for _ in range(bench.rng.randrange(1, 40 * 40)):
            await FallingEdge(dut.clk)
        await bench.reset()
        await sending
        await bench.line.quiet(bits=60)
        await bench.settle()
        await bench.line.send(bench.line.request(Command.READ, PLACE, SIDE_BY_SIDE, 3))
        await bench.line.quiet()
        (reply,) = bench.line.replies
        bench.line.replies.clear()
        bench.checker.equal(
            (reply.code, reply.fresh), (Code.OK, True), f"reset {number} is reported"
        )
        bench.wanted = [
            int.from_bytes(reply.payload[4 * i : 4 * i + 4], "little") for i in range(3)
        ]
        await bench.works(f"behind reset {number}")
    bench.checker.close(RESETS * 6)


@cocotb.test
async def full_buffer(dut):
    """The longest request is served, a longer one refused, and one that is too early reported."""
    bench = Bench(dut, "full_buffer", seed=26)
    await bench.start()
    words = [bench.rng.getrandbits(32) for _ in range(MAX_WORDS - WRITE_WORDS)]
    # Runs of three from the same place, over and over: the last three stay.
    code, _ = await bench.line.ask(Command.WRITE, PLACE, 3, *words)
    bench.checker.equal(code, Code.OK, "longest request")
    bench.wanted = [words[max(i for i in range(len(words)) if i % 3 == lane)] for lane in range(3)]
    code, found = await bench.line.ask(Command.READ, PLACE, 3, MAX_WORDS)
    bench.checker.equal((code, found), (Code.OK, bench.wanted * (MAX_WORDS // 3)), "longest reply")
    code, _ = await bench.line.ask(Command.WRITE, PLACE, 3, *words, 0)
    bench.checker.equal(code, Code.CHECK, "a request that is too long")
    await bench.works("behind a request that is too long")
    first, second = bench.values(), bench.values()
    await bench.line.send(bench.write(first) + bench.write(second))
    await bench.line.quiet()
    bench.checker.equal(bench.line.codes(), [Code.OK, Code.OVERRUN], "two requests at once")
    bench.wanted = first
    await bench.works("behind two requests at once")
    bench.checker.close(4 + 8)
