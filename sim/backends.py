# SPDX-License-Identifier: Apache-2.0
"""The models of sums and of output stages: one table, one default; all give the same bits."""

from collections.abc import Callable
from dataclasses import dataclass

from hw.spec import MacSpec, OutputSpec
from hw.spec.errors import require
from sim import fast, golden, vector
from sim.codes import NDArray


@dataclass(frozen=True, slots=True)
class Backend:
    """One model; its arguments are checked codes.

    Attributes
    ----------
    matmul
        Sums and flags, (M, N), of codes (M, K) and (K, N) on a unit; K is a multiple of its lanes.
    output
        Codes that an output stage makes of flat arrays: sums, scales, zero points and flags.
    """

    matmul: Callable[[NDArray, NDArray, MacSpec], tuple[NDArray, NDArray]]
    output: Callable[[NDArray, NDArray, NDArray, NDArray, OutputSpec], NDArray]


#: numpy; machine arithmetic, compiled where numba is installed; the plain model, slow.
BACKENDS = {
    "vector": Backend(vector.matmul, vector.output),
    "fast": Backend(fast.matmul, vector.output),
    "golden": Backend(golden.matmul, golden.output),
}
DEFAULT = "vector"


def find(name: str) -> Backend:
    """Backend of this name.

    Raises
    ------
    SpecError
        If there is none.
    """
    require(
        isinstance(name, str) and name in BACKENDS, "Backend", f"one of {', '.join(BACKENDS)}", name
    )
    return BACKENDS[name]
