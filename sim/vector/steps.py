# SPDX-License-Identifier: Apache-2.0
"""One step of many accumulators at once: each its own operands, all the same unit."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from hw.spec import AlignedAccumulator, FixedAccumulator, Format, MacSpec
from hw.spec.errors import require
from sim.codes import NDArray
from sim.vector import aligned, fixed, floating
from sim.vector.unpack import Unpacked, unpack

__all__ = ["require_step", "step", "stepper", "sum_dtype"]

#: Widest code whose parts are looked up.
TABLE_BITS = 12
#: Widest codes whose pairs are looked up.
PAIR_BITS = 8
Pair = tuple[NDArray, NDArray]


def require_step(spec: MacSpec) -> None:
    """Raise SpecError for a unit of which `step` knows no step."""
    fits = spec.a.width <= 32 and spec.b.width <= 32
    if not isinstance(spec.acc, FixedAccumulator):
        twin = aligned if isinstance(spec.acc, AlignedAccumulator) else floating
        fits = fits and twin.supports(spec)
    require(fits, "Array mac", "a unit whose steps fit int64, or a fixed-point one", str(spec))


def sum_dtype(spec: MacSpec) -> np.dtype[Any]:
    """Type of the sums: int64, or Python integers where that does not hold every step."""
    wide = isinstance(spec.acc, FixedAccumulator) and not fixed.narrow(spec, spec.acc)
    return np.dtype(object if wide else np.int64)


def step(acc: NDArray, flags: NDArray, a: NDArray, b: NDArray, first: NDArray, spec: MacSpec) -> Pair:
    """Accumulators and flags after the products of one group of lanes each.

    Parameters
    ----------
    acc, flags
        Accumulators, (M, N): sums in units of the lsb, or codes; flags beside them.
    a, b
        Codes of the operands, (M, lanes, N).
    first
        Where a sum starts, (M, N).
    spec
        The unit; one that `require_step` accepts.
    """
    return stepper(spec)(acc, flags, a, b, first)


def stepper(spec: MacSpec) -> Callable[[NDArray, NDArray, NDArray, NDArray, NDArray], Pair]:
    """`step` of one unit, for many calls: what depends on the unit alone is worked out once."""
    sums, raised = _sums(spec), _raised(spec)

    def one(acc: NDArray, flags: NDArray, a: NDArray, b: NDArray, first: NDArray) -> Pair:
        total = sums(np.where(first, 0, acc), a, b)
        return total, np.where(first, 0, flags) | raised(a, b) if raised else flags

    return one


def _sums(spec: MacSpec) -> Callable[[NDArray, NDArray, NDArray], NDArray]:
    """What makes new sums of old ones and of operands."""
    acc = spec.acc
    if isinstance(acc, FixedAccumulator):
        if fixed.exact(spec, acc) and max(spec.a.width, spec.b.width) <= TABLE_BITS:
            x, y = _units(spec.a) << spec.product_lsb - acc.lsb, _units(spec.b)
            return lambda old, a, b: fixed.add(old, _summed(x.take(a) * y.take(b)), acc)
        return lambda old, a, b: fixed.step(old, _parts(a, spec.a), _parts(b, spec.b), spec)
    twin = aligned if isinstance(acc, AlignedAccumulator) else floating
    return lambda old, a, b: twin.step(old, _parts(a, spec.a), _parts(b, spec.b), spec)


def _summed(terms: NDArray) -> NDArray:
    """Sums over the lanes, (M, N); of one lane without adding."""
    sums: NDArray = terms[:, 0] if terms.shape[1] == 1 else terms.sum(axis=1)
    return sums


def _raised(spec: MacSpec) -> Callable[[NDArray, NDArray], NDArray] | None:
    """What gives the flags, (M, N), that products raise; None where sums have no flags."""
    if not spec.flag_bits:
        return None
    if max(spec.a.width, spec.b.width) > PAIR_BITS:
        return lambda a, b: fixed.step_flags(_parts(a, spec.a), _parts(b, spec.b))
    table, width = _pair_flags(spec.a, spec.b), spec.b.width
    if spec.lanes == 1:
        return lambda a, b: table.take(a[:, 0] << width | b[:, 0])
    return lambda a, b: np.bitwise_or.reduce(table.take(a << width | b), axis=1)


@lru_cache(maxsize=8)
def _pair_flags(a: Format, b: Format) -> NDArray:
    """Flags of the products of all pairs of codes, that of b in the low bits."""
    x, y = _table(a)[:, None, None], _table(b)[None, None, :]
    return fixed.step_flags(x, y).ravel()


@lru_cache(maxsize=32)
def _table(fmt: Format) -> Unpacked:
    """All codes, taken apart."""
    return unpack(np.arange(1 << fmt.width), fmt)


@lru_cache(maxsize=32)
def _units(fmt: Format) -> NDArray:
    """Values of all codes in units of the format's lsb; 0 for specials."""
    table = _table(fmt)
    units: NDArray = table.sig << table.exp
    return units


def _parts(codes: NDArray, fmt: Format) -> Unpacked:
    """Codes taken apart."""
    return _table(fmt)[codes] if fmt.width <= TABLE_BITS else unpack(codes, fmt)
