# SPDX-License-Identifier: Apache-2.0
"""One step of the MACs of all elements, by numpy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import MacSpec
from sim.vector import stepper

__all__ = ["FIRST", "LAST", "VALID", "Advance", "plain"]

Ints = npt.NDArray[Any]

#: Bits of the frame beside the operands of an element.
VALID, FIRST, LAST = 1, 2, 4
#: Accumulators and flags (rows, cols), codes a and b (rows, lanes, cols), frame (rows, cols) to the
#: next accumulators and flags: new ones where the frame is valid, from zero where it is first.
Advance = Callable[[Ints, Ints, Ints, Ints, Ints], tuple[Ints, Ints]]


def plain(mac: MacSpec) -> Advance:
    """By numpy."""
    step, has_flags = stepper(mac), mac.flag_bits > 0

    def one(acc: Ints, flags: Ints, a: Ints, b: Ints, frame: Ints) -> tuple[Ints, Ints]:
        valid = (frame & VALID) != 0
        # Registers hold codes in their own width, which is too narrow to compute with.
        a, b = a.astype(np.int64), b.astype(np.int64)
        total, raised = step(acc, flags, a, b, (frame & FIRST) != 0)
        return (np.where(valid, total, acc),
                np.where(valid, raised, flags).astype(np.uint8) if has_flags else flags)

    return one
