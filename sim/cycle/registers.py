# SPDX-License-Identifier: Apache-2.0
"""Registers that both dataflows have: moving operands, accumulators, and the path to C."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from hw.spec import ArraySpec, Dataflow
from hw.spec.errors import require
from sim.codes import NDArray, code_dtype
from sim.cycle.history import History
from sim.cycle.steps import advance
from sim.cycle.streams import Drain, Inputs, Outputs, Results
from sim.vector import require_step, sum_dtype


class ArrayRegisters(ABC):
    """Registers of an array of processing elements.

    The model equals the RTL register by register, with two exceptions: pipeline registers of a MAC
    hold its operands here, while the RTL holds intermediate results; and a carry-save sum is held
    as one number. Latencies, products and sums are the same.

    Attributes
    ----------
    acc, flags
        Sums of the elements, and their flags, (rows, cols).
    results, sequencer
        The path to C, and the sequencer.
    drain
        Output stages before C, or None.
    """

    dataflow: ClassVar[Dataflow]
    sequencer: Any

    def __init__(self, spec: ArraySpec, window_a: int, window_b: int) -> None:
        require(
            spec.dataflow is self.dataflow,
            "Array dataflow",
            self.dataflow.value,
            spec.dataflow.value,
        )
        require_step(spec.mac)
        rows, cols, lanes, mac = spec.rows, spec.cols, spec.mac.lanes, spec.mac
        self.spec, self.results = spec, Results(spec)
        self.drain = Drain(spec) if spec.out else None
        self._a = History((rows, lanes), window_a, code_dtype(mac.a.width))
        self._b = History((cols, lanes), window_b, code_dtype(mac.b.width))
        self.acc = np.zeros((rows, cols), sum_dtype(mac))
        self.flags = np.zeros((rows, cols), np.uint8)
        self._next = advance(mac)

    @property
    def skew_b(self) -> NDArray:
        """Skew registers by delay, from 1 cycle on, (cols - 1, cols, lanes)."""
        return self._b.ago(self.spec.cols - 1)

    def step(self, inputs: Inputs) -> Outputs:
        """Return the outputs of this cycle and take the clock edge."""
        return self.drain.step(inputs, self._clock) if self.drain else self._clock(inputs)

    @abstractmethod
    def _clock(self, inputs: Inputs) -> Outputs:
        """Outputs before the output stages; takes the clock edge."""

    def _outputs(
        self, a_ready: bool, b_ready: bool, wires: Any, sums: NDArray, flags: NDArray
    ) -> Outputs:
        """Outputs, given the sums and flags (cols,) that leave the grid."""
        state = self.sequencer
        offered = self.results.offered(sums, flags, state.kept)
        return Outputs(
            a_ready,
            b_ready,
            bool(state.kept or wires.beat),
            offered[0],
            bool(state.kept_last if state.kept else wires.beat_last),
            offered[1],
            state.error,
        )
