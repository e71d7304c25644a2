# SPDX-License-Identifier: Apache-2.0
"""The output-stationary array, one step a clock."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Dataflow, FixedAccumulator
from hw.spec.errors import require
from sim.cycle.results import Results
from sim.cycle.sequencer import Sequencer, Timing
from sim.cycle.streams import Inputs, Outputs
from sim.vector.steps import require_step, stepper

__all__ = ["Array"]

Ints = npt.NDArray[Any]

VALID, FIRST, LAST = 1, 2, 4


class Array:
    """Registers of an array of processing elements.

    Latencies are those of the RTL, which this equals register by register, with two exceptions:
    pipeline registers of a MAC hold its operands here, whatever the RTL has worked out of them; a
    carry-save sum is held as one number.

    Attributes
    ----------
    a_q, b_q
        Codes that each element passes on, (rows, lanes, cols).
    frame_q
        Frame beside ``a_q``: valid, first, last from the low bit on, (rows, cols).
    edge_frame
        Frame that enters each row, (rows - 1,); the last row's comes from the `Sequencer`.
    flight
        For each pipeline register of the MACs, newest first, operands a, b and frame.
    acc, flags, o_valid
        Accumulators, flags beside them, and whether a sum has just been finished, (rows, cols).
    result_q, result_flags, fresh
        Finished sum, its flags, and whether it has not started to move, (rows, cols).
    skew_a, skew_b
        Delays by cycles from 1 on: (rows - 1, rows, lanes) and (cols - 1, cols, lanes).
    results, sequencer
        The way to C, and the registers that time all this.
    """

    def __init__(self, spec: ArraySpec) -> None:
        require(spec.dataflow is Dataflow.OS, "Array dataflow", "os", spec.dataflow.value)
        require(spec.out is None, "Array out", "left out of a clock-by-clock model", str(spec.out))
        require_step(spec.mac)
        self.spec = spec
        rows, cols, lanes, mac = spec.rows, spec.cols, spec.mac.lanes, spec.mac
        self.sequencer, self.results = Sequencer(spec), Results(spec)
        self.a_q = self.b_q = np.zeros((rows, lanes, cols), np.int64)
        self.frame_q = np.zeros((rows, cols), np.uint8)
        self.edge_frame = np.zeros(rows - 1, np.uint8)
        self.flight = [(self.a_q, self.b_q, self.frame_q)] * mac.pipeline
        self.acc = self.result_q = np.zeros((rows, cols), np.int64)
        self.flags = self.result_flags = np.zeros((rows, cols), np.uint8)
        self.o_valid = self.fresh = np.zeros((rows, cols), np.bool_)
        self.skew_a = np.zeros((rows - 1, rows, lanes), np.int64)
        self.skew_b = np.zeros((cols - 1, cols, lanes), np.int64)
        self._next = stepper(mac)
        self._has_flags = mac.flag_bits > 0
        self._row, self._col = np.arange(rows), np.arange(cols)

    def step(self, inputs: Inputs) -> Outputs:
        """Outputs of this cycle; the registers take their next values."""
        state, wires = self.sequencer, self.sequencer.timing()
        ready = wires.en and (not inputs.a_tlast or state.wait == 0)
        taken = bool(ready and inputs.a_tvalid and inputs.b_tvalid)
        north = np.array([self.result_q[:1], self.result_flags[:1]])
        offered = self.results.offered(north, state.kept)
        outputs = Outputs(
            bool(ready and inputs.b_tvalid), bool(ready and inputs.a_tvalid),
            bool(state.kept or wires.beat), offered[0],
            bool(state.kept_last if state.kept else wires.beat_last), offered[1], state.error)
        if wires.en:
            frame = taken * VALID | state.opening * FIRST | bool(inputs.a_tlast) * LAST
            self.results.step()
            self._move(inputs, frame, wires)
        state.step(wires, taken, bool(inputs.a_tlast), bool(inputs.b_tlast), inputs.c_tready)
        if inputs.rst:
            self._reset()
        return outputs

    def _move(self, inputs: Inputs, frame: int, wires: Timing) -> None:
        """Registers of the grid."""
        skew_a = np.concatenate([inputs.a_tdata[None], self.skew_a])
        skew_b = np.concatenate([inputs.b_tdata[None], self.skew_b])
        west, south = skew_a[self._row[::-1], self._row], skew_b[self._col, self._col]
        edge = np.append(self.edge_frame, np.uint8(frame))
        self._drain(wires)
        self.a_q = np.concatenate([west[:, :, None], self.a_q[:, :, :-1]], axis=2)
        self.b_q = np.concatenate([self.b_q[1:], south.T[None]])
        self.frame_q = np.concatenate([edge[:, None], self.frame_q[:, :-1]], axis=1)
        self.edge_frame, self.skew_a, self.skew_b = edge[1:], skew_a[:-1], skew_b[:-1]
        self.flight = [(self.a_q, self.b_q, self.frame_q), *self.flight]
        self._accumulate(*self.flight.pop())

    def _accumulate(self, a: Ints, b: Ints, frame: Ints) -> None:
        """One step of all accumulators that have valid operands."""
        valid = (frame & VALID) != 0
        acc, flags = self._next(self.acc, self.flags, a, b, (frame & FIRST) != 0)
        self.acc = np.where(valid, acc, self.acc)
        if self._has_flags:
            self.flags = np.where(valid, flags, self.flags)
        self.o_valid = valid & ((frame & LAST) != 0)

    def _drain(self, wires: Timing) -> None:
        """Finished sums: taken out of the accumulators, or moved to the north."""
        if not (wires.moving or self.o_valid.any()):
            return
        moves = wires.shift & (wires.start | ~self.fresh)
        self.result_q = self._drained(self.acc, self.result_q, moves)
        if self._has_flags:
            self.result_flags = self._drained(self.flags, self.result_flags, moves)
        self.fresh = self.o_valid | (self.fresh & ~wires.start)

    def _drained(self, own: Ints, held: Ints, moves: Ints) -> Ints:
        """An element's own sum if it is finished, else its southern neighbour's if that moves."""
        southern = np.concatenate([held[1:], np.zeros_like(held[:1])])
        return np.where(self.o_valid, own, np.where(moves, southern, held))

    def _reset(self) -> None:
        """What ``rst`` does at a clock edge to the registers that have a reset."""
        self.sequencer.reset()
        self.frame_q, self.edge_frame = np.zeros_like(self.frame_q), np.zeros_like(self.edge_frame)
        self.o_valid = self.fresh = np.zeros_like(self.fresh)
        self.flight = [(a, b, frame & ~np.uint8(VALID)) for a, b, frame in self.flight]
        if not isinstance(self.spec.mac.acc, FixedAccumulator):
            self.acc, self.flags = np.zeros_like(self.acc), np.zeros_like(self.flags)
