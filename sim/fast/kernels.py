# SPDX-License-Identifier: Apache-2.0
"""Select the kernels: compiled by numba, or in numpy."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from sim.codes import NDArray
from sim.fast import plain

_numpy_only: ContextVar[bool] = ContextVar("numpy_only", default=False)


@dataclass(frozen=True, slots=True)
class Kernels:
    """Kernels: sums (M, N) of products of codes (M, K) and (K, N), with tables of values.

    Attributes
    ----------
    chain
        With binary32 tables: sums in order of k, rounded after each step by ``drop`` bits.
        ``chain(a, b, table_a, table_b, drop)``
    exact
        Sums that are exact in the type of the tables, in any order.
        ``exact(a, b, table_a, table_b)``
    stepwise
        With binary64 values instead of codes: sums in order of k, rounded once after each group of
        ``lanes`` products according to a `sim.fast.numbers.Float64Rounding`.
        ``stepwise(a, b, lanes, rounding)``
    aligned
        Sums of ``lanes`` terms at a time, truncated ``frac`` bits below the units place of the
        largest one. A sum keeps ``kept`` fraction bits. The pairs ``tables`` and ``places`` give
        the value and units place of each code. ``aligned(a, b, tables, places, lanes, frac, kept)``
    in_order
        `sim.fast.loops.in_order`, or None: numpy is not faster than `sim.vector` here.
    """

    chain: Callable[..., NDArray]
    exact: Callable[..., NDArray]
    stepwise: Callable[..., NDArray]
    aligned: Callable[..., NDArray]
    in_order: Callable[..., Any] | None


def has_numba() -> bool:
    """Whether numba is installed (the extra ``fast``)."""
    return find_spec("numba") is not None


def uses_numba() -> bool:
    """Whether loops are compiled: numba is installed and `numpy_only` is not active."""
    return not _numpy_only.get() and has_numba()


@contextmanager
def numpy_only() -> Iterator[None]:
    """Compute as if numba were not installed, in this thread."""
    token = _numpy_only.set(True)
    try:
        yield
    finally:
        _numpy_only.reset(token)


def kernels() -> Kernels:
    """The fastest kernels available."""
    if not uses_numba():
        return Kernels(plain.chain, plain.exact, plain.stepwise, plain.aligned, None)
    from sim.fast import loops, tiles

    return Kernels(tiles.chain, tiles.exact, loops.stepwise, tiles.aligned, loops.in_order)
