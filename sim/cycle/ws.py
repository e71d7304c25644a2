# SPDX-License-Identifier: Apache-2.0
"""The weight-stationary array, one step a clock."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Dataflow
from hw.spec.errors import require
from hw.spec.schedules import WeightStationary
from sim.cycle.results import Results
from sim.cycle.streams import Inputs, Outputs
from sim.cycle.ws_sequencer import Control, WeightSequencer, WeightTiming
from sim.vector.steps import require_step, stepper

__all__ = ["LOAD", "SWAP", "WeightArray"]

Ints = npt.NDArray[Any]

SWAP, LOAD = 1, 2


class WeightArray:
    """Registers of an array whose weights stay, as `Array` has those of one whose sums do.

    Latencies are those of the RTL, which this equals register by register, with the exceptions
    that `Array` names.

    Attributes
    ----------
    a_q
        Codes that each element passes on, (rows, lanes, cols).
    frame_q
        What goes along with them, swap and load from the low bit on, (rows, cols).
    edge_load, edge_swap
        What the first column's frame is made of, by cycles from 1 on: a load is a cycle later in
        each row, a swap as late as the sums.
    used, waiting, passed
        Weights in use, the next ones, and those that go south, (rows, lanes, cols).
    flight
        For each register before the adder, newest first, operands a and b.
    adding
        For each register in the adder, newest first, the sum and the flags that will leave it.
    acc, flags
        Sums that leave each element, and flags beside them, (rows, cols).
    skew_a, skew_b
        Delays by cycles from 1 on: (cycles to the last row, rows, lanes) and (cols - 1, cols,
        lanes).
    control
        `Control` that each column's memory passes on, (6, cols).
    memory, read, before
        Stored sums and flags by address, (2, addresses, cols); those that were read, and those
        that left the column a cycle ago, (2, cols).
    results, sequencer
        The way to C, and the registers that time all this.
    """

    def __init__(self, spec: ArraySpec) -> None:
        require(spec.dataflow is Dataflow.WS, "Array dataflow", "ws", spec.dataflow.value)
        require(spec.out is None, "Array out", "left out of a clock-by-clock model", str(spec.out))
        require_step(spec.mac)
        self.spec = spec
        rows, cols, lanes, mac = spec.rows, spec.cols, spec.mac.lanes, spec.mac
        times = WeightStationary(spec)
        self.sequencer, self.results = WeightSequencer(spec), Results(spec)
        self.a_q = self.used = self.waiting = self.passed = np.zeros((rows, lanes, cols), np.int64)
        self.frame_q = np.zeros((rows, cols), np.uint8)
        self._row, self._col = np.arange(rows), np.arange(cols)
        #: Cycles by which sums are later in each row.
        self._late = self._row * times.row_latency
        last = int(self._late[-1])
        self.edge_load, self.edge_swap = (np.zeros(cycles, np.uint8) for cycles in (rows - 1, last))
        self.acc = np.zeros((rows, cols), np.int64)
        self.flags = np.zeros((rows, cols), np.uint8)
        self.adding = [(self.acc, self.flags)] * mac.adder_stages
        self.flight = [(self.a_q, self.used)] * times.entry
        self.skew_a = np.zeros((last, rows, lanes), np.int64)
        self.skew_b = np.zeros((cols - 1, cols, lanes), np.int64)
        self.control = np.zeros((len(Control._fields), cols), np.int64)
        self.memory = np.zeros((2, self.sequencer.addresses, cols), np.int64)
        self.read = self.before = np.zeros((2, cols), np.int64)
        self._next, self._never = stepper(mac), np.zeros((rows, cols), np.bool_)
        self._has_flags = mac.flag_bits > 0

    def step(self, inputs: Inputs) -> Outputs:
        """Outputs of this cycle; the registers take their next values."""
        state, wires = self.sequencer, self.sequencer.timing(inputs)
        south = np.array([self.acc[-1], self.flags[-1]])
        offered = self.results.offered(south[:, None], state.kept)
        outputs = Outputs(
            wires.a_tready, wires.b_tready, bool(state.kept or wires.beat), offered[0],
            bool(state.kept_last if state.kept else wires.beat_last), offered[1], state.error)
        if wires.en:
            self.results.step()
            self._move(inputs, wires, self._entering(south, wires.control))
        state.step(wires, inputs)
        if inputs.rst:
            self._reset()
        return outputs

    def _entering(self, south: Ints, control: Control) -> Ints:
        """Sums and flags that enter the columns, (2, cols); the memory takes its clock edge."""
        now = np.concatenate([np.array(control, np.int64)[:, None], self.control[:, :-1]], axis=1)
        start, forward, recent, write, read, place = now
        stored = np.where(recent, self.before, self.read)
        entering = np.where(start, 0, np.where(forward, south, stored))
        self.read = self.memory[:, read, self._col]
        if write.any():
            where = np.flatnonzero(write)
            self.memory[:, place[where], where] = south[:, where]
        self.control, self.before = now, south
        return entering

    def _move(self, inputs: Inputs, wires: WeightTiming, entering: Ints) -> None:
        """Registers of the grid."""
        skew_a = np.concatenate([inputs.a_tdata[None], self.skew_a])
        skew_b = np.concatenate([inputs.b_tdata[None], self.skew_b])
        west, north = skew_a[self._late, self._row], skew_b[self._col, self._col]
        self.skew_a, self.skew_b = skew_a[:-1], skew_b[:-1]
        loads, swaps = (np.append(np.uint8(now), before) for now, before in (
            (wires.load, self.edge_load), (wires.swap, self.edge_swap)))
        edge = swaps[self._late] * SWAP | loads * LOAD
        frame = np.concatenate([edge[:, None], self.frame_q[:, :-1]], axis=1)
        self.a_q = np.concatenate([west[:, :, None], self.a_q[:, :, :-1]], axis=2)
        self.frame_q, self.edge_load, self.edge_swap = frame, loads[:-1], swaps[:-1]
        self.flight = [(self.a_q, self.used), *self.flight]
        self._accumulate(entering, *self.flight.pop())
        self._load(frame, north.T[None])

    def _accumulate(self, entering: Ints, a: Ints, b: Ints) -> None:
        """One step of every element on the sum from its north."""
        sums = np.concatenate([entering[:1], self.acc[:-1]])
        flags = self.flags
        if self._has_flags:
            flags = np.concatenate([entering[1:].astype(np.uint8), self.flags[:-1]])
        self.adding = [self._next(sums, flags, a, b, self._never), *self.adding]
        self.acc, self.flags = self.adding.pop()

    def _load(self, frame: Ints, north: Ints) -> None:
        """Weights go into use, and southward."""
        swaps, loads = ((frame & bit).astype(np.bool_)[:, None] for bit in (SWAP, LOAD))
        coming = np.concatenate([north, self.passed[:-1]])
        self.used = np.where(swaps, self.waiting, self.used)
        self.passed, self.waiting = self.waiting, np.where(loads, coming, self.waiting)

    def _reset(self) -> None:
        """What ``rst`` does at a clock edge to the registers that have a reset."""
        self.sequencer.reset()
        for name in ("frame_q", "edge_load", "edge_swap", "control"):
            setattr(self, name, np.zeros_like(getattr(self, name)))
