# SPDX-License-Identifier: Apache-2.0
"""Facts of a unit as compiled steps take them."""

from typing import NamedTuple

import numpy as np

from sim.codes import NDArray

__all__ = ["record"]


def record(facts: NamedTuple) -> NDArray:
    """Facts as an array of one record: numba takes one argument faster than many."""
    kinds = [(name, np.float64 if isinstance(value, float) else np.int64)
             for name, value in facts._asdict().items()]
    whole: NDArray = np.array([tuple(facts)], np.dtype(kinds))
    return whole
