# SPDX-License-Identifier: Apache-2.0
"""Timing of operands and sums of the output-stationary array, and its three handshakes."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.array.core import offer_results
from hw.spec import ArraySpec


class Sequencer(wiring.Component):
    """Accepts operand beats, frames the tiles, times their drain, and stops the array.

    A drain takes ``rows`` cycles, so a tile ends at least ``rows`` cycles after the previous one:
    the last beat of a shorter tile waits. While a row of results waits, the whole array is
    disabled. The ready of C reaches the other streams through a register, so one more row may
    arrive; the `ResultLane` s keep it.

    Members
    -------
    a_tvalid, a_tready, a_tlast, b_tvalid, b_tready, b_tlast, c_tvalid, c_tready, c_tlast
        Handshakes. A beat of A and a beat of B are accepted together.
    error
        ``tlast`` of A and B differed; cleared only by a reset.
    en
        Clock enable of the array.
    valid, first, last
        Frame of the beats that enter the array.
    shift, start
        The drain of each column moves; it starts to move.
    kept
        The row of results on the stream is the kept one.
    """

    def __init__(self, spec: ArraySpec):
        self._spec = spec
        super().__init__(
            {
                "a_tvalid": In(1),
                "a_tready": Out(1),
                "a_tlast": In(1),
                "b_tvalid": In(1),
                "b_tready": Out(1),
                "b_tlast": In(1),
                "c_tvalid": Out(1),
                "c_tready": In(1),
                "c_tlast": Out(1),
                "error": Out(1),
                "en": Out(1),
                "valid": Out(1),
                "first": Out(1),
                "last": Out(1),
                "shift": Out(spec.cols),
                "start": Out(spec.cols),
                "kept": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        mac = self._spec.mac
        resolves = f"r{self._resolve_stages}" if self._resolve_stages else ""
        return f"sequencer_{self._spec.size}_l{mac.loop_latency}{resolves}"

    @property
    def _resolve_stages(self) -> int:
        """Registers between the northernmost elements and the alignment of the columns."""
        return self._spec.mac.latency - self._spec.mac.loop_latency

    def elaborate(self, platform):
        m = Module()
        beat, beat_last = Signal(name="beat"), Signal(name="beat_last")
        self._take_operands(m)
        self._time_drain(m, beat, beat_last)
        offer_results(m, self, beat, beat_last)
        return m

    def _take_operands(self, m):
        """Accept beats of A and B together, the last one of a tile when the drain is free."""
        wait = Signal(range(self._spec.rows))
        opening = Signal(init=1)
        ready = Signal()
        m.d.comb += [
            ready.eq(self.en & (~self.a_tlast | (wait == 0))),
            self.a_tready.eq(ready & self.b_tvalid),
            self.b_tready.eq(ready & self.a_tvalid),
            self.valid.eq(ready & self.a_tvalid & self.b_tvalid),
            self.first.eq(opening),
            self.last.eq(self.a_tlast),
        ]
        with m.If(self.valid):
            m.d.sync += [
                opening.eq(self.a_tlast),
                self.error.eq(self.error | (self.a_tlast ^ self.b_tlast)),
            ]
        with m.If(self.valid & self.last):
            m.d.sync += wait.eq(self._spec.rows - 1)
        with m.Elif(self.en & (wait != 0)):
            m.d.sync += wait.eq(wait - 1)

    def _time_drain(self, m, beat, beat_last):
        """Drain each tile for ``rows`` cycles, one cycle later in each column."""
        rows, cols = self._spec.rows, self._spec.cols
        # Delay from the last beat to the final sum in the northernmost element of column 0.
        pending = Signal(self._spec.mac.loop_latency + rows)
        left = Signal(range(rows))
        # For column 0; the loop below delays them for the other columns.
        start, final = Signal(name="start_0"), Signal(name="final_0")
        finals = Signal(cols)
        m.d.comb += [
            start.eq(pending[-1]),
            final.eq(start if rows == 1 else left == 1),
        ]
        with m.If(self.en):
            m.d.sync += pending.eq(Cat(self.valid & self.last, pending))
            with m.If(start):
                m.d.sync += left.eq(rows - 1)
            with m.Elif(left != 0):
                m.d.sync += left.eq(left - 1)
        for columns, now in (
            (self.start, start),
            (self.shift, start | (left != 0)),
            (finals, final),
        ):
            earlier = Signal(cols - 1, name=f"{columns.name}_q")
            with m.If(self.en):
                m.d.sync += earlier.eq(columns)
            m.d.comb += columns.eq(Cat(now, earlier))
        leaves = Cat(self.shift[-1], finals[-1])
        for stage in range(self._resolve_stages):
            earlier = Signal(2, name=f"resolving_{stage}")
            with m.If(self.en):
                m.d.sync += earlier.eq(leaves)
            leaves = earlier
        m.d.comb += Cat(beat, beat_last).eq(leaves)
