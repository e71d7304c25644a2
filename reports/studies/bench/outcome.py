# SPDX-License-Identifier: Apache-2.0
"""What a simulator found, and how long it took."""

import os
from typing import NamedTuple

from sim.codes import NDArray

__all__ = ["Ran", "busy"]


class Ran(NamedTuple):
    """Sums (M, N), as `sim.matmul` has them or as unsigned bits, their flags, cycles, seconds.

    Seconds are of processor time where a simulator has one thread, so that other work on the
    machine does not count; else of wall time, and ``processor`` has the time of all threads.
    """

    sums: NDArray
    flags: NDArray
    cycles: int
    seconds: float
    processor: float | None = None


def busy() -> float:
    """Seconds of processor time of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system
