# SPDX-License-Identifier: Apache-2.0
"""What the bus may do with a memory, and where a word of the bus lies in it."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.spec.registers import BUS_BITS, BUS_BYTES, Window

__all__ = ["ReadAccess", "WriteAccess", "place_bits"]


def place_bits(window: Window) -> int:
    """Bits of the number of a bus word in the window."""
    return window.lane_bits + (window.depth - 1).bit_length()


def _split(window: Window, place):
    """Lane and word of a bus word, and whether there is no such word."""
    lane, word = place[:window.lane_bits], place[window.lane_bits:]
    return lane, word, (word >= window.depth) | (lane >= window.lanes)


class WriteAccess(wiring.Component):
    """Answers at once, writes a cycle later.

    Members
    -------
    busy
        The memory is the array's, not the bus's; it cannot rise in the cycle behind a write.
    en, place, data, strobe
        A write of the bus to its word ``place`` of the window; a bit for each byte.
    error, refused
        The write is not done; it is not because of ``busy``.
    word, bytes, held
        Of the write before: word of the memory, which of all its bytes are written, and with what.
    read, read_en
        The array wants to read; it does.
    """

    def __init__(self, window: Window):
        self._window = window
        super().__init__({
            "busy": In(1), "en": In(1), "place": In(place_bits(window)), "data": In(BUS_BITS),
            "strobe": In(BUS_BYTES), "error": Out(1), "refused": Out(1),
            "word": Out(range(window.depth)), "bytes": Out(window.lanes * BUS_BYTES),
            "held": Out(BUS_BITS), "read": In(1), "read_en": Out(1),
        })

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"write_access_{self._window.depth}x{self._window.lanes}"

    def elaborate(self, platform):
        m = Module()
        lane, word, absent = _split(self._window, self.place)
        done = self.en & ~self.busy & ~absent
        strobes = Signal.like(self.bytes, name="strobes")
        m.d.comb += [
            self.refused.eq(self.en & self.busy),
            self.error.eq(self.en & (self.busy | absent)),
            # Tells synthesis that no word is read while it is written.
            self.bytes.eq(strobes & (~self.busy).replicate(len(strobes))),
            self.read_en.eq(self.read & self.busy),
        ]
        m.d.sync += [
            self.word.eq(word),
            self.held.eq(self.data),
            strobes.eq(Cat(self.strobe & (done & (lane == own)).replicate(BUS_BYTES)
                           for own in range(self._window.lanes))),
        ]
        return m


class ReadAccess(wiring.Component):
    """Chooses at once, answers a cycle later.

    Members
    -------
    busy
        The memory is the array's, not the bus's.
    en, place
        A read of the bus from its word ``place`` of the window.
    refused
        It is not done because of ``busy``.
    word, read_en
        Word of the memory, and whether it is read.
    lane, error
        Of the read before: which part of the word is wanted, if there are several; there is none.
    write, write_en
        The array wants to write; it does.
    """

    def __init__(self, window: Window):
        self._window = window
        lane = {"lane": Out(window.lane_bits)} if window.lane_bits else {}
        super().__init__({
            "busy": In(1), "en": In(1), "place": In(place_bits(window)), "refused": Out(1),
            "word": Out(range(window.depth)), "read_en": Out(1), **lane,
            "error": Out(1), "write": In(1), "write_en": Out(1),
        })

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"read_access_{self._window.depth}x{self._window.lanes}"

    def elaborate(self, platform):
        m = Module()
        lane, word, absent = _split(self._window, self.place)
        m.d.comb += [
            self.refused.eq(self.en & self.busy),
            self.word.eq(word),
            self.read_en.eq(self.en & ~self.busy),
            self.write_en.eq(self.write & self.busy),
        ]
        with m.If(self.en):
            m.d.sync += self.error.eq(self.busy | absent)
            if self._window.lane_bits:
                m.d.sync += self.lane.eq(lane)
        return m
