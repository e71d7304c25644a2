# SPDX-License-Identifier: Apache-2.0
"""Which implementation of the kernels there is: compiled by numba, or numpy's."""

from importlib.util import find_spec
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.codes import NDArray
from sim.fast import plain
from sim.fast.rounding import Float64Rounding

__all__ = ["Kernels", "has_numba", "kernels"]


class Kernels(Protocol):
    """Sums of the products of values that codes have in tables, or of the values themselves."""

    def chain(self, a: NDArray, b: NDArray, table_a: npt.NDArray[np.float32],
              table_b: npt.NDArray[np.float32], drop: int) -> npt.NDArray[np.float32]:
        """Sums in binary32, in order of k; after each step rounded as ``drop`` says."""

    def exact(self, a: NDArray, b: NDArray, table_a: NDArray, table_b: NDArray) -> NDArray:
        """Sums that the tables' type has exactly, in whatever order."""

    def stepwise(self, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], lanes: int,
                 rounding: Float64Rounding) -> npt.NDArray[np.float64]:
        """Sums in binary64 in order of k, rounded once after each group of ``lanes`` products."""


def has_numba() -> bool:
    """Whether numba is installed (the extra ``fast``)."""
    return find_spec("numba") is not None


def kernels() -> Kernels:
    """The fastest kernels at hand."""
    if not has_numba():
        return plain
    from sim.fast import compiled

    return compiled
