# SPDX-License-Identifier: Apache-2.0
"""How sums and weights move in the weight-stationary array, by numpy."""

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["enter", "exchange"]

Ints = npt.NDArray[Any]


def enter(acc: Ints, flags: Ints, control: Ints, now: int, words: Ints, read: Ints,
          before: Ints) -> tuple[Ints, Ints]:
    """Sums and flags from the north of each element; the memory of sums takes its clock edge.

    Parameters
    ----------
    acc, flags
        Sums that leave each element, and flags beside them, (rows, cols).
    control, now
        `Control` by time, (times, 6), and the time of column 0; each column is a cycle later.
    words, read, before
        Stored sums and flags, (2, addresses, cols); those that were read, and those that left the
        column a cycle ago, (2, cols). They take their next values.
    """
    cols = acc.shape[1]
    start, forward, recent, write, next_read, place = control[now - cols + 1:now + 1][::-1].T
    south = np.array([acc[-1], flags[-1]], words.dtype)
    entering = np.where(start, 0, np.where(forward, south, np.where(recent, before, read)))
    read[:] = words[:, next_read, np.arange(cols)]
    where = np.flatnonzero(write)
    words[:, place[where], where] = south[:, where]
    before[:] = south
    return (np.concatenate([entering[:1], acc[:-1]]),
            np.concatenate([entering[1:].astype(np.uint8), flags[:-1]]))


def exchange(used: Ints, waiting: Ints, passed: Ints, b: Ints, swap: Ints, load: Ints,
             now_b: int, now_swap: int, now_load: int, step: int) -> tuple[Ints, Ints]:
    """Next weights in use, and those that wait, (rows, lanes, cols).

    Parameters
    ----------
    used, waiting, passed
        Weights in use, those that wait, and those that go south, (rows, lanes, cols).
    b, swap, load
        Codes of B by time, (times, cols, lanes), and whether there is a swap or a load, (times,).
    now_b, now_swap, now_load
        Times of these three in row 0 and column 0; each column is a cycle later.
    step
        Cycles by which a swap is later in each row; a load is one later.
    """
    rows, lanes, cols = used.shape
    row, col = np.arange(rows)[:, None, None], np.arange(cols)
    swaps, loads = (
        swap[now_swap - row * step - col] != 0, load[now_load - row - col] != 0)
    north = b[now_b - col, col, np.arange(lanes)[:, None]]
    coming = np.concatenate([north[None], passed[:-1]])
    return np.where(swaps, waiting, used), np.where(loads, coming, waiting)
