# SPDX-License-Identifier: Apache-2.0
"""Timing of weights, rows of A and sums of the weight-stationary array, and its handshakes."""

from itertools import pairwise

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.array.core import offer_results
from hw.array.ws.sums import control_layout
from hw.spec import ArraySpec

#: Bits of ``tuser`` of A: first pass, sums start at zero; last pass, sums leave on C.
FIRST, LAST = 0, 1


class WeightSequencer(wiring.Component):
    """Accepts weights and rows of A, swaps weights, controls the memory of sums, and times C.

    A pass is a tile of ``rows`` beats of B and any number of beats of A. Its weights are swapped in
    when all of them are loaded and the previous pass has had its last beat of A. The swap also
    waits until the first sum of the previous pass has had time to pass through the column, because
    the next pass may need it. The weights of the next pass may load from the swap on. If a swap
    moves down more slowly than a load, the load waits for the difference.

    While a row of results waits, the whole array is disabled.

    Members
    -------
    a_tvalid, a_tready, a_tlast, a_tuser, b_tvalid, b_tready, b_tlast, c_tvalid, c_tready, c_tlast
        Handshakes.
    error
        A tile of B had a wrong number of beats, or a tile of A more beats than the memory holds;
        cleared only by a reset.
    en
        Clock enable of the array.
    swap, load
        Control of the weights in row 0, column 0.
    control
        `control_layout` of column 0.
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
                "a_tuser": In(2),
                "b_tvalid": In(1),
                "b_tready": Out(1),
                "b_tlast": In(1),
                "c_tvalid": Out(1),
                "c_tready": In(1),
                "c_tlast": Out(1),
                "error": Out(1),
                "en": Out(1),
                "swap": Out(1),
                "load": Out(1),
                "control": Out(control_layout(spec)),
                "kept": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        spec = self._spec
        return f"sequencer_ws_{spec.size}_d{spec.depth}_l{spec.mac.loop_latency}_{spec.mac.latency}"

    def elaborate(self, platform):
        m = Module()
        valid, ends = Signal(name="valid"), Signal(name="ends")
        wrong_b, wrong_a = Signal(name="wrong_b"), Signal(name="wrong_a")
        self._take_weights(m, wrong_b)
        self._take_rows(m, valid, ends)
        self._time_sums(m, valid, ends, wrong_a)
        m.d.sync += self.error.eq(self.error | wrong_a | wrong_b)
        return m

    def _take_weights(self, m, wrong):
        """Accept beats of B until a tile is loaded, and again from the swap on."""
        rows = self._spec.rows
        loaded, place = (Signal(range(rows + 1), name=name) for name in ("loaded", "place"))
        free = place != rows
        if self._spec.schedule.load_wait:
            free &= ~self._swaps(m)
        m.d.comb += [
            place.eq(Mux(self.swap, 0, loaded)),
            self.b_tready.eq(self.en & free),
            self.load.eq(self.b_tready & self.b_tvalid),
            wrong.eq(self.load & (self.b_tlast ^ (place == rows - 1))),
        ]
        with m.If(self.swap | self.load):
            m.d.sync += loaded.eq(place + self.load)
        self._full = Signal(name="full")
        m.d.comb += self._full.eq(loaded == rows)

    def _swaps(self, m):
        """Whether a load must wait, because lower rows have not swapped yet."""
        wait = self._spec.schedule.load_wait
        left = Signal(range(wait), name="swaps_left")
        with m.If(self.swap):
            m.d.sync += left.eq(wait - 1)
        with m.Elif(self.en & (left != 0)):
            m.d.sync += left.eq(left - 1)
        return self.swap | (left != 0)

    def _take_rows(self, m, valid, ends):
        """Accept beats of A for the current pass, and swap weights after it."""
        down = self._spec.schedule.down
        opened, wait = Signal(name="opened"), Signal(range(down), name="wait")
        m.d.comb += [
            self.a_tready.eq(self.en & opened),
            valid.eq(self.a_tready & self.a_tvalid),
            ends.eq(valid & self.a_tlast),
            self.swap.eq(self.en & self._full & (~opened | ends) & (wait == 0)),
        ]
        with m.If(self.swap):
            m.d.sync += [opened.eq(1), wait.eq(down - 1)]
        with m.Else():
            with m.If(ends):
                m.d.sync += opened.eq(0)
            # Pauses of A within a pass do not count: the sums of later rows need the time too.
            with m.If((valid | (self.en & ~opened)) & (wait != 0)):
                m.d.sync += wait.eq(wait - 1)

    def _count_rows(self, m, valid, wrong):
        """Row numbers of the next beat of A, the current beat, and some previous beats."""
        spec, single = self._spec, self.a_tuser[FIRST] & self.a_tuser[LAST]
        row, following = (Signal(range(spec.depth), name=name) for name in ("row", "following"))
        m.d.comb += [
            following.eq(Mux(valid, Mux(self.a_tlast, 0, row + 1), row)),
            wrong.eq(valid & ~self.a_tlast & (row == spec.depth - 1) & ~single),
        ]
        rows = [following, row]
        for stage in range(spec.schedule.entry):
            rows.append(Signal(range(spec.depth), name=f"row_q{stage}"))
        with m.If(self.en):
            m.d.sync += [later.eq(earlier) for earlier, later in pairwise(rows)]
        return rows

    def _time_sums(self, m, valid, ends, wrong):
        """Control the source of a sum that enters a column, and its target when it leaves."""
        spec, first, last = self._spec, self.a_tuser[FIRST], self.a_tuser[LAST]
        entry, place = spec.schedule.entry, Signal(range(spec.depth), name="address")
        *_, read, entering = self._count_rows(m, valid, wrong)
        through = spec.schedule.down + entry
        to_c = through + spec.cols - 1 + spec.mac.latency - spec.mac.loop_latency
        write = self._later(m, valid & ~last, through, name="write")[-1]
        leave = self._later(m, valid & last, to_c, name="leave")
        end = self._later(m, ends, to_c, name="end")
        with m.If(self.en & (write | leave[through - 1])):
            m.d.sync += place.eq(Mux(end[through - 1], 0, place + 1))
        m.d.comb += [
            self.control.read.eq(read),
            self.control.start.eq(
                self._later(m, first, entry, name="start")[-1] if entry else first
            ),
            self.control.write.eq(write),
            self.control.place.eq(place),
            self.control.forward.eq(write & (place == entering)),
            self.control.recent.eq(self._later(m, write & (place == read), 1, name="recent")),
        ]
        offer_results(m, self, leave[-1], end[-1])

    def _later(self, m, line, cycles, *, name):
        """Values of ``line`` 1, 2, ..., ``cycles`` enabled cycles ago."""
        ago = Signal(cycles, name=name)
        with m.If(self.en):
            m.d.sync += ago.eq(Cat(line, ago))
        return ago
