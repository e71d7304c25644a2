# SPDX-License-Identifier: Apache-2.0
"""Aligned sums in numpy: places of the terms on bytes, terms cut to integers in floating point."""

import numpy as np

from sim.codes import NDArray
from sim.fast.plain import BLOCK, FEW, unbuffered
from sim.fast.threads import by_rows

__all__ = ["aligned"]


def aligned(a: NDArray, b: NDArray, tables: list[NDArray], places: list[NDArray], lanes: int, frac: int,
            kept: int, fraction: int, lowest: int) -> NDArray:
    """Sums of ``lanes`` terms at a time, cut ``frac`` bits below the largest one's units place.

    ``tables`` and ``places`` hold value and units place by code; a sum keeps ``kept`` of the
    ``fraction`` bits of its type. Terms that are not zero have places from ``lowest`` on, those
    that are zero lower ones. Integers of a group fit the fraction, so that they add up exactly.
    """
    rows, cols = a.shape[0], b.shape[1]
    values, where = tables[1].take(b), places[1].take(b)
    out = np.zeros((rows, cols), values.dtype)

    def work(block: slice) -> None:
        codes = np.ascontiguousarray(a[block].T)
        x, at_x = tables[0].take(codes)[:, :, None], places[0].take(codes)[:, :, None]
        group = _Group(out[block], where.dtype, frac, fraction, lowest)
        with unbuffered():
            for first in range(0, len(x), lanes):
                part = slice(first, first + lanes)
                group.find(at_x[part], where[part])
                group.add(x[part], values[part])
                group.finish(fraction - kept)

    by_rows(rows, work, products=rows * b.size, most=max(1, BLOCK // cols),
            blocks=FEW)
    return out


class _Group:
    """Sums of a block before and after a group of lanes, and memory to work in."""

    def __init__(self, sums: NDArray, kind: np.dtype[np.signedinteger], frac: int, fraction: int,
                 lowest: int) -> None:
        self.sums, self.frac, self.fraction = sums, frac, fraction
        self.bits = sums.view(f"i{sums.itemsize}")
        self.bias = (1 << 8 * sums.itemsize - fraction - 2) - 1
        self.floor = kind.type(lowest - frac)
        self.top, self.place = np.empty(sums.shape, kind), np.empty(sums.shape, kind)
        self.term, self.scale = np.empty_like(sums), np.empty_like(sums)

    def find(self, at_x: NDArray, at_y: NDArray) -> None:
        """Largest places of sums and terms; without any, one that is low enough."""
        exponents = (self.bits >> self.fraction & 2 * self.bias + 1) - self.bias
        np.maximum(exponents, self.floor, out=self.top, casting="unsafe")
        for column, row in zip(at_x, at_y, strict=True):
            np.add(column, row, out=self.place)
            np.maximum(self.top, self.place, out=self.top)

    def add(self, x: NDArray, y: NDArray) -> None:
        """Sums as integers at the common place, the terms' added."""
        self._power(self.frac - self.top.astype(self.bits.dtype))
        self.sums *= self.scale
        np.trunc(self.sums, out=self.sums)
        for column, row in zip(x, y, strict=True):
            np.multiply(column, row, out=self.term)
            np.multiply(self.term, self.scale, out=self.term)
            np.trunc(self.term, out=self.term)
            np.add(self.sums, self.term, out=self.sums)

    def finish(self, drop: int) -> None:
        """Sums as they are, less their last ``drop`` bits."""
        self._power(self.top.astype(self.bits.dtype) - self.frac)
        self.sums *= self.scale
        self.bits &= -1 << drop

    def _power(self, exponent: NDArray) -> None:
        """Scale by ``2**exponent``."""
        np.left_shift(exponent + self.bias, self.fraction, out=self.scale.view(self.bits.dtype))
