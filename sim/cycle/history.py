# SPDX-License-Identifier: Apache-2.0
"""Values that travel through an array unchanged, stored once instead of in every register.

A register ``d`` enabled cycles behind an input holds what entered ``d`` cycles ago. So the
registers of a whole grid are one strided view of the values that have entered.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.codes import NDArray

#: Cycles that fit before the ones still needed are copied to the start.
ROOM = 512


class History:
    """Values that entered in each enabled cycle. Time is the first axis of ``past``, newest last.

    Values are never overwritten, so views stay valid.

    Attributes
    ----------
    past
        Values by time, (times, *shape), preceded by zeros.
    end
        Time of the next value.
    """

    def __init__(self, shape: tuple[int, ...], window: int, dtype: Any = np.int64) -> None:
        self._window = window
        self.past = np.zeros((window + ROOM, *shape), dtype)
        self.end = window

    def put(self, value: npt.ArrayLike) -> None:
        """Set the next value. It can be set again until `push`."""
        self.past[self.end] = value

    def push(self) -> None:
        """Advance time by one cycle."""
        self.end += 1
        if self.end == len(self.past):
            kept = self.past[-self._window :]
            self.past = np.zeros_like(self.past)
            self.past[: self._window] = kept
            self.end = self._window

    def clear(self) -> None:
        """Forget all values."""
        self.past, self.end = np.zeros_like(self.past), self._window

    def view(self, shape: tuple[int, ...], age: int, *steps: tuple[int | None, int]) -> NDArray:
        """Registers as a strided view.

        The first element entered ``age`` cycles before the newest value. For each axis of the view,
        ``steps`` gives the matching axis of a value, or None, and the delay to the next element.
        """
        return self.viewer(shape, age, *steps)()

    def viewer(
        self, shape: tuple[int, ...], age: int, *steps: tuple[int | None, int]
    ) -> Callable[[], NDArray]:
        """Function that returns `view` of these arguments, faster, since strides do not change."""
        (time, *given), dtype, before = self.past.strides, self.past.dtype, age + 1
        strides = tuple(
            (0 if axis is None else given[axis]) + later * time for axis, later in steps
        )
        return lambda: np.ndarray(shape, dtype, self.past, (self.end - before) * time, strides)

    def ago(self, cycles: int) -> NDArray:
        """Values that entered 1, 2, ... up to ``cycles`` cycles ago, (cycles, *shape)."""
        return self.past[self.end - cycles : self.end][::-1]
