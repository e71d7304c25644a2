# SPDX-License-Identifier: Apache-2.0
"""Reads the memory of A in the order in which a weight-stationary array takes rows of A."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.array.ws.sequencer import FIRST, LAST
from hw.gemm.edges import TilesLeft, below
from hw.spec import GemmSpec

__all__ = ["RowFeeder"]


class RowFeeder(wiring.Component):
    """Addresses of A, and what is beside the words that come back a cycle later.

    A tile of C takes its rows of A once for each pass over K. One beat a cycle; the first one is
    offered 2 cycles after ``start``. While a beat waits everything does.

    Members
    -------
    start, m, k, n, steps
        Begin; the sizes, and the words of a row of A, stay until the last beat is taken.
    hold, held
        The sums of the last pass stay in the array; those of the first one are added to sums that
        do.
    a_en, a_addr
        What is read next.
    a_valid, a_ready, a_last, a_user
        Handshake of the beats; the last one of a pass, and what becomes of its sums.
    fed
        With ``hold``, the sums have come to where they stay, in this cycle.
    codes
        Codes that count; zeros take the place of the others.
    """

    def __init__(self, spec: GemmSpec):
        self._spec = spec
        array = spec.array
        self._deep = array.rows * array.mac.lanes
        super().__init__({
            "start": In(1), **{size: In(spec.size_bits) for size in "mkn"},
            "steps": In(spec.size_bits + 1), "hold": In(1), "held": In(1),
            "a_en": Out(1), "a_addr": Out(range(spec.depth_a)),
            "a_valid": Out(1), "a_ready": In(1), "a_last": Out(1), "a_user": Out(2),
            "fed": Out(1), "codes": Out(self._deep),
        })

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return (f"row_feeder_{self._spec.tiling}_k{self._spec.array.mac.lanes}_{self._spec.depths}"
                f"_l{self._spec.array.schedule.row_latency}")

    def elaborate(self, platform):
        m = Module()
        array, bits = self._spec.array, self._spec.size_bits
        high = array.schedule.height
        tiles = TilesLeft(self.m, self.n, height=high, width=array.cols)
        k_left, rows_left = Signal(bits, name="k_left"), Signal(range(high + 1))
        feeding, first = Signal(), Signal()
        # Addresses of the tile's first row of A, and of the part of it that the pass takes.
        tile, part = (Signal.like(self.a_addr, name=name) for name in ("tile", "part"))
        last_row, last_k = rows_left == 1, k_left <= self._deep
        self._offer(m, feeding, first, last_row, k_left)
        with m.If(self.start):
            m.d.sync += [feeding.eq(1), first.eq(1), *tiles.first(), k_left.eq(self.k),
                         rows_left.eq(_least(self.m, high)),
                         self.a_addr.eq(0), tile.eq(0), part.eq(0)]
        with m.Elif(self.a_en & feeding):
            m.d.sync += [rows_left.eq(rows_left - 1), self.a_addr.eq(self.a_addr + self.steps)]
            with m.If(last_row):
                m.d.sync += [first.eq(0), k_left.eq(k_left - self._deep), self.a_addr.eq(part + 1),
                             part.eq(part + 1), rows_left.eq(_least(tiles.rows, high))]
            with m.If(last_row & last_k):
                m.d.sync += [first.eq(1), *tiles.right(), k_left.eq(self.k), self.a_addr.eq(tile),
                             part.eq(tile)]
            with m.If(last_row & last_k & tiles.last_n):
                following = self.a_addr + 1
                m.d.sync += [*tiles.down(), self.a_addr.eq(following), tile.eq(following),
                             part.eq(following), feeding.eq(~tiles.last_m),
                             rows_left.eq(_least(tiles.rows - high, high))]
        self._tell_held(m, feeding)
        return m

    def _offer(self, m, feeding, first, last_row, k_left):
        """What goes along with the word that is read now."""
        m.d.comb += self.a_en.eq(~self.a_valid | self.a_ready)
        with m.If(self.a_en):
            m.d.sync += [self.a_valid.eq(feeding), self.a_last.eq(last_row),
                         self.a_user[FIRST].eq(first & ~self.held),
                         self.a_user[LAST].eq((k_left <= self._deep) & ~self.hold),
                         self.codes.eq(below(k_left, self._deep))]

    def _tell_held(self, m, feeding):
        """The last beat has been taken, and its sums have had the time for the way to memory."""
        down = self._spec.array.schedule.down
        left = Signal(range(down + 1), name="sums_left")
        m.d.comb += self.fed.eq(left == 1)
        with m.If(self.hold & self.a_valid & self.a_ready & ~feeding):
            m.d.sync += left.eq(down)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)


def _least(left, high: int):
    """The smaller one."""
    return Mux(left > high, high, left)
