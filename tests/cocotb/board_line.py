# SPDX-License-Identifier: Apache-2.0
"""Serial line of a board in an event simulator, driven and watched bit by bit."""

import cocotb
from cocotb.triggers import FallingEdge, Timer

from hw.host.frames import Deframer, Reply, frame
from hw.spec.board import WORD_BYTES
from tests.cocotb.clocking import PERIOD_NS

__all__ = ["Line"]

BITS = 10


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
        return reply.code, [int.from_bytes(data[place:place + WORD_BYTES], "little")
                            for place in range(0, len(data), WORD_BYTES)]

    def codes(self) -> list[int]:
        """Codes of the replies that have come, which are taken thereby."""
        found = [reply.code for reply in self.replies]
        self.replies.clear()
        return found
