# SPDX-License-Identifier: Apache-2.0
"""How far the sums of an accumulator are from the exact ones, for more and more products."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import sim
from hw.spec import CATALOG, FloatAccumulator, MacSpec, parse_mac
from reports.studies.accumulation.operands import FORMAT, SIDE, Operands
from sim.digits import sums_to_float

__all__ = ["Point", "accumulation", "encoding"]

Array = npt.NDArray[Any]
Pair = tuple[Array, Array]

#: Products that are unpacked at a time, for each sum.
CHUNK = 512


class Point(NamedTuple):
    """Error of sums of ``k`` products, or which share of them is infinite."""

    k: int
    error: float
    infinite: float = 0.0


def encoding(operands: Operands, ks: Sequence[int]) -> Iterator[Point]:
    """How far the exact sums of the codes are from those of the real numbers."""
    mac = parse_mac(FORMAT)
    a, b = (sim.decode(codes, fmt).astype(np.float64) * scale for codes, fmt, scale in zip(
        operands.codes(mac), (mac.a, mac.b), operands.scales, strict=True))
    real_a, real_b = operands.a.astype(np.float64), operands.b.astype(np.float64)
    for k in ks:
        yield Point(k, _ratio(a[:, :k] @ b[:k], real_a[:, :k] @ real_b[:k]))


def accumulation(operands: Sequence[Operands], mac: MacSpec, headroom: int, ks: Sequence[int]
                 ) -> Iterator[list[Point]]:
    """Points of each kind of operands at every length."""
    pairs = [each.codes(mac, headroom) for each in operands]
    sums_of = _chained if isinstance(mac.acc, FloatAccumulator) else _anew
    for k, sums in zip(ks, sums_of(pairs, mac, ks), strict=True):
        yield [_point(k, own, _exact(a[:, :k], b[:k], mac))
               for own, (a, b) in zip(sums, pairs, strict=True)]


def _anew(pairs: Sequence[Pair], mac: MacSpec, ks: Sequence[int]) -> Iterator[Array]:
    """Sums of each pair at every length, (pairs, SIDE, SIDE), each from the first product on."""
    for k in ks:
        yield np.stack([sums_to_float(sim.matmul(a[:, :k], b[:k], mac), mac) for a, b in pairs])


def _chained(pairs: Sequence[Pair], mac: MacSpec, ks: Sequence[int]) -> Iterator[Array]:
    """As `_anew` for one lane and a floating-point accumulator, each product added only once.

    The accumulator sees nothing of a product but its value, which is exact. So the sum so far and
    the products after it are summed as FP32 numbers, which hold them all, times one.
    """
    fp32 = CATALOG["fp32"]
    wide = MacSpec(a=fp32, b=fp32, acc=mac.acc)
    a, b = (np.stack([sim.decode(codes, fmt).astype(np.float32) for codes in side])
            for side, fmt in zip(zip(*pairs, strict=True), (mac.a, mac.b), strict=True))
    one = np.float32(1).view(np.uint32)
    sums: Array = np.zeros((len(pairs), SIDE, SIDE), np.float32)
    start = 0
    for k in ks:
        while start < k and np.isfinite(sums).any():  # What is infinite stays so.
            end = min(k, start + CHUNK)
            products = a[:, :, None, start:end] * b.transpose(0, 2, 1)[:, None, :, start:end]
            terms = np.concatenate([sums[..., None], products], axis=-1).reshape(sums.size, -1)
            ones = np.full((terms.shape[1], 1), one)
            codes = sim.matmul(terms.astype(np.float32).view(np.uint32), ones, wide)
            sums, start = sums_to_float(codes, wide).reshape(sums.shape), end
        yield sums


def _exact(a: Array, b: Array, mac: MacSpec) -> Array:
    """Product of codes: whole numbers of units below 2**53, so that no order of sums rounds."""
    x, y = sim.decode(a, mac.a).astype(np.float64), sim.decode(b, mac.b).astype(np.float64)
    exact: Array = x @ y
    return exact


def _point(k: int, sums: Array, exact: Array) -> Point:
    """Error of ``sums``, if all of them are finite."""
    infinite = float(np.isinf(sums).mean())
    return Point(k, 0.0 if infinite else _ratio(sums, exact), infinite)


def _ratio(sums: Array, exact: Array) -> float:
    """Root mean square of the error, relative to that of the exact sums."""
    return float(np.sqrt(np.mean((sums - exact)**2) / np.mean(exact**2)))
