# SPDX-License-Identifier: Apache-2.0
"""Facts of a unit as compiled steps take them."""

from typing import NamedTuple

import numpy as np

from sim.codes import Array

__all__ = ["record"]


def record(facts: NamedTuple) -> Array:
    """Facts as an array of one record: numba takes one argument faster than many."""
    kinds = [(name, np.float64 if isinstance(value, float) else np.int64)
             for name, value in facts._asdict().items()]
    whole: Array = np.array([tuple(facts)], np.dtype(kinds))
    return whole
