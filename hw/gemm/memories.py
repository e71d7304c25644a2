# SPDX-License-Identifier: Apache-2.0
"""Memories between the bus and the array: one side has 32 bits, the other a whole word.

Both read a cycle after the address, as block RAM does. While the engine is busy the bus has no
access to them, and else the array has none: so no word is ever read while it is written, and block
RAM needs nothing beside it that says what is read then.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from hw.spec.registers import BUS_BITS, BUS_BYTES, Window

__all__ = ["OperandMemory", "ResultMemory"]


def _low_bits(window: Window) -> int:
    """Bits of the number of a bus word in the window."""
    return window.lane_bits + (window.depth - 1).bit_length()


class OperandMemory(wiring.Component):
    """Written by the bus, byte by byte, and read by the array, word by word.

    Zeros take the place of codes beyond the edges of the matrix: code 0 is zero in every format.

    Parameters
    ----------
    window
        The memory as the bus sees it.
    slots, lanes, width
        What is in a word: for each row or column as many codes as there are lanes, and their width.

    Members
    -------
    w_en, w_place, w_data, w_strb
        A write of the bus to its word ``w_place`` of the window.
    w_error, refused
        The write is not done; it is not because the engine is busy.
    busy
        The memory is the array's, not the bus's.
    r_en, r_addr, r_data
        A read of the array; without ``r_en`` the data stays. Above the codes there are zeros up to
        whole bytes.
    slots, lanes
        Slots and lanes that count in ``r_data``.
    """

    def __init__(self, window: Window, *, slots: int, lanes: int, width: int):
        self._window, self._shape = window, (slots, lanes, width)
        super().__init__({
            "w_en": In(1), "w_place": In(_low_bits(window)), "w_data": In(BUS_BITS),
            "w_strb": In(BUS_BYTES), "w_error": Out(1),
            "refused": Out(1), "busy": In(1), "r_en": In(1), "r_addr": In(range(window.depth)),
            "r_data": Out(-(-window.width // 8) * 8), "slots": In(slots), "lanes": In(lanes),
        })

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"operands_{self._window.depth}_{'x'.join(map(str, self._shape))}"

    def elaborate(self, platform):
        m = Module()
        window = self._window
        memory = m.submodules.memory = Memory(
            shape=unsigned(window.lanes * BUS_BITS), depth=window.depth, init=[])
        write, read = memory.write_port(granularity=8), memory.read_port()
        lane, word = self.w_place[:window.lane_bits], self.w_place[window.lane_bits:]
        m.d.comb += [
            self.refused.eq(self.w_en & self.busy),
            self.w_error.eq(self.refused | self.w_en & (
                (word >= window.depth) | (lane >= window.lanes))),
            write.addr.eq(word),
            write.data.eq(self.w_data.replicate(window.lanes)),
            read.en.eq(self.r_en & self.busy),
            read.addr.eq(self.r_addr),
            self.r_data.eq(self._padded(read.data)),
        ]
        with m.If(self.w_en & ~self.busy & ~self.w_error):
            m.d.comb += write.en.word_select(lane, BUS_BYTES).eq(self.w_strb)
        return m

    def _padded(self, word):
        """Codes that count, and zeros."""
        slots, lanes, width = self._shape
        return Cat(word.word_select(slot * lanes + lane, width)
                   & (self.slots[slot] & self.lanes[lane]).replicate(width)
                   for slot in range(slots) for lane in range(lanes))


class ResultMemory(wiring.Component):
    """Written by the array, word by word, and read by the bus.

    Members
    -------
    w_en, w_addr, w_data
        A write of the array.
    r_en, r_place
        A read of the bus from its word ``r_place`` of the window.
    refused
        The read is not done because the engine is busy.
    busy
        The memory is the array's, not the bus's.
    r_data, r_error
        What was read the cycle before; it could not be.
    """

    def __init__(self, window: Window):
        self._window = window
        super().__init__({
            "w_en": In(1), "w_addr": In(range(window.depth)), "w_data": In(window.width),
            "r_en": In(1), "r_place": In(_low_bits(window)), "r_data": Out(BUS_BITS),
            "r_error": Out(1), "refused": Out(1), "busy": In(1),
        })

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"results_{self._window.depth}x{self._window.width}"

    def elaborate(self, platform):
        m = Module()
        window = self._window
        memory = m.submodules.memory = Memory(shape=unsigned(window.width), depth=window.depth,
                                              init=[])
        write, read = memory.write_port(), memory.read_port()
        place = Signal(window.lane_bits)
        lane, word = self.r_place[:window.lane_bits], self.r_place[window.lane_bits:]
        m.d.comb += [
            write.en.eq(self.w_en & self.busy),
            write.addr.eq(self.w_addr),
            write.data.eq(self.w_data),
            self.refused.eq(self.r_en & self.busy),
            read.en.eq(self.r_en & ~self.busy),
            read.addr.eq(word),
            self.r_data.eq(Mux(self.r_error, 0, read.data.word_select(place, BUS_BITS))),
        ]
        with m.If(self.r_en):
            m.d.sync += [
                place.eq(lane),
                self.r_error.eq(self.busy | (word >= window.depth) | (lane >= window.lanes)),
            ]
        return m
