# SPDX-License-Identifier: Apache-2.0
"""Everything between the pins of a serial line and the bus of an engine."""

from amaranth import *
from amaranth.lib import memory, wiring
from amaranth.lib.wiring import In, Out

from hw.board.bridge import Bridge, bus_members
from hw.board.frames import WORD_BITS, Deframer, Framer
from hw.board.uart import Receiver, Transmitter
from hw.emit.hierarchy import place
from hw.spec.board import MAX_WORDS, WORD_BYTES, BoardSpec, Code
from hw.spec.registers import gemm_map

__all__ = ["BUS_PREFIX", "Link"]

BUS_PREFIX = "wb_"


class Link(wiring.Component):
    """Receiver, deframer, buffer, bridge, framer, transmitter.

    Members
    -------
    rx, tx
        The line.
    active
        A request is being served.
    fault
        The last one was not OK.
    wb_*
        Wishbone, host side.
    """

    def __init__(self, spec: BoardSpec):
        self._spec = spec
        self._bits = gemm_map(spec.gemm).address_bits
        members = {f"{BUS_PREFIX}{name}": way for name, way in bus_members(self._bits - 2).items()}
        super().__init__({"rx": In(1), "tx": Out(1, init=1), "active": Out(1), "fault": Out(1),
                          **members})

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
        for name, part in (("receiver", receiver), ("transmitter", transmitter),
                           ("deframer", deframer), ("framer", framer), ("bridge", bridge)):
            place(m, platform, part, name=name)
        m.d.comb += [
            receiver.rx.eq(self.rx), self.tx.eq(transmitter.tx),
            deframer.data.eq(receiver.data), deframer.valid.eq(receiver.valid),
            deframer.wrong.eq(receiver.wrong), deframer.release.eq(bridge.release),
            transmitter.data.eq(framer.data), transmitter.valid.eq(framer.valid),
            framer.ready.eq(transmitter.ready),
            bridge.waiting.eq(deframer.waiting), bridge.code.eq(deframer.code),
            bridge.command.eq(deframer.command), bridge.words.eq(deframer.words),
            bridge.sent.eq(framer.done),
            framer.start.eq(bridge.start), framer.sequence.eq(deframer.sequence),
            framer.code.eq(bridge.answer), framer.words.eq(bridge.length),
            self.active.eq(deframer.waiting), self.fault.eq(bridge.answer[:7] != Code.OK),
        ]
        self._place_bus(m, bridge)
        self._place_payload(m, deframer, bridge, framer, identity)
        return m

    def _place_bus(self, m, bridge):
        """The bridge's bus is the link's."""
        for name, member in bus_members(self._bits - 2).items():
            inner, outer = getattr(bridge, name), getattr(self, f"{BUS_PREFIX}{name}")
            m.d.comb += outer.eq(inner) if member.flow is Out else inner.eq(outer)

    @staticmethod
    def _place_payload(m, deframer, bridge, framer, identity):
        """Buffer, which requests and replies share, and the identity beside it."""
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
                word = int.from_bytes(identity[first:first + WORD_BYTES], "little")
                with m.Case(first // WORD_BYTES):
                    m.d.sync += told.eq(word)
