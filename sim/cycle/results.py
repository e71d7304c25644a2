# SPDX-License-Identifier: Apache-2.0
"""The way of results from the edge of a grid to the stream of C."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec
from sim.cycle.history import History
from sim.vector import sum_dtype

__all__ = ["Results"]

Ints = npt.NDArray[Any]


class Results:
    """Registers that resolve carry-save sums, align the columns and keep a row that must wait.

    They have no reset.

    Attributes
    ----------
    held
        The row that is kept, sums and flags, (2, cols).
    """

    def __init__(self, spec: ArraySpec) -> None:
        self._cols, self._stages = spec.cols, spec.mac.latency - spec.mac.loop_latency
        self._past = History((2, spec.cols), spec.cols + self._stages, sum_dtype(spec.mac))
        self.held = np.zeros((2, spec.cols), sum_dtype(spec.mac))

    @property
    def align(self) -> Ints:
        """Delays by cycles from 1 on, (2, cols - 1, cols)."""
        ago = self._past.ago(self._stages + self._cols - 1)[self._stages:]
        return ago.transpose(1, 0, 2)

    @property
    def resolved(self) -> Ints:
        """Sums behind their resolvers, and flags, by cycles from 1 on, (cycles, 2, cols)."""
        return self._past.ago(self._stages)

    def offered(self, sums: Ints, flags: Ints, kept: bool) -> Ints:
        """Row that C offers, (2, cols), while sums and flags (cols,) leave the grid."""
        past = self._past
        past.past[past.end, 0], past.past[past.end, 1] = sums, flags
        if not kept:
            end = past.end - self._stages + 1
            # A column later is a cycle later; the array moves on, so these are not written again.
            self.held = past.past[end - self._cols:end].diagonal(0, 0, 2)
        return self.held

    def step(self) -> None:
        """One enabled clock edge after `offered`; the kept row needs no enable."""
        self._past.push()
