# SPDX-License-Identifier: Apache-2.0
"""Reads the memory of B in the order in which a weight-stationary array takes weights."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.gemm.edges import TilesLeft, below
from hw.spec import GemmSpec

__all__ = ["WeightFeeder"]


class WeightFeeder(wiring.Component):
    """Addresses of B, and what is beside the words that come back a cycle later.

    A pass takes as many steps of K as the array has rows, the last one first. One beat a cycle; the
    first one is offered 2 cycles after ``start``. While a beat waits everything does.

    Members
    -------
    start, m, k, n, beats
        Begin; the sizes, and the steps that K takes, stay until the last beat is taken.
    b_en, b_addr
        What is read next; steps beyond K have addresses of other words.
    b_valid, b_ready, b_last
        Handshake of the beats; the last one of a pass.
    lanes, cols
        Lanes and columns whose operands count; zeros take the place of the others. No lane does in
        a step beyond K.
    """

    def __init__(self, spec: GemmSpec):
        self._spec = spec
        array = spec.array
        super().__init__({
            "start": In(1), **{size: In(spec.size_bits) for size in "mkn"},
            "beats": In(spec.size_bits + 1),
            "b_en": Out(1), "b_addr": Out(range(spec.depth_b)),
            "b_valid": Out(1), "b_ready": In(1), "b_last": Out(1),
            "lanes": Out(array.mac.lanes), "cols": Out(array.cols),
        })

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return (f"weight_feeder_{self._spec.tiling}_k{self._spec.array.mac.lanes}"
                f"_{self._spec.depths}")

    def elaborate(self, platform):
        m = Module()
        array, lanes = self._spec.array, self._spec.array.mac.lanes
        rows, deep = array.rows, array.rows * array.mac.lanes
        tiles = TilesLeft(self.m, self.n, height=array.schedule.height, width=array.cols)
        # Codes that are left of K from the step on that is read; negative beyond K.
        left = Signal(signed(max(self._spec.size_bits, deep.bit_length()) + 1), name="k_left")
        step, tile = Signal(range(rows)), Signal.like(self.b_addr, name="tile")
        feeding = Signal()
        last_step, last_k, back = step == 0, left <= deep, deep - lanes
        m.d.comb += self.b_en.eq(~self.b_valid | self.b_ready)
        with m.If(self.b_en):
            m.d.sync += [self.b_valid.eq(feeding), self.b_last.eq(last_step),
                         self.lanes.eq(Mux(left < 0, 0, below(left.as_unsigned(), lanes))),
                         self.cols.eq(below(tiles.cols, array.cols))]
        with m.If(self.start):
            m.d.sync += [feeding.eq(1), *tiles.first(), left.eq(self.k - back), step.eq(rows - 1),
                         self.b_addr.eq(rows - 1), tile.eq(0)]
        with m.Elif(self.b_en & feeding):
            m.d.sync += [left.eq(left + lanes), step.eq(step - 1),
                         self.b_addr.eq(self.b_addr - 1)]
            with m.If(last_step):
                m.d.sync += [left.eq(left - deep - back), step.eq(rows - 1),
                             self.b_addr.eq(self.b_addr + (2 * rows - 1))]
            with m.If(last_step & last_k):
                following = Mux(tiles.last_n, 0, tile + self.beats)
                m.d.sync += [*tiles.right(), left.eq(self.k - back),
                             self.b_addr.eq(following + (rows - 1)), tile.eq(following)]
            with m.If(last_step & last_k & tiles.last_n):
                m.d.sync += [*tiles.down(), feeding.eq(~tiles.last_m)]
        return m
