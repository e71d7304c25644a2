# SPDX-License-Identifier: Apache-2.0
"""Registers that time the weight-stationary array: the twin of the RTL's sequencer."""

from typing import NamedTuple

from hw.spec import ArraySpec
from hw.spec.arrays import WeightStationary
from sim.cycle.streams import LEAVES, STARTS, Inputs

__all__ = ["Control", "WeightSequencer", "WeightTiming"]


class Control(NamedTuple):
    """What the memory of column 0 does with sums; one cycle later in each column to the east.

    A sum that enters is zero with ``start``, the one that leaves with ``forward``, the one that
    left a cycle ago with ``recent``, else the one that was read.
    """

    start: bool
    forward: bool
    recent: bool
    write: bool
    read: int
    place: int


class WeightTiming(NamedTuple):
    """Wires of one cycle: handshakes, what row 0 does with its weights, ``control``.

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
    """Takes weights and rows of A, swaps the weights, times the memory of sums.

    Attributes
    ----------
    loaded, opened, wait, swaps_left
        Weights that wait in a column; whether some are in use; cycles until these may give way, and
        until a load may follow the swaps that are on their way.
    rows
        Row of the beat of A that may come next, then that of each cycle before.
    write, leave, end, start
        Bit i is set i + 1 enabled cycles after a beat whose sums stay, leave, are the last ones of
        a tile, start anew.
    place, recent
        Address of the sum that leaves the column; whether the last one was stored where one was
        read.
    """

    def __init__(self, spec: ArraySpec) -> None:
        assert spec.depth is not None
        self._height, self._depth = spec.rows, spec.depth
        times = WeightStationary(spec)
        self._down, self._entry, self._load_wait = times.down, times.entry, times.load_wait
        #: Addresses that a row can have; those from the depth on are of rows that are not stored.
        self.addresses = 1 << (spec.depth - 1).bit_length()
        self._through = self._down + self._entry
        to_c = self._through + spec.cols - 1 + spec.mac.latency - spec.mac.loop_latency
        #: Place of the bit of a beat that is at C, and the bits of each shift register.
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
        """Whether the array takes the next clock edge."""
        return not (self.kept and self.leave >> self._last)

    def timing(self, inputs: Inputs) -> WeightTiming:
        """Wires of this cycle."""
        beat, beat_last = bool(self.leave >> self._last), bool(self.end >> self._last)
        en = not (self.kept and beat)
        a_ready = en and self.opened
        taken = bool(a_ready and inputs.a_tvalid)
        swap = (en and self.loaded == self._height and self.wait == 0
                and (not self.opened or bool(taken and inputs.a_tlast)))
        free = not self.swaps_left and not (swap and self._load_wait)
        b_ready = en and free and (swap or self.loaded != self._height)
        following = self._following(inputs, taken)
        return WeightTiming(en, a_ready, b_ready, taken, bool(b_ready and inputs.b_tvalid), swap,
                            beat, beat_last, self._control(inputs, following), following)

    def _following(self, inputs: Inputs, taken: bool) -> int:
        """Row of the next beat of A."""
        if not taken:
            return self.rows[0]
        return 0 if inputs.a_tlast else (self.rows[0] + 1) % self.addresses

    def _control(self, inputs: Inputs, following: int) -> Control:
        entering = self.rows[-1]
        read = self.rows[-2] if self._entry else following
        write = bool(self.write >> self._through - 1)
        start = bool(self.start >> self._entry - 1) if self._entry else \
            bool(inputs.a_tuser & STARTS)
        return Control(start, write and self.place == entering, self.recent, write, read,
                       self.place)

    def step(self, wires: WeightTiming, inputs: Inputs) -> None:
        """One clock edge."""
        taken, ends = wires.taken, bool(wires.taken and inputs.a_tlast)
        single = inputs.a_tuser == STARTS | LEAVES
        first = 0 if wires.swap else self.loaded
        self.error |= bool(
            (taken and not ends and self.rows[0] == self._depth - 1 and not single)
            or (wires.load and inputs.b_tlast != (first == self._height - 1)))
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
        """Registers of the memory's timing, which stop with the array."""
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
