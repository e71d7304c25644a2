# SPDX-License-Identifier: Apache-2.0
"""Does what a request asks for, on a Wishbone bus, one request at a time."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.board.frames import WORD_BITS
from hw.spec.board import FRESH, MAX_WORDS, READ_WORDS, WRITE_WORDS, Code, Command
from hw.spec.registers import BUS_BITS

__all__ = ["Bridge", "bus_members"]

STEP_BITS = 16


def bus_members(bits: int) -> dict[str, wiring.Member]:
    """Wishbone, host side; addresses of ``bits`` bits count words."""
    return {"cyc": Out(1), "stb": Out(1), "we": Out(1), "adr": Out(bits), "sel": Out(4),
            "dat_w": Out(BUS_BITS), "dat_r": In(BUS_BITS), "ack": In(1), "err": In(1)}


class Bridge(wiring.Component):
    """Serves requests; every one is answered, and none before the one ahead of it.

    A word is written in 3 cycles and read in 3.

    Parameters
    ----------
    address_bits
        Bits of a byte address on the bus.
    identity_words
        Words of the reply to IDENTIFY.

    Members
    -------
    waiting, code, command, words, release
        A request, see `Deframer`.
    r_addr, r_data, w_en, w_addr, w_data
        Buffer of the payload: requests are read, replies written.
    start, answer, length, identify, sent
        A reply, see `Framer`, and that it is the identity.
    cyc, stb, we, adr, sel, dat_w, dat_r, ack, err
        The bus.
    """

    def __init__(self, address_bits: int, identity_words: int):
        self._address_bits, self._identity_words = address_bits, identity_words
        address = range(MAX_WORDS + 1)
        super().__init__({
            "waiting": In(1), "code": In(Code), "command": In(8), "words": In(address),
            "release": Out(1),
            "r_addr": Out(address), "r_data": In(WORD_BITS), "w_en": Out(1), "w_addr": Out(address),
            "w_data": Out(WORD_BITS),
            "start": Out(1), "answer": Out(8), "length": Out(address), "identify": Out(1),
            "sent": In(1),
            **bus_members(address_bits - 2),
        })
        #: Words behind the address on the bus; one bit more tells what is beyond it.
        self._at, self._line = Signal(address_bits - 1), Signal(address_bits - 1)
        self._run, self._left, self._stride = (Signal(STEP_BITS, name=name)
                                               for name in ("run", "left", "stride"))
        self._place, self._fresh = Signal(address), Signal(init=1)

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"bridge_{self._address_bits}_{self._identity_words}"

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.r_addr.eq(self._place), self.w_addr.eq(self._place), self.w_data.eq(self.dat_r),
            self.adr.eq(self._at), self.sel.eq(-1), self.dat_w.eq(self.r_data),
            self.stb.eq(self.cyc),
        ]
        with m.FSM():
            with m.State("IDLE"):
                m.d.sync += [self._place.eq(0), self.identify.eq(0)]
                with m.If(self.waiting):
                    self._decide(m)
            self._read_head(m)
            with m.State("FETCH"):
                m.next = "WRITE"
            with m.State("WRITE"):
                m.d.comb += self.we.eq(1)
                self._access(m, last=self._place == self.words - 1, following="FETCH")
            with m.State("READ"):
                m.d.comb += self.w_en.eq(self.ack)
                self._access(m, last=self._place == self.length - 1, following="READ")
            with m.State("REPLY"):
                m.d.comb += self.start.eq(1)
                m.next = "SENDING"
            with m.State("SENDING"):
                m.d.comb += self.release.eq(self.sent)
                with m.If(self.sent):
                    m.next = "IDLE"
        return m

    def _reply(self, m, code, *, length=0):
        """Answer with ``code``."""
        m.d.sync += [self.answer.eq(Mux(self._fresh, FRESH, 0) | code), self.length.eq(length)]
        m.next = "REPLY"

    def _decide(self, m):
        """First look at a request."""
        with m.If(self.code != Code.OK):
            self._reply(m, self.code)
        with m.Else():
            with m.Switch(self.command):
                with m.Case(Command.IDENTIFY):
                    self._reply(m, Code.LENGTH)
                    with m.If(self.words == 0):
                        self._reply(m, Code.OK, length=self._identity_words)
                        m.d.sync += [self._fresh.eq(0), self.identify.eq(1)]
                for command, fits in ((Command.WRITE, self.words > WRITE_WORDS),
                                      (Command.READ, self.words == READ_WORDS)):
                    with m.Case(command):
                        self._reply(m, Code.LENGTH)
                        with m.If(fits):
                            m.next = "ADDRESS"
                with m.Default():
                    self._reply(m, Code.COMMAND)

    def _read_head(self, m):
        """Address, run and stride, count; a word comes a cycle behind its place."""
        low = 2
        with m.State("ADDRESS"):
            m.d.sync += [self._at.eq(self.r_data[low:self._address_bits]),
                         self._line.eq(self.r_data[low:self._address_bits]), self._place.eq(1)]
            m.next = "TURN"
            with m.If(self.r_data[:low].any() | self.r_data[self._address_bits:].any()):
                self._reply(m, Code.BUS)
        with m.State("TURN"):
            m.next = "STEP"
        with m.State("STEP"):
            m.d.sync += [self._run.eq(self.r_data[:STEP_BITS] - 1),
                         self._left.eq(self.r_data[:STEP_BITS] - 1),
                         self._stride.eq(self.r_data[STEP_BITS:]), self._place.eq(WRITE_WORDS)]
            m.next = "FETCH"
            with m.If(self.command == Command.READ):
                m.next = "LOAD"
        with m.State("LOAD"):
            m.next = "COUNT"
        with m.State("COUNT"):
            m.d.sync += [self.length.eq(self.r_data), self._place.eq(0)]
            m.next = "READ"
            with m.If((self.r_data == 0) | (self.r_data > MAX_WORDS)):
                self._reply(m, Code.LENGTH)

    def _access(self, m, *, last, following):
        """One access, then the next one at once or after ``following``."""
        beyond = self._at[-1]
        m.d.comb += self.cyc.eq(~beyond)
        with m.If(beyond | self.err):
            self._reply(m, Code.BUS)
        with m.Elif(self.ack):
            self._advance(m)
            m.next = following
            with m.If(last):
                self._reply(m, Code.OK, length=self.length)

    def _advance(self, m):
        """Next place of the buffer and of the bus."""
        m.d.sync += [self._place.eq(self._place + 1), self._left.eq(self._left - 1),
                     self._at.eq(self._at + 1)]
        with m.If(self._left == 0):
            line = self._line + self._stride
            m.d.sync += [self._left.eq(self._run), self._line.eq(line), self._at.eq(line)]
