# SPDX-License-Identifier: Apache-2.0
"""Backends that compute sums and output stages. All give the same bits; one is the default.

`sim.run.engines` adds those that need an array: `sim.cycle` and the compiled RTL.
"""

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
        The last argument is the codes of the block scales, (M, blocks) and (blocks, N), or None.
    output
        Output codes for flat arrays of sums, scales, zero points and flags.
    """

    matmul: Callable[
        [NDArray, NDArray, MacSpec, tuple[NDArray, NDArray] | None], tuple[NDArray, NDArray]
    ]
    output: Callable[[NDArray, NDArray, NDArray, NDArray, OutputSpec], NDArray]


#: ``fast`` uses machine arithmetic, compiled if numba is installed. ``vector`` is numpy. ``golden``
#: is the plain, slow reference model.
BACKENDS = {
    "fast": Backend(fast.matmul, vector.output),
    "vector": Backend(vector.matmul, vector.output),
    "golden": Backend(golden.matmul, golden.output),
}
#: Used by functions and commands unless another one is named.
DEFAULT = "fast"


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
