# SPDX-License-Identifier: Apache-2.0
"""Vectorised model in numpy: matrix products, and one step of many accumulators.

Tests check that it equals `sim.golden`.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

from hw.spec import (
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    Format,
    MacSpec,
    SpecError,
)
from hw.spec.errors import require
from sim import golden
from sim.codes import NDArray
from sim.vector import aligned, blocks, fixed, floating
from sim.vector.codes import Unpacked, unpack
from sim.vector.outputs import output

__all__ = ["matmul", "output", "require_step", "stepper", "sum_dtype"]

#: Module for each kind of accumulator, with `supports`, `matmul` and `step`.
_KINDS = {FixedAccumulator: fixed, FloatAccumulator: floating, AlignedAccumulator: aligned}
#: Widest code that is unpacked with a table.
TABLE_BITS = 12
#: Widest codes whose pairs use a table.
PAIR_BITS = 8
Pair = tuple[NDArray, NDArray]


def matmul(a: NDArray, b: NDArray, spec: MacSpec, scales: Pair | None = None) -> Pair:
    """Sums and flags of ``a @ b``, shape (M, N).

    ``a`` (M, K) and ``b`` (K, N) hold checked codes; K is a multiple of ``spec.lanes``. ``scales``
    are the codes of the scales of their blocks, (M, blocks) and (blocks, N). Units that are too
    wide for int64 arithmetic use `sim.golden`.
    """
    if spec.blocks:
        return blocks.matmul(a, b, spec, scales, matmul)
    kind = _KINDS[type(spec.acc)]
    if not (_fits(spec.a) and _fits(spec.b) and kind.supports(spec)):
        return golden.matmul(a, b, spec)
    x, y = (
        unpack(codes.astype(np.int64, copy=False), fmt) for codes, fmt in ((a, spec.a), (b, spec.b))
    )
    sums = kind.matmul(x, y, spec)
    return sums, fixed.flags(x, y) if spec.flag_bits else np.zeros(sums.shape, np.uint8)


def _fits(fmt: Format) -> bool:
    """Whether a significand fits an int64 with room for a digit of `sim.vector.fixed`."""
    return fmt.width <= 62 and fmt.precision <= 31


def require_step(spec: MacSpec) -> None:
    """Raise SpecError if `stepper` does not support a unit."""
    if spec.blocks:
        raise SpecError(
            f"Sums in blocks cannot be simulated cycle by cycle, and {spec} has blocks; sim.matmul "
            "computes them"
        )
    fits = max(spec.a.width, spec.b.width) <= 32 and _KINDS[type(spec.acc)].supports(spec)
    require(fits, "Array mac", "a unit whose steps fit int64, or a fixed-point one", str(spec))


def sum_dtype(spec: MacSpec) -> np.dtype[Any]:
    """Dtype of the sums: int64, or Python integers if a step can exceed int64."""
    wide = isinstance(spec.acc, FixedAccumulator) and not fixed.narrow(spec, spec.acc)
    return np.dtype(object if wide else np.int64)


def stepper(spec: MacSpec) -> Callable[[NDArray, NDArray, NDArray, NDArray, NDArray], Pair]:
    """Function that steps many accumulators of a unit at once; see `require_step`.

    Its arguments are accumulators and their flags, (M, N); codes of the operands a and b,
    (M, lanes, N), for each accumulator its own; and where a sum starts, (M, N). It returns the
    accumulators and flags after these products. What depends only on the unit is computed once.
    """
    sums, raised = _sums(spec), _raised(spec)

    def one(acc: NDArray, flags: NDArray, a: NDArray, b: NDArray, first: NDArray) -> Pair:
        total = sums(np.where(first, 0, acc), a, b)
        return total, np.where(first, 0, flags) | raised(a, b) if raised else flags

    return one


def _sums(spec: MacSpec) -> Callable[[NDArray, NDArray, NDArray], NDArray]:
    """Function that computes new sums from old sums and operands."""
    acc = spec.acc
    if (
        isinstance(acc, FixedAccumulator)
        and fixed.exact(spec, acc)
        and max(spec.a.width, spec.b.width) <= TABLE_BITS
    ):
        x, y = _units(spec.a) << spec.product_lsb - acc.lsb_exp, _units(spec.b)
        if spec.lanes == 1:  # Without a sum over lanes.
            return lambda old, a, b: fixed.add(old, (x.take(a) * y.take(b))[:, 0], acc)
        return lambda old, a, b: fixed.add(old, (x.take(a) * y.take(b)).sum(axis=1), acc)
    step = _KINDS[type(acc)].step
    return lambda old, a, b: step(old, _parts(a, spec.a), _parts(b, spec.b), spec)


def _raised(spec: MacSpec) -> Callable[[NDArray, NDArray], NDArray] | None:
    """Function that computes the flags, (M, N), of products; None if sums have no flags."""
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
    """Flags of the products of all pairs of codes. The index has the code of b in the low bits."""
    x, y = _table(a)[:, None, None], _table(b)[None, None, :]
    return fixed.step_flags(x, y).ravel()


@lru_cache(maxsize=32)
def _table(fmt: Format) -> Unpacked:
    """All codes of a format, unpacked."""
    return unpack(np.arange(1 << fmt.width), fmt)


@lru_cache(maxsize=32)
def _units(fmt: Format) -> NDArray:
    """Values of all codes in units of the format's lsb; 0 for infinities and NaN."""
    table = _table(fmt)
    units: NDArray = table.sig << table.exp
    return units


def _parts(codes: NDArray, fmt: Format) -> Unpacked:
    """Unpack codes."""
    return _table(fmt)[codes] if fmt.width <= TABLE_BITS else unpack(codes, fmt)
