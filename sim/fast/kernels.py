# SPDX-License-Identifier: Apache-2.0
"""Which implementation of the kernels there is: compiled by numba, or numpy's."""

from importlib.util import find_spec
from typing import Protocol

import numpy as np
import numpy.typing as npt

from sim.codes import Array
from sim.fast import plain
from sim.fast.rounding import Float64Rounding

__all__ = ["Kernels", "has_numba", "kernels"]


class Kernels(Protocol):
    """Sums of floating-point products in order of k, rounded at each step."""

    def chain(self, a: Array, b: Array, table_a: npt.NDArray[np.float32],
              table_b: npt.NDArray[np.float32], drop: int) -> npt.NDArray[np.float32]:
        """Sums in binary32; each is then rounded as ``drop`` says (see `sim.fast.floating`)."""

    def stepwise(self, a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], lanes: int,
                 rounding: Float64Rounding) -> npt.NDArray[np.float64]:
        """Sums in binary64, rounded once after each group of ``lanes`` products."""


def has_numba() -> bool:
    """Whether numba is installed (the extra ``fast``)."""
    return find_spec("numba") is not None


def kernels() -> Kernels:
    """The fastest kernels at hand."""
    if not has_numba():
        return plain
    from sim.fast import compiled

    return compiled
