# SPDX-License-Identifier: Apache-2.0
"""Backends that compute sums and output stages. All give the same bits; one is the default."""

from collections.abc import Callable
from dataclasses import dataclass

from hw.spec import MacSpec, OutputSpec
from hw.spec.errors import require
from sim import fast, golden, vector
from sim.codes import NDArray


@dataclass(frozen=True, slots=True)
class Backend:
    """One model. Its arguments are codes that have been checked.

    Attributes
    ----------
    matmul
        Sums and flags (M, N) of codes (M, K) and (K, N) on a unit. K is a multiple of its lanes.
    output
        Output codes for flat arrays of sums, scales, zero points and flags.
    """

    matmul: Callable[[NDArray, NDArray, MacSpec], tuple[NDArray, NDArray]]
    output: Callable[[NDArray, NDArray, NDArray, NDArray, OutputSpec], NDArray]


#: ``vector`` is numpy. ``fast`` uses machine arithmetic, compiled if numba is installed. ``golden``
#: is the plain, slow reference model.
BACKENDS = {
    "vector": Backend(vector.matmul, vector.output),
    "fast": Backend(fast.matmul, vector.output),
    "golden": Backend(golden.matmul, golden.output),
}
DEFAULT = "vector"


def find(name: str) -> Backend:
    """Return the backend with this name.

    Raises
    ------
    SpecError
        If there is no such backend.
    """
    require(
        isinstance(name, str) and name in BACKENDS, "Backend", f"one of {', '.join(BACKENDS)}", name
    )
    return BACKENDS[name]
