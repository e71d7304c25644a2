# SPDX-License-Identifier: Apache-2.0
"""What every element of a weight-stationary array holds in every clock cycle."""

from dataclasses import dataclass

import numpy as np

from hw.spec import ArraySpec
from hw.spec.arrays import WeightStationary
from sim.cycle import Inputs, Outputs, WeightArray
from sim.cycle.history import History
from sim.cycle.ws import LOAD, SWAP
from sim.trace.view.trace import ArrayTrace, Ints, Recording

__all__ = ["WeightRecorder", "WeightTrace"]


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightTrace(ArrayTrace):
    """Trace of a weight-stationary array; ``b`` are the weights in use, beats are those of A.

    Attributes
    ----------
    waiting
        Codes of the next weight, (cycles, rows, lanes, cols).
    weights
        Which beat of B the weight in use came with, ``owners`` the one that waits, counted from 1;
        0 if there is none, or the one that waits is in use already. While a pass loads, weights on
        their way south wait in elements that will not use them.
    """

    waiting: Ints
    weights: Ints


class WeightRecorder:
    """Keeps registers cycle by cycle and tags what is in them."""

    def __init__(self, spec: ArraySpec, m: int, k: int, n: int) -> None:
        self._kept, self._spec = Recording(spec, m, k, n), spec
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
        self._kept.require_room()
        if self._moved:
            self._tag(array.frame_q)
        shape = self._used.shape
        tags = [self._beats.view(shape, age, (None, -self._step), (None, -1))
                for age in (0, self._spec.mac.pipeline)]
        self._kept.keep({
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
        self._kept.leave(inputs, outputs)

    def trace(self) -> WeightTrace:
        """What was recorded."""
        return WeightTrace(**self._kept.fields())

    def _tag(self, frame: Ints) -> None:
        """Weights move as those of the array do."""
        north = self._loads.view((1, self._spec.cols), 0, (None, 0), (None, -1))
        coming = np.concatenate([north, self._passed[:-1]])
        self._used = np.where(frame & SWAP, self._next, self._used)
        self._passed, self._next = self._next, np.where(frame & LOAD, coming, self._next)
