# SPDX-License-Identifier: Apache-2.0
"""Which implementation of the kernels there is: compiled by numba, or numpy's."""

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
    """Sums (M, N) of the products of codes (M, K) and (K, N), whose values are in tables.

    Attributes
    ----------
    chain
        Of tables of binary32: sums in order of k, after each step rounded as ``drop`` says.
        ``chain(a, b, table_a, table_b, drop)``
    exact
        Sums that the tables' type has exactly, in whatever order.
        ``exact(a, b, table_a, table_b)``
    stepwise
        Of values, not codes, in binary64: sums in order of k, rounded once after each group of
        ``lanes`` products, as a `sim.fast.numbers.Float64Rounding` says.
        ``stepwise(a, b, lanes, rounding)``
    aligned
        Sums of ``lanes`` terms at a time, cut ``frac`` bits below the largest one's units place;
        a sum keeps ``kept`` of the fraction bits of its type. The pairs ``tables`` and ``places``
        hold value and units place by code. ``aligned(a, b, tables, places, lanes, frac, kept)``
    in_order
        `sim.fast.loops.in_order`, or None: numpy has nothing that is faster than `sim.vector`.
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
    """Whether loops are compiled: with numba, but for `numpy_only`."""
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
    """The fastest kernels at hand."""
    if not uses_numba():
        return Kernels(plain.chain, plain.exact, plain.stepwise, plain.aligned, None)
    from sim.fast import loops, tiles

    return Kernels(tiles.chain, tiles.exact, loops.stepwise, tiles.aligned, loops.in_order)
