# SPDX-License-Identifier: Apache-2.0
"""One step of all elements of an array: compiled if numba is installed, else in numpy.

Both give the same bits. Steps are compiled for units whose operands have tables. All others use
`sim.vector`, with Python integers if int64 is too narrow.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hw.spec import AlignedAccumulator, FixedAccumulator, MacSpec
from sim.codes import NDArray
from sim.fast import uses_numba
from sim.fast.numbers import MAX_WIDTH, within
from sim.vector import fixed, stepper, sum_dtype

#: Exponents of products, up and down, that binary64 holds when scaled to any common place.
DOUBLE = 900
#: Bits of the frame of an element's operands.
VALID, FIRST, LAST = 1, 2, 4
#: Maps accumulators and flags (rows, cols), codes a and b (rows, lanes, cols), and frame (rows,
#: cols) to the next accumulators and flags. Elements change if their frame is valid, and start from
#: zero if it is first.
Advance = Callable[[NDArray, NDArray, NDArray, NDArray, NDArray], tuple[NDArray, NDArray]]


def advance(mac: MacSpec) -> Advance:
    """Step of the accumulators at one clock edge."""
    if not (uses_numba() and compilable(mac)):
        return plain(mac)
    from sim.cycle import compiled

    step: Advance = compiled.ADVANCES[type(mac.acc)](mac, plain(mac))
    return step


def compilable(mac: MacSpec) -> bool:
    """Whether there is a compiled step for the unit."""
    if max(mac.a.width, mac.b.width) > MAX_WIDTH:
        return False
    if isinstance(mac.acc, AlignedAccumulator):
        return within(mac, -DOUBLE, DOUBLE)
    return not isinstance(mac.acc, FixedAccumulator) or fixed.narrow(mac, mac.acc)


def plain(mac: MacSpec) -> Advance:
    """Step in numpy."""
    step, has_flags = stepper(mac), mac.flag_bits > 0

    def one(
        acc: NDArray, flags: NDArray, a: NDArray, b: NDArray, frame: NDArray
    ) -> tuple[NDArray, NDArray]:
        valid = (frame & VALID) != 0
        # Registers hold codes in narrow dtypes; widen them before computing.
        a, b = a.astype(np.int64), b.astype(np.int64)
        total, raised = step(acc, flags, a, b, (frame & FIRST) != 0)
        return (
            np.where(valid, total, acc),
            np.where(valid, raised, flags).astype(np.uint8) if has_flags else flags,
        )

    return one


class Moves(NamedTuple):
    """How sums and weights move in the weight-stationary array: `enter` and `exchange`."""

    enter: Callable[..., Any]
    exchange: Callable[..., Any]


def moves(mac: MacSpec) -> Moves:
    """Compiled moves if sums are int64, else those in numpy."""
    if not (uses_numba() and sum_dtype(mac) == np.int64):
        return Moves(enter, exchange)
    from sim.cycle import compiled

    return Moves(compiled.enter, compiled.exchange)


def enter(
    acc: NDArray,
    flags: NDArray,
    control: NDArray,
    now: int,
    words: NDArray,
    read: NDArray,
    before: NDArray,
) -> tuple[NDArray, NDArray]:
    """Sums and flags from the north of each element. The memory of sums takes its clock edge.

    Parameters
    ----------
    acc, flags
        Sums that leave each element, and their flags, (rows, cols).
    control, now
        `Control` by time, (times, 6), and the time of column 0; each column is one cycle later.
    words, read, before
        Stored sums and flags, (2, addresses, cols); sums and flags that were read, and those that
        left the column one cycle ago, (2, cols). Updated in place.
    """
    cols = acc.shape[1]
    start, forward, recent, write, next_read, place = control[now - cols + 1 : now + 1][::-1].T
    south = np.array([acc[-1], flags[-1]], words.dtype)
    entering = np.where(start, 0, np.where(forward, south, np.where(recent, before, read)))
    read[:] = words[:, next_read, np.arange(cols)]
    where = np.flatnonzero(write)
    words[:, place[where], where] = south[:, where]
    before[:] = south
    return (
        np.concatenate([entering[:1], acc[:-1]]),
        np.concatenate([entering[1:].astype(np.uint8), flags[:-1]]),
    )


def exchange(
    used: NDArray,
    waiting: NDArray,
    passed: NDArray,
    b: NDArray,
    swap: NDArray,
    load: NDArray,
    now_b: int,
    now_swap: int,
    now_load: int,
    step: int,
) -> tuple[NDArray, NDArray]:
    """Next weights in use, and next waiting weights, (rows, lanes, cols).

    Parameters
    ----------
    used, waiting, passed
        Weights in use, waiting weights, and weights that move south, (rows, lanes, cols).
    b, swap, load
        Codes of B by time, (times, cols, lanes), and whether there is a swap or a load, (times,).
    now_b, now_swap, now_load
        Times of these three in row 0 and column 0; each column is one cycle later.
    step
        Delay of a swap from row to row, in cycles; a load is delayed by one.
    """
    rows, lanes, cols = used.shape
    row, col = np.arange(rows)[:, None, None], np.arange(cols)
    swaps, loads = (swap[now_swap - row * step - col] != 0, load[now_load - row - col] != 0)
    north = b[now_b - col, col, np.arange(lanes)[:, None]]
    coming = np.concatenate([north[None], passed[:-1]])
    return np.where(swaps, waiting, used), np.where(loads, coming, waiting)
