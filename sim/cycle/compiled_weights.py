# SPDX-License-Identifier: Apache-2.0
"""How sums and weights move in the weight-stationary array, compiled by numba.

Twin of `sim.cycle.plain_weights`, with its arguments, element by element.
"""

from typing import Any

import numpy as np
from numba import njit

__all__ = ["enter", "exchange"]


@njit(cache=True)
def enter(acc: Any, flags: Any, control: Any, now: Any, words: Any, read: Any,
          before: Any) -> Any:
    """Sums and flags from the north of each element; the memory of sums takes its clock edge."""
    rows, cols = acc.shape
    sums, raised = np.empty_like(acc), np.empty_like(flags)
    for c in range(cols):
        time, south, flag = now - c, acc[rows - 1, c], flags[rows - 1, c]
        if control[time, 0]:
            sums[0, c], raised[0, c] = 0, 0
        elif control[time, 1]:
            sums[0, c], raised[0, c] = south, flag
        elif control[time, 2]:
            sums[0, c], raised[0, c] = before[0, c], before[1, c]
        else:
            sums[0, c], raised[0, c] = read[0, c], read[1, c]
        place = control[time, 4]
        read[0, c], read[1, c] = words[0, place, c], words[1, place, c]
        if control[time, 3]:
            place = control[time, 5]
            words[0, place, c], words[1, place, c] = south, flag
        before[0, c], before[1, c] = south, flag
    for r in range(1, rows):
        for c in range(cols):
            sums[r, c], raised[r, c] = acc[r - 1, c], flags[r - 1, c]
    return sums, raised


@njit(cache=True)
def exchange(used: Any, waiting: Any, passed: Any, b: Any, swap: Any, load: Any, now_b: Any,
             now_swap: Any, now_load: Any, step: Any) -> Any:
    """Next weights in use, and those that wait; most stay in a cycle."""
    rows, lanes, cols = used.shape
    in_use, kept = used.copy(), waiting.copy()
    for r in range(rows):
        for c in range(cols):
            if swap[now_swap - r * step - c]:
                for lane in range(lanes):
                    in_use[r, lane, c] = waiting[r, lane, c]
            if load[now_load - r - c]:
                for lane in range(lanes):
                    kept[r, lane, c] = passed[r - 1, lane, c] if r else b[now_b - c, c, lane]
    return in_use, kept
