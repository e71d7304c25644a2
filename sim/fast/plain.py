# SPDX-License-Identifier: Apache-2.0
"""The kernels of `sim.fast` in numpy: one outer product a k, on blocks that stay in a cache."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from sim.codes import NDArray
from sim.fast.plain_rounding import Shortening, unit
from sim.fast.rounding import Float64Rounding
from sim.fast.threads import by_rows

__all__ = ["BLOCK", "FEW", "chain", "exact", "stepwise", "unbuffered"]

#: Sums that are worked on together.
BLOCK = 1 << 16
#: Blocks a processor: a call of numpy on few sums is mostly overhead.
FEW = 2
#: Fewest elements of numpy's buffer.
SMALLEST = 16


@contextmanager
def unbuffered() -> Iterator[None]:
    """Arithmetic without warnings, in which numpy copies no operand whose rows are shorter than
    its buffer: a product of a column and a row takes a third of the time.
    """
    with np.errstate(all="ignore"):
        kept = np.setbufsize(SMALLEST)
        try:
            yield
        finally:
            np.setbufsize(kept)


def chain(a: NDArray, b: NDArray, table_a: npt.NDArray[np.float32], table_b: npt.NDArray[np.float32],
          drop: int) -> npt.NDArray[np.float32]:
    """As `sim.fast.kernels.Kernels.chain`."""
    rows, cols = a.shape[0], b.shape[1]
    y = table_b.take(b)
    out = np.zeros((rows, cols), np.float32)
    lsb = unit(table_a) + unit(table_b)

    def work(block: slice) -> None:
        x, total = table_a.take(np.ascontiguousarray(a[block].T)), out[block]
        product = np.empty_like(total)
        shortening = Shortening(drop, lsb, x, y) if drop else None
        with unbuffered():
            for k in range(len(x)):
                np.multiply(x[k, :, None], y[k], out=product)
                np.add(total, product, out=total)
                if shortening:
                    shortening.round(k, total, product)

    by_rows(rows, work, products=rows * b.size, most=max(1, BLOCK // cols),
            blocks=FEW)
    return out


def exact(a: NDArray, b: NDArray, table_a: NDArray, table_b: NDArray) -> NDArray:
    """As `sim.fast.kernels.Kernels.exact`."""
    sums: NDArray = table_a[a] @ table_b[b]
    return sums


def stepwise(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], lanes: int,
             rounding: Float64Rounding) -> npt.NDArray[np.float64]:
    """As `sim.fast.kernels.Kernels.stepwise`."""
    rows, cols = a.shape[0], b.shape[1]
    out = np.zeros((rows, cols))

    def work(block: slice) -> None:
        x, total = a[block], out[block]
        with unbuffered():
            for k in range(0, x.shape[1], lanes):
                for lane in range(k, k + lanes):
                    total += x[:, lane, None] * b[lane]
                total[:] = _rounded(total, rounding)

    by_rows(rows, work, products=rows * b.size, most=max(1, BLOCK // cols),
            blocks=FEW)
    return out


def _rounded(x: npt.NDArray[np.float64], how: Float64Rounding) -> npt.NDArray[np.float64]:
    """Round ``x`` once."""
    magnitude = abs(x)
    bits = magnitude.view(np.int64)
    mask = -(1 << how.drop)
    if how.nearest:
        result = (bits + ((bits >> how.drop & 1) + (1 << how.drop - 1) - 1) & mask).view(np.float64)
        low = np.rint(magnitude / how.unit) * how.unit
    else:
        result = (bits & mask).view(np.float64)
        low = np.floor(magnitude / how.unit) * how.unit
    result = np.where(magnitude < how.min_normal, low, result)
    result[(result > how.largest) & (magnitude < np.inf)] = how.beyond
    if how.flush:
        result[result < how.min_normal] = 0
    return np.copysign(result, x)
