# SPDX-License-Identifier: Apache-2.0
"""The weight-stationary array, one step per clock cycle: its registers and its sequencer."""

from typing import NamedTuple

import numpy as np

from hw.spec import ArraySpec, Dataflow
from hw.spec.arrays import WeightStationary
from sim.codes import NDArray
from sim.cycle.history import History
from sim.cycle.registers import ArrayRegisters
from sim.cycle.steps import VALID, moves
from sim.cycle.streams import LEAVES, STARTS, Inputs, Outputs
from sim.vector import sum_dtype

#: Bits of the frame of an element's weights.
SWAP, LOAD = 1, 2


class Control(NamedTuple):
    """Control of the memory of sums in column 0. Each column to the east is one cycle later.

    The sum that enters the column is zero with ``start``, the sum that is leaving with ``forward``,
    the sum that left one cycle ago with ``recent``, else the sum that was read.
    """

    start: bool
    forward: bool
    recent: bool
    write: bool
    read: int
    place: int


class WeightTiming(NamedTuple):
    """Wires of one cycle: handshakes, weight control of row 0, and ``control``.

    ``following`` is the row of the next beat of A.
    """

    en: bool
    a_tready: bool
    b_tready: bool
    taken: bool
    load: bool
    swap: bool
    beat: bool
    beat_last: bool
    control: Control
    following: int


class WeightSequencer:
    """Accepts weights and rows of A, swaps weights, and times the memory of sums.

    Attributes
    ----------
    loaded, opened, wait, swaps_left
        Number of waiting weights in a column; whether weights are in use; cycles until these may be
        swapped out; cycles until a load may follow the swaps in progress.
    rows
        Row of the next possible beat of A, then the rows of earlier cycles.
    write, leave, end, start
        Bit i is set i + 1 enabled cycles after a beat whose sums are stored, leave the array, are
        the last of a tile, or start from zero.
    place, recent
        Address of the sum that leaves the column; whether the previous sum was stored at the
        address that was read.
    """

    def __init__(self, spec: ArraySpec) -> None:
        assert spec.depth is not None
        self._height, self._depth = spec.rows, spec.depth
        times = WeightStationary(spec)
        self._down, self._entry, self._load_wait = times.down, times.entry, times.load_wait
        #: Row addresses. Rows from the depth on are not stored.
        self.addresses = 1 << (spec.depth - 1).bit_length()
        self._through = self._down + self._entry
        to_c = self._through + spec.cols - 1 + spec.mac.latency - spec.mac.loop_latency
        #: Position of the bit of a beat that has reached C, and the width of each shift register.
        self._last, self._all_c = to_c - 1, (1 << to_c) - 1
        self._all_through, self._all_entry = (1 << self._through) - 1, (1 << self._entry) - 1
        self.reset()

    def reset(self) -> None:
        """What ``rst`` does at a clock edge."""
        self.loaded = self.wait = self.swaps_left = self.place = 0
        self.opened, self.recent = False, False
        self.rows = [0] * (1 + self._entry)
        self.write = self.leave = self.end = self.start = 0
        self.error, self.kept, self.kept_last = False, False, False

    @property
    def enabled(self) -> bool:
        """Whether the array is enabled at the next clock edge."""
        return not (self.kept and self.leave >> self._last)

    def timing(self, inputs: Inputs) -> WeightTiming:
        """Wires of this cycle."""
        beat, beat_last = bool(self.leave >> self._last), bool(self.end >> self._last)
        en = not (self.kept and beat)
        a_ready = en and self.opened
        taken = bool(a_ready and inputs.a_tvalid)
        swap = (
            en
            and self.loaded == self._height
            and self.wait == 0
            and (not self.opened or bool(taken and inputs.a_tlast))
        )
        free = not self.swaps_left and not (swap and self._load_wait)
        b_ready = en and free and (swap or self.loaded != self._height)
        # Row of the next beat of A.
        following = self.rows[0]
        if taken:
            following = 0 if inputs.a_tlast else (following + 1) % self.addresses
        return WeightTiming(
            en,
            a_ready,
            b_ready,
            taken,
            bool(b_ready and inputs.b_tvalid),
            swap,
            beat,
            beat_last,
            self._control(inputs, following),
            following,
        )

    def _control(self, inputs: Inputs, following: int) -> Control:
        entering = self.rows[-1]
        read = self.rows[-2] if self._entry else following
        write = bool(self.write >> self._through - 1)
        start = (
            bool(self.start >> self._entry - 1) if self._entry else bool(inputs.a_tuser & STARTS)
        )
        return Control(
            start, write and self.place == entering, self.recent, write, read, self.place
        )

    def step(self, wires: WeightTiming, inputs: Inputs) -> None:
        """One clock edge."""
        taken, ends = wires.taken, bool(wires.taken and inputs.a_tlast)
        single = inputs.a_tuser == STARTS | LEAVES
        first = 0 if wires.swap else self.loaded
        self.error |= bool(
            (taken and not ends and self.rows[0] == self._depth - 1 and not single)
            or (wires.load and inputs.b_tlast != (first == self._height - 1))
        )
        if wires.en:
            self._time_sums(wires, inputs, ends)
        self.loaded = first + wires.load
        if wires.swap:
            self.opened, self.wait = True, self._down - 1
            self.swaps_left = max(self._load_wait - 1, 0)
        else:
            self.swaps_left -= bool(wires.en and self.swaps_left)
            if self.wait and (taken or (wires.en and not self.opened)):
                self.wait -= 1
            self.opened = self.opened and not ends
        if not self.kept:
            self.kept_last = wires.beat_last
        self.kept = (self.kept or wires.beat) and not inputs.c_tready

    def _time_sums(self, wires: WeightTiming, inputs: Inputs, ends: bool) -> None:
        """Timing registers of the memory, which stall with the array."""
        control, leaves = wires.control, bool(inputs.a_tuser & LEAVES)
        self.recent = control.write and self.place == control.read
        passed = self._through - 1
        if control.write or self.leave >> passed & 1:
            self.place = 0 if self.end >> passed & 1 else (self.place + 1) % self.addresses
        self.write = (self.write << 1 | (wires.taken and not leaves)) & self._all_through
        self.leave = (self.leave << 1 | (wires.taken and leaves)) & self._all_c
        self.end = (self.end << 1 | ends) & self._all_c
        self.start = (self.start << 1 | bool(inputs.a_tuser & STARTS)) & self._all_entry
        self.rows = [wires.following, *self.rows[:-1]]


class WeightStationaryArray(ArrayRegisters):
    """Registers of a weight-stationary array.

    Attributes
    ----------
    used, waiting, passed
        Weights in use, the next ones, and those that move south, (rows, lanes, cols).
    flight
        Operands a and b in each register before the adder, newest first.
    adding
        Sum and flags in each register of the adder, as they will leave it, newest first.
    memory, read, before
        Stored sums and flags by address, (2, addresses, cols); sums and flags that were read, and
        those that left the column one cycle ago, (2, cols).
    """

    dataflow = Dataflow.WS

    def __init__(self, spec: ArraySpec) -> None:
        rows, cols, lanes, mac = spec.rows, spec.cols, spec.mac.lanes, spec.mac
        times = WeightStationary(spec)
        #: Delay of the sums from row to row in cycles, and delay of the last row.
        self._step, self._last = times.row_latency, (rows - 1) * times.row_latency
        window = self._last + cols
        super().__init__(spec, window, cols)
        self.sequencer = WeightSequencer(spec)
        self._swap, self._load = (History((), window, np.uint8) for _ in range(2))
        self._control = History((len(Control._fields),), cols)
        self._a_q = self._a.viewer((rows, lanes, cols), 0, (0, -self._step), (1, 0), (None, -1))
        #: Bit i is set i cycles after a swap or a load, while the array may hold it.
        self._swaps, self._loads, self._ages = 0, 0, (1 << window) - 1
        self.used = self.waiting = self.passed = np.zeros((rows, lanes, cols), self._b.past.dtype)
        self.flight = [(self.a_q, self.used)] * times.entry
        self.adding = [(self.acc, self.flags)] * mac.adder_stages
        self.memory = np.zeros((2, self.sequencer.addresses, cols), sum_dtype(mac))
        self.read, self.before = np.zeros((2, 2, cols), sum_dtype(mac))
        self._moves, self._always = moves(mac), np.full((rows, cols), VALID, np.uint8)

    @property
    def a_q(self) -> NDArray:
        """Codes of A that each element passes on, (rows, lanes, cols)."""
        return self._a_q()

    @property
    def frame_q(self) -> NDArray:
        """Frame of the weights: swap and load, lowest bit first, (rows, cols)."""
        swaps, loads = (
            past.view(self.acc.shape, 0, (None, -step), (None, -1))
            for past, step in ((self._swap, self._step), (self._load, 1))
        )
        frame: NDArray = swaps * SWAP | loads * LOAD
        return frame

    @property
    def edge_load(self) -> NDArray:
        """Loads passing from row to row, by delay from 1 cycle on; each row is one cycle later."""
        return self._load.ago(self.spec.rows - 1)

    @property
    def edge_swap(self) -> NDArray:
        """Swaps passing from row to row, by delay from 1 cycle on; delayed like the sums."""
        return self._swap.ago(self._last)

    @property
    def skew_a(self) -> NDArray:
        """Skew registers by delay, from 1 cycle on, (cycles to the last row, rows, lanes)."""
        return self._a.ago(self._last)

    @property
    def control(self) -> NDArray:
        """`Control` that each column's memory passes on, (6, cols)."""
        return self._control.view((len(Control._fields), self.spec.cols), 0, (0, 0), (None, -1))

    def _clock(self, inputs: Inputs) -> Outputs:
        state, wires = self.sequencer, self.sequencer.timing(inputs)
        outputs = self._outputs(wires.a_tready, wires.b_tready, wires, self.acc[-1], self.flags[-1])
        if wires.en:
            self.results.step()
            for past, value in (
                (self._a, inputs.a_tdata),
                (self._b, inputs.b_tdata),
                (self._swap, wires.swap),
                (self._load, wires.load),
                (self._control, wires.control),
            ):
                past.put(value)
                past.push()
            self._swaps = (self._swaps << 1 | wires.swap) & self._ages
            self._loads = (self._loads << 1 | wires.load) & self._ages
            self.flight = [(self._a_q(), self.used), *self.flight]
            self._accumulate(*self.flight.pop())
            self._change()
        state.step(wires, inputs)
        if inputs.rst:
            state.reset()
            for past in (self._swap, self._load, self._control):
                past.clear()
            self._swaps = self._loads = 0
        return outputs

    def _accumulate(self, a: NDArray, b: NDArray) -> None:
        """Step every element: add its product to the sum from the north."""
        control = self._control
        sums, flags = self._moves.enter(
            self.acc, self.flags, control.past, control.end - 1, self.memory, self.read, self.before
        )
        self.adding = [self._next(sums, flags, a, b, self._always), *self.adding]
        self.acc, self.flags = self.adding.pop()

    def _change(self) -> None:
        """Swap weights into use, and move weights south."""
        waiting = self.waiting
        if self._swaps or self._loads:
            b, swap, load = self._b, self._swap, self._load
            self.used, self.waiting = self._moves.exchange(
                self.used,
                waiting,
                self.passed,
                b.past,
                swap.past,
                load.past,
                b.end - 1,
                swap.end - 1,
                load.end - 1,
                self._step,
            )
        self.passed = waiting
