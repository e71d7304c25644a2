# SPDX-License-Identifier: Apache-2.0
"""The weight-stationary array, one step a clock."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Dataflow
from hw.spec.arrays import WeightStationary
from hw.spec.errors import require
from sim.codes import code_dtype
from sim.cycle.drain import Drain
from sim.cycle.history import History
from sim.cycle.plain import VALID
from sim.cycle.results import Results
from sim.cycle.stepping import advance, moves
from sim.cycle.streams import Inputs, Outputs
from sim.cycle.ws_sequencer import Control, WeightSequencer, WeightTiming
from sim.vector import require_step, sum_dtype

__all__ = ["LOAD", "SWAP", "WeightArray"]

Ints = npt.NDArray[Any]

SWAP, LOAD = 1, 2


class WeightArray:
    """Registers of an array whose weights stay, as `OutputStationaryArray` has those of one whose sums do.

    Latencies are those of the RTL, which this equals register by register, with the exceptions
    that `OutputStationaryArray` names.

    Attributes
    ----------
    used, waiting, passed
        Weights in use, the next ones, and those that go south, (rows, lanes, cols).
    flight
        For each register before the adder, newest first, operands a and b.
    adding
        For each register in the adder, newest first, the sum and the flags that will leave it.
    acc, flags
        Sums that leave each element, and flags beside them, (rows, cols).
    memory, read, before
        Stored sums and flags by address, (2, addresses, cols); those that were read, and those
        that left the column a cycle ago, (2, cols).
    results, sequencer
        The way to C, and the registers that time all this.
    drain
        Output stages in front of C, or None.
    """

    def __init__(self, spec: ArraySpec) -> None:
        require(spec.dataflow is Dataflow.WS, "Array dataflow", "ws", spec.dataflow.value)
        require_step(spec.mac)
        self.spec = spec
        rows, cols, lanes, mac = spec.rows, spec.cols, spec.mac.lanes, spec.mac
        self.sequencer, self.results = WeightSequencer(spec), Results(spec)
        self.drain = Drain(spec) if spec.out else None
        times = WeightStationary(spec)
        #: Cycles by which sums are later in each row, and in the last one.
        self._step, self._last = times.row_latency, (rows - 1) * times.row_latency
        window = self._last + cols
        self._a = History((rows, lanes), window, code_dtype(mac.a.width))
        self._b = History((cols, lanes), cols, code_dtype(mac.b.width))
        self._swap, self._load = (History((), window, np.uint8) for _ in range(2))
        self._control = History((len(Control._fields),), cols)
        self._a_q = self._a.viewer((rows, lanes, cols), 0, (0, -self._step), (1, 0), (None, -1))
        #: Bit i is set i cycles after a swap or a load, while the array may hold it.
        self._swaps, self._loads, self._ages = 0, 0, (1 << window) - 1
        self.used = self.waiting = self.passed = np.zeros((rows, lanes, cols), self._b.past.dtype)
        self.flight = [(self.a_q, self.used)] * times.entry
        self.acc = np.zeros((rows, cols), sum_dtype(mac))
        self.flags = np.zeros((rows, cols), np.uint8)
        self.adding = [(self.acc, self.flags)] * mac.adder_stages
        self.memory = np.zeros((2, self.sequencer.addresses, cols), sum_dtype(mac))
        self.read, self.before = np.zeros((2, 2, cols), sum_dtype(mac))
        self._next, self._always = advance(mac), np.full((rows, cols), VALID, np.uint8)
        self._moves = moves(mac)

    @property
    def a_q(self) -> Ints:
        """Codes of A that each element passes on, (rows, lanes, cols)."""
        return self._a_q()

    @property
    def frame_q(self) -> Ints:
        """What goes along with them, swap and load from the low bit on, (rows, cols)."""
        swaps, loads = (past.view(self.acc.shape, 0, (None, -step), (None, -1))
                        for past, step in ((self._swap, self._step), (self._load, 1)))
        frame: Ints = swaps * SWAP | loads * LOAD
        return frame

    @property
    def edge_load(self) -> Ints:
        """Loads on their way to the rows, by cycles from 1 on; a cycle later in each row."""
        return self._load.ago(self.spec.rows - 1)

    @property
    def edge_swap(self) -> Ints:
        """Swaps on their way to the rows, by cycles from 1 on; as late as the sums in each row."""
        return self._swap.ago(self._last)

    @property
    def skew_a(self) -> Ints:
        """Delays by cycles from 1 on, (cycles to the last row, rows, lanes)."""
        return self._a.ago(self._last)

    @property
    def skew_b(self) -> Ints:
        """Delays by cycles from 1 on, (cols - 1, cols, lanes)."""
        return self._b.ago(self.spec.cols - 1)

    @property
    def control(self) -> Ints:
        """`Control` that each column's memory passes on, (6, cols)."""
        return self._control.view((len(Control._fields), self.spec.cols), 0, (0, 0), (None, -1))

    def step(self, inputs: Inputs) -> Outputs:
        """Outputs of this cycle; the registers take their next values."""
        return self.drain.step(inputs, self._clock) if self.drain else self._clock(inputs)

    def _clock(self, inputs: Inputs) -> Outputs:
        """Outputs in front of the output stages."""
        state, wires = self.sequencer, self.sequencer.timing(inputs)
        offered = self.results.offered(self.acc[-1], self.flags[-1], state.kept)
        outputs = Outputs(
            wires.a_tready, wires.b_tready, bool(state.kept or wires.beat), offered[0],
            bool(state.kept_last if state.kept else wires.beat_last), offered[1], state.error)
        if wires.en:
            self.results.step()
            self._move(inputs, wires)
        state.step(wires, inputs)
        if inputs.rst:
            self._reset()
        return outputs

    def _move(self, inputs: Inputs, wires: WeightTiming) -> None:
        """Registers of the grid."""
        for past, value in ((self._a, inputs.a_tdata), (self._b, inputs.b_tdata),
                            (self._swap, wires.swap), (self._load, wires.load),
                            (self._control, wires.control)):
            past.put(value)
            past.push()
        self._swaps = (self._swaps << 1 | wires.swap) & self._ages
        self._loads = (self._loads << 1 | wires.load) & self._ages
        self.flight = [(self._a_q(), self.used), *self.flight]
        self._accumulate(*self.flight.pop())
        self._change()

    def _accumulate(self, a: Ints, b: Ints) -> None:
        """One step of every element on the sum from its north."""
        control = self._control
        sums, flags = self._moves.enter(self.acc, self.flags, control.past, control.end - 1,
                                        self.memory, self.read, self.before)
        self.adding = [self._next(sums, flags, a, b, self._always), *self.adding]
        self.acc, self.flags = self.adding.pop()

    def _change(self) -> None:
        """Weights go into use, and southward."""
        waiting = self.waiting
        if self._swaps or self._loads:
            b, swap, load = self._b, self._swap, self._load
            self.used, self.waiting = self._moves.exchange(
                self.used, waiting, self.passed, b.past, swap.past, load.past,
                b.end - 1, swap.end - 1, load.end - 1, self._step)
        self.passed = waiting

    def _reset(self) -> None:
        """What ``rst`` does at a clock edge to the registers that have a reset."""
        self.sequencer.reset()
        for past in (self._swap, self._load, self._control):
            past.clear()
        self._swaps = self._loads = 0
