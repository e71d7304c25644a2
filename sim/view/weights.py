# SPDX-License-Identifier: Apache-2.0
"""What every element of a weight-stationary array holds in every clock cycle."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec
from hw.spec.schedules import WeightStationary
from sim.cycle import Inputs, Outputs, WeightArray
from sim.cycle.history import History
from sim.cycle.ws import LOAD, SWAP
from sim.view.limits import require_cycles, require_viewable

__all__ = ["WeightRecorder", "WeightTrace"]

Ints = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightTrace:
    """Registers by cycle, row and column, as they are before the clock edge of the cycle.

    Attributes
    ----------
    spec, sides
        The array; M, K and N.
    a, b, waiting
        Codes that an element passes on, those of the weight in use, and of the next weight,
        (cycles, rows, lanes, cols).
    acc, flags
        Sums that leave an element to the south, and flags beside them.
    operands, sums
        Which beat of A the operands and the sum belong to, counted from 1; 0 if they are none.
    weights, owners
        Which beat of B the weight in use, and the one that waits, came with, counted from 1; 0 if
        there is none, or the one that waits is in use already. While a pass loads, weights on their
        way south wait in elements that will not use them.
    moved
        Whether the array took the clock edge before each cycle, (cycles,).
    left
        Cycle in which each row of C left, (beats,).
    c, c_flags
        Those rows, (beats, cols).
    """

    spec: ArraySpec
    sides: tuple[int, int, int]
    a: Ints
    b: Ints
    waiting: Ints
    acc: Ints
    flags: Ints
    operands: Ints
    sums: Ints
    weights: Ints
    owners: Ints
    moved: Ints
    left: Ints
    c: Ints
    c_flags: Ints

    @property
    def cycles(self) -> int:
        """Cycles from the first operand beat to the last of C, both counted."""
        return len(self.operands)

    @property
    def busy(self) -> Ints:
        """Elements that have taken a row of A, in each cycle."""
        counts: Ints = (self.operands > 0).sum(axis=(1, 2))
        return counts


class WeightRecorder:
    """Keeps registers cycle by cycle and tags what is in them."""

    def __init__(self, spec: ArraySpec, m: int, k: int, n: int) -> None:
        require_viewable(spec, m, k, n)
        self._spec, self._sides = spec, (m, k, n)
        self._cycles: list[dict[str, Any]] = []
        self._rows: list[tuple[int, Ints, Ints]] = []
        #: Cycles by which sums are later in each row.
        self._step = WeightStationary(spec).row_latency
        window = (spec.rows - 1) * self._step + spec.cols + spec.mac.pipeline
        #: Numbers of the beats of A and of B that entered in each cycle.
        self._beats, self._loads = History((), window), History((), window)
        self._taken = self._loaded = 0
        self._used = self._next = self._passed = np.zeros((spec.rows, spec.cols), np.int64)
        self._moved = False

    def probe(self, array: WeightArray) -> None:
        """All registers before a clock edge."""
        require_cycles(self._spec, len(self._cycles) + 1)
        if self._moved:
            self._tag(array.frame_q)
        shape = self._used.shape
        tags = [self._beats.view(shape, age, (None, -self._step), (None, -1))
                for age in (0, self._spec.mac.pipeline)]
        self._cycles.append({
            "a": array.a_q, "b": array.used, "waiting": array.waiting, "acc": array.acc,
            "flags": array.flags, "operands": tags[0], "sums": tags[1], "weights": self._used,
            "owners": np.where(self._next == self._used, 0, self._next), "moved": self._moved})
        self._moved = array.sequencer.enabled

    def watch(self, inputs: Inputs, outputs: Outputs) -> None:
        """Beats that are taken, and rows of C that leave."""
        beat = load = 0
        if inputs.a_tvalid and outputs.a_tready:
            self._taken += 1
            beat = self._taken
        if inputs.b_tvalid and outputs.b_tready:
            self._loaded += 1
            load = self._loaded
        if self._moved:
            for past, number in ((self._beats, beat), (self._loads, load)):
                past.put(number)
                past.push()
        if outputs.c_tvalid and inputs.c_tready:
            self._rows.append((len(self._cycles) - 1, outputs.c_tdata, outputs.c_tuser))

    def trace(self) -> WeightTrace:
        """What was recorded."""
        left, c, flags = (np.array(part) for part in zip(*self._rows, strict=True))
        kept = {name: np.array([cycle[name] for cycle in self._cycles])
                for name in self._cycles[0]}
        return WeightTrace(spec=self._spec, sides=self._sides, left=left, c=c, c_flags=flags,
                           **kept)

    def _tag(self, frame: Ints) -> None:
        """Weights move as those of the array do."""
        north = self._loads.view((1, self._spec.cols), 0, (None, 0), (None, -1))
        coming = np.concatenate([north, self._passed[:-1]])
        self._used = np.where(frame & SWAP, self._next, self._used)
        self._passed, self._next = self._next, np.where(frame & LOAD, coming, self._next)
