# SPDX-License-Identifier: Apache-2.0
"""The output-stationary array, one step per clock cycle: its registers and its sequencer."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Dataflow, FixedAccumulator
from sim.codes import NDArray
from sim.cycle.history import History
from sim.cycle.registers import ArrayRegisters
from sim.cycle.steps import FIRST, LAST, VALID
from sim.cycle.streams import Inputs, Outputs

Bools = npt.NDArray[np.bool_]


class Timing(NamedTuple):
    """Wires of one cycle. ``start``, ``shift`` and ``final`` have a bit per column, lowest first.

    `columns` converts them to arrays.
    """

    start: int
    shift: int
    final: int
    beat: bool
    beat_last: bool
    en: bool


def columns(bits: int, cols: int) -> Bools:
    """Bits as an array, the lowest first."""
    octets = np.frombuffer(bits.to_bytes(-(-cols // 8), "little"), np.uint8)
    return np.unpackbits(octets, count=cols, bitorder="little").astype(np.bool_)


class Sequencer:
    """Accepts beats, frames tiles, times their drain, and stalls the array."""

    def __init__(self, spec: ArraySpec) -> None:
        self._rows, self._cols = spec.rows, spec.cols
        self._stages = spec.mac.latency - spec.mac.loop_latency
        self._depth = spec.mac.loop_latency + spec.rows
        self.kept_last = False
        self.reset()

    def reset(self) -> None:
        """What ``rst`` does at a clock edge."""
        self.wait = self.left = 0
        self.opening, self.error, self.kept, self.kept_last = True, False, False, False
        #: Bit i is set i + 1 enabled cycles after the last beat of a tile.
        self.pending = 0
        self.start_q = self.shift_q = self.finals_q = 0
        self.resolving = [(False, False)] * self._stages

    def timing(self) -> Timing:
        """Wires that depend on registers alone."""
        start = bool(self.pending >> self._depth - 1)
        final = start if self._rows == 1 else self.left == 1
        starts = self.start_q << 1 | start
        shifts = self.shift_q << 1 | (start or self.left != 0)
        finals = self.finals_q << 1 | final
        leaves = bool(shifts >> self._cols - 1), bool(finals >> self._cols - 1)
        beat, beat_last = self.resolving[-1] if self._stages else leaves
        return Timing(starts, shifts, finals, beat, beat_last, not (self.kept and beat))

    def step(self, wires: Timing, taken: bool, a_last: bool, b_last: bool, c_ready: bool) -> None:
        """One clock edge."""
        if wires.en:
            self._drain(wires, taken and a_last)
        if taken and a_last:
            self.wait = self._rows - 1
        elif wires.en and self.wait:
            self.wait -= 1
        if taken:
            self.opening = a_last
            self.error |= a_last != b_last
        if not self.kept:
            self.kept_last = wires.beat_last
        self.kept = (self.kept or wires.beat) and not c_ready

    def _drain(self, wires: Timing, ended: bool) -> None:
        """Registers of the drain, which stall with the array."""
        self.pending = (self.pending << 1 | ended) & (1 << self._depth) - 1
        if wires.start & 1:
            self.left = self._rows - 1
        elif self.left:
            self.left -= 1
        last = self._cols - 1
        self.start_q, self.shift_q, self.finals_q = (
            bits & (1 << last) - 1 for bits in (wires.start, wires.shift, wires.final)
        )
        leaves = bool(wires.shift >> last), bool(wires.final >> last)
        self.resolving = [leaves, *self.resolving][: self._stages]


class OutputStationaryArray(ArrayRegisters):
    """Registers of an output-stationary array.

    Attributes
    ----------
    flight
        Operands a, b and frame in each pipeline stage of the MACs, newest first.
    o_valid
        Whether a sum was just finished, (rows, cols).
    result_q, result_flags, fresh
        Finished sum, its flags, and whether it has not moved yet, (rows, cols).
    """

    dataflow = Dataflow.OS

    def __init__(self, spec: ArraySpec) -> None:
        rows, cols, lanes, mac = spec.rows, spec.cols, spec.mac.lanes, spec.mac
        window = rows + cols
        super().__init__(spec, window, window)
        self.sequencer = Sequencer(spec)
        self._frame = History((), window, np.uint8)
        shape, age = (rows, lanes, cols), rows - 1
        self._a_q = self._a.viewer(shape, age, (0, 1), (1, 0), (None, -1))
        self._b_q = self._b.viewer(shape, age, (None, 1), (1, 0), (0, -1))
        self._frame_q = self._frame.viewer((rows, cols), age, (None, 1), (None, -1))
        #: Bit i is set i cycles after the last beat of a tile, while the array may hold it.
        self._lasts, self._ages = 0, (1 << window + mac.pipeline) - 1
        self.flight = [(self.a_q, self.b_q, self.frame_q)] * mac.pipeline
        self.result_q, self.result_flags = self.acc, self.flags
        self._none = np.zeros((rows, cols), np.bool_)
        self.o_valid = self.fresh = self._none
        self._has_flags = mac.flag_bits > 0

    @property
    def a_q(self) -> NDArray:
        """Codes of A that each element passes on, (rows, lanes, cols)."""
        return self._a_q()

    @property
    def b_q(self) -> NDArray:
        """Codes of B that each element passes on, (rows, lanes, cols)."""
        return self._b_q()

    @property
    def frame_q(self) -> NDArray:
        """Frame of ``a_q``: valid, first and last, lowest bit first, (rows, cols)."""
        return self._frame_q()

    @property
    def edge_frame(self) -> NDArray:
        """Frame that enters each row, (rows - 1,); the last row's comes from the `Sequencer`."""
        return self._frame.ago(self.spec.rows - 1)[::-1]

    @property
    def skew_a(self) -> NDArray:
        """Skew registers by delay, from 1 cycle on, (rows - 1, rows, lanes)."""
        return self._a.ago(self.spec.rows - 1)

    def _clock(self, inputs: Inputs) -> Outputs:
        state, wires = self.sequencer, self.sequencer.timing()
        ready = wires.en and (not inputs.a_tlast or state.wait == 0)
        taken = bool(ready and inputs.a_tvalid and inputs.b_tvalid)
        outputs = self._outputs(
            bool(ready and inputs.b_tvalid),
            bool(ready and inputs.a_tvalid),
            wires,
            self.result_q[0],
            self.result_flags[0],
        )
        if wires.en:
            frame = taken * VALID | state.opening * FIRST | bool(inputs.a_tlast) * LAST
            self.results.step()
            self._drain(wires)
            for past, value in (
                (self._a, inputs.a_tdata),
                (self._b, inputs.b_tdata),
                (self._frame, frame),
            ):
                past.put(value)
                past.push()
            self._lasts = (self._lasts << 1 | (frame & (VALID | LAST) == VALID | LAST)) & self._ages
            self.flight = [(self._a_q(), self._b_q(), self._frame_q()), *self.flight]
            self._accumulate(*self.flight.pop())
        state.step(wires, taken, bool(inputs.a_tlast), bool(inputs.b_tlast), inputs.c_tready)
        if inputs.rst:
            self._reset()
        return outputs

    def _accumulate(self, a: NDArray, b: NDArray, frame: NDArray) -> None:
        """Step all accumulators that have valid operands."""
        self.acc, self.flags = self._next(self.acc, self.flags, a, b, frame)
        # In most cycles, no last beat is in the array.
        self.o_valid = (frame & (VALID | LAST)) == VALID | LAST if self._lasts else self._none

    def _drain(self, wires: Timing) -> None:
        """Move finished sums: out of the accumulators, or to the north."""
        if not wires.shift and (self.o_valid is self._none or not self.o_valid.any()):
            return
        start, shift = (columns(bits, self.spec.cols) for bits in (wires.start, wires.shift))
        moves = shift & (start | ~self.fresh)
        self.result_q = self._drained(self.acc, self.result_q, moves)
        if self._has_flags:
            self.result_flags = self._drained(self.flags, self.result_flags, moves)
        self.fresh = self.o_valid | (self.fresh & ~start)

    def _drained(self, own: NDArray, held: NDArray, moves: NDArray) -> NDArray:
        """An element's own sum if it was just finished, else that from the south if it moves."""
        southern = np.concatenate([held[1:], np.zeros_like(held[:1])])
        return np.where(self.o_valid, own, np.where(moves, southern, held))

    def _reset(self) -> None:
        """What ``rst`` does at a clock edge to the registers that have a reset."""
        self.sequencer.reset()
        self._frame.clear()
        self.o_valid = self.fresh = self._none
        self.flight = [(a, b, frame & ~np.uint8(VALID)) for a, b, frame in self.flight]
        if not isinstance(self.spec.mac.acc, FixedAccumulator):
            self.acc, self.flags = np.zeros_like(self.acc), np.zeros_like(self.flags)
