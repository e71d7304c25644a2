# SPDX-License-Identifier: Apache-2.0
"""The link between the pins of a serial line and the bus of an engine."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.board.frames import WORD_BITS, Deframer, Framer
from hw.board.uart import Receiver, Transmitter
from hw.emit.netlist import instantiate
from hw.spec.board import (
    FRESH,
    MAX_WORDS,
    READ_WORDS,
    WORD_BYTES,
    WRITE_WORDS,
    BoardSpec,
    Code,
    Command,
)
from hw.spec.registers import BUS_BITS, gemm_map

BUS_PREFIX = "wb_"


class Link(wiring.Component):
    """Receiver, deframer, buffer, bridge, framer and transmitter.

    Members
    -------
    rx, tx
        The serial line.
    active
        A request is being processed.
    fault
        The last request was not OK.
    wb_*
        Wishbone, master side.
    """

    def __init__(self, spec: BoardSpec):
        self._spec = spec
        self._bits = gemm_map(spec.gemm).address_bits
        members = {f"{BUS_PREFIX}{name}": way for name, way in bus_members(self._bits - 2).items()}
        super().__init__(
            {"rx": In(1), "tx": Out(1, init=1), "active": Out(1), "fault": Out(1), **members}
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"link_{self._spec.name.removeprefix('board_')}"

    def elaborate(self, platform):
        m = Module()
        identity = self._spec.identity.to_bytes()
        receiver, transmitter = Receiver(self._spec.divider), Transmitter(self._spec.divider)
        deframer, framer = Deframer(), Framer()
        bridge = Bridge(self._bits, len(identity) // WORD_BYTES)
        for name, part in (
            ("receiver", receiver),
            ("transmitter", transmitter),
            ("deframer", deframer),
            ("framer", framer),
            ("bridge", bridge),
        ):
            instantiate(m, platform, part, name=name)
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            deframer.data.eq(receiver.data),
            deframer.valid.eq(receiver.valid),
            deframer.wrong.eq(receiver.wrong),
            deframer.release.eq(bridge.release),
            transmitter.data.eq(framer.data),
            transmitter.valid.eq(framer.valid),
            framer.ready.eq(transmitter.ready),
            bridge.waiting.eq(deframer.waiting),
            bridge.code.eq(deframer.code),
            bridge.command.eq(deframer.command),
            bridge.words.eq(deframer.words),
            bridge.sent.eq(framer.done),
            framer.start.eq(bridge.start),
            framer.sequence.eq(deframer.sequence),
            framer.code.eq(bridge.answer),
            framer.words.eq(bridge.length),
            self.active.eq(deframer.waiting),
            self.fault.eq(bridge.answer[:7] != Code.OK),
        ]
        self._place_bus(m, bridge)
        self._place_payload(m, deframer, bridge, framer, identity)
        return m

    def _place_bus(self, m, bridge):
        """Connect the bridge's bus to the link's ports."""
        for name, member in bus_members(self._bits - 2).items():
            inner, outer = getattr(bridge, name), getattr(self, f"{BUS_PREFIX}{name}")
            m.d.comb += outer.eq(inner) if member.flow is Out else inner.eq(outer)

    @staticmethod
    def _place_payload(m, deframer, bridge, framer, identity):
        """Add the buffer shared by requests and replies, and the identity."""
        m.submodules.buffer = buffer = memory.Memory(shape=WORD_BITS, depth=MAX_WORDS + 1, init=[])
        write, read = buffer.write_port(), buffer.read_port()
        told = Signal(WORD_BITS)
        m.d.comb += [
            write.en.eq(deframer.w_en | bridge.w_en),
            write.addr.eq(Mux(bridge.w_en, bridge.w_addr, deframer.w_addr)),
            write.data.eq(Mux(bridge.w_en, bridge.w_data, deframer.w_data)),
            read.addr.eq(Mux(framer.busy, framer.r_addr, bridge.r_addr)),
            bridge.r_data.eq(read.data),
            framer.r_data.eq(Mux(bridge.identify, told, read.data)),
        ]
        with m.Switch(framer.r_addr):
            for first in range(0, len(identity), WORD_BYTES):
                word = int.from_bytes(identity[first : first + WORD_BYTES], "little")
                with m.Case(first // WORD_BYTES):
                    m.d.sync += told.eq(word)


STEP_BITS = 16


def bus_members(bits: int) -> dict[str, wiring.Member]:
    """Wishbone, master side; addresses have ``bits`` bits and count words."""
    return {
        "cyc": Out(1),
        "stb": Out(1),
        "we": Out(1),
        "adr": Out(bits),
        "sel": Out(4),
        "dat_w": Out(BUS_BITS),
        "dat_r": In(BUS_BITS),
        "ack": In(1),
        "err": In(1),
    }


class Bridge(wiring.Component):
    """Processes requests in order and answers each.

    Writing or reading a word takes 3 cycles.

    Parameters
    ----------
    address_bits
        Bits of a byte address.
    identity_words
        Words of the reply to IDENTIFY.

    Members
    -------
    waiting, code, command, words, release
        A request, see `Deframer`.
    r_addr, r_data, w_en, w_addr, w_data
        Buffer of the payload: reads requests, writes replies.
    start, answer, length, identify, sent
        A reply, see `Framer`; ``identify``: its payload is the identity.
    cyc, stb, we, adr, sel, dat_w, dat_r, ack, err
        The bus.
    """

    def __init__(self, address_bits: int, identity_words: int):
        self._address_bits, self._identity_words = address_bits, identity_words
        address = range(MAX_WORDS + 1)
        super().__init__(
            {
                "waiting": In(1),
                "code": In(Code),
                "command": In(8),
                "words": In(address),
                "release": Out(1),
                "r_addr": Out(address),
                "r_data": In(WORD_BITS),
                "w_en": Out(1),
                "w_addr": Out(address),
                "w_data": Out(WORD_BITS),
                "start": Out(1),
                "answer": Out(8),
                "length": Out(address),
                "identify": Out(1),
                "sent": In(1),
                **bus_members(address_bits - 2),
            }
        )
        #: Word address, with one more bit to detect addresses out of range.
        self._at, self._line = Signal(address_bits - 1), Signal(address_bits - 1)
        self._run, self._left, self._stride = (
            Signal(STEP_BITS, name=name) for name in ("run", "left", "stride")
        )
        self._place, self._fresh = Signal(address), Signal(init=1)

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"bridge_{self._address_bits}_{self._identity_words}"

    def elaborate(self, platform):
        m = Module()
        m.d.comb += [
            self.r_addr.eq(self._place),
            self.w_addr.eq(self._place),
            self.w_data.eq(self.dat_r),
            self.adr.eq(self._at),
            self.sel.eq(-1),
            self.dat_w.eq(self.r_data),
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
        """Check a new request."""
        with m.If(self.code != Code.OK):
            self._reply(m, self.code)
        with m.Else():
            with m.Switch(self.command):
                with m.Case(Command.IDENTIFY):
                    self._reply(m, Code.LENGTH)
                    with m.If(self.words == 0):
                        self._reply(m, Code.OK, length=self._identity_words)
                        m.d.sync += [self._fresh.eq(0), self.identify.eq(1)]
                for command, fits in (
                    (Command.WRITE, self.words > WRITE_WORDS),
                    (Command.READ, self.words == READ_WORDS),
                ):
                    with m.Case(command):
                        self._reply(m, Code.LENGTH)
                        with m.If(fits):
                            m.next = "ADDRESS"
                with m.Default():
                    self._reply(m, Code.COMMAND)

    def _read_head(self, m):
        """Read address, run and stride, and count; a word comes one cycle after its address."""
        low = 2
        with m.State("ADDRESS"):
            m.d.sync += [
                self._at.eq(self.r_data[low : self._address_bits]),
                self._line.eq(self.r_data[low : self._address_bits]),
                self._place.eq(1),
            ]
            m.next = "TURN"
            with m.If(self.r_data[:low].any() | self.r_data[self._address_bits :].any()):
                self._reply(m, Code.BUS)
        with m.State("TURN"):
            m.next = "STEP"
        with m.State("STEP"):
            m.d.sync += [
                self._run.eq(self.r_data[:STEP_BITS] - 1),
                self._left.eq(self.r_data[:STEP_BITS] - 1),
                self._stride.eq(self.r_data[STEP_BITS:]),
                self._place.eq(WRITE_WORDS),
            ]
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
        """Do one access, then go to the state ``following``, or reply after the last one."""
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
        """Step to the next word of the buffer and on the bus."""
        m.d.sync += [
            self._place.eq(self._place + 1),
            self._left.eq(self._left - 1),
            self._at.eq(self._at + 1),
        ]
        with m.If(self._left == 0):
            line = self._line + self._stride
            m.d.sync += [self._left.eq(self._run), self._line.eq(line), self._at.eq(line)]
