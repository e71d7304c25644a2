# SPDX-License-Identifier: Apache-2.0
"""The way of results from the edge of a grid to the stream of C."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec

__all__ = ["Results"]

Ints = npt.NDArray[Any]


class Results:
    """Registers that resolve carry-save sums, align the columns and keep a row that must wait.

    They have no reset.

    Attributes
    ----------
    resolved
        Sums and flags by column, by the cycles since they left the grid, (2, cycles, cols).
    align
        Delays by cycles from 1 on, (2, cols - 1, cols).
    held
        The row that is kept, (2, cols).
    """

    def __init__(self, spec: ArraySpec) -> None:
        cols, stages = spec.cols, spec.mac.latency - spec.mac.loop_latency
        self.resolved = np.zeros((2, stages, cols), np.int64)
        self.align = np.zeros((2, cols - 1, cols), np.int64)
        self.held = np.zeros((2, cols), np.int64)
        self._col = np.arange(cols)
        self._leaving = self.resolved
        self._aligned = self.align

    def offered(self, edge: Ints, kept: bool) -> Ints:
        """Row that C offers, (2, cols), while ``edge`` (2, 1, cols) leaves the grid."""
        stages = self.resolved.shape[1]
        self._leaving = np.concatenate([edge, self.resolved], axis=1) if stages else edge
        self._aligned = np.concatenate([self._leaving[:, -1:], self.align], axis=1)
        if not kept:
            self.held = self._aligned[:, self._col[::-1], self._col]
        return self.held

    def step(self) -> None:
        """One enabled clock edge after `offered`; the kept row needs no enable."""
        self.resolved, self.align = self._leaving[:, :-1], self._aligned[:, :-1]
