# SPDX-License-Identifier: Apache-2.0
"""Values that travel through an array unchanged, kept once instead of in every register they pass.

A register that lies ``d`` enabled cycles behind an input holds what entered ``d`` cycles before it.
So the registers of a whole grid are one strided view of the values that have entered.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sim.codes import NDArray

#: Cycles for which there is room before those that are still needed are copied.
ROOM = 512


class History:
    """What has entered in each enabled cycle; time is the first axis of ``past``, the newest last.

    Values that have entered are never written again, so views stay what they are.

    Attributes
    ----------
    past
        Values by time, (times, *shape); before all of them are zeros.
    end
        Time of the next value.
    """

    def __init__(self, shape: tuple[int, ...], window: int, dtype: Any = np.int64) -> None:
        self._window = window
        self.past = np.zeros((window + ROOM, *shape), dtype)
        self.end = window

    def put(self, value: npt.ArrayLike) -> None:
        """Enter a value, but for `push`: it may be put again."""
        self.past[self.end] = value

    def push(self) -> None:
        """Let time go on."""
        self.end += 1
        if self.end == len(self.past):
            kept = self.past[-self._window :]
            self.past = np.zeros_like(self.past)
            self.past[: self._window] = kept
            self.end = self._window

    def clear(self) -> None:
        """Forget everything."""
        self.past, self.end = np.zeros_like(self.past), self._window

    def view(self, shape: tuple[int, ...], age: int, *steps: tuple[int | None, int]) -> NDArray:
        """Registers as an array.

        Its first element entered ``age`` cycles before the last one. For each axis ``steps`` has
        the axis of a value that goes along, if any, and by how much later the next element came.
        """
        return self.viewer(shape, age, *steps)()

    def viewer(
        self, shape: tuple[int, ...], age: int, *steps: tuple[int | None, int]
    ) -> Callable[[], NDArray]:
        """What gives `view` of these at any time, faster: strides stay what they are."""
        (time, *given), dtype, before = self.past.strides, self.past.dtype, age + 1
        strides = tuple(
            (0 if axis is None else given[axis]) + later * time for axis, later in steps
        )
        return lambda: np.ndarray(shape, dtype, self.past, (self.end - before) * time, strides)

    def ago(self, cycles: int) -> NDArray:
        """Values that entered 1, 2, ... up to ``cycles`` cycles ago, (cycles, *shape)."""
        return self.past[self.end - cycles : self.end][::-1]
