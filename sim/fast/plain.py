# SPDX-License-Identifier: Apache-2.0
"""The kernels of `sim.fast` in numpy: one outer product a k, on blocks that stay in a cache."""

import numpy as np
import numpy.typing as npt

from sim.codes import Array
from sim.fast.rounding import HALF, HALF_MAX, HALF_SATURATED, Float64Rounding
from sim.fast.threads import by_rows

__all__ = ["chain", "exact", "stepwise"]

#: Sums that are worked on together.
BLOCK = 1 << 16


def chain(a: Array, b: Array, table_a: npt.NDArray[np.float32], table_b: npt.NDArray[np.float32],
          drop: int) -> npt.NDArray[np.float32]:
    """As `sim.fast.kernels.Kernels.chain`."""
    rows, cols = a.shape[0], b.shape[1]
    y = table_b[b]
    out = np.zeros((rows, cols), np.float32)

    def work(block: slice) -> None:
        x, total = table_a[a[block]], out[block]
        product = np.empty_like(total)
        with np.errstate(all="ignore"):
            for k in range(x.shape[1]):
                np.multiply(x[:, k, None], y[k], out=product)
                total += product
                if drop in (HALF, HALF_SATURATED):
                    total[:] = total.astype(np.float16)
                    if drop == HALF_SATURATED:
                        np.clip(total, -HALF_MAX, HALF_MAX, out=total)
                elif drop:
                    _shorten(total.view(np.uint32), drop)

    by_rows(rows, work, products=rows * b.size, most=max(1, BLOCK // cols))
    return out


def _shorten(bits: npt.NDArray[np.uint32], drop: int) -> None:
    """Round binary32 numbers to ``drop`` bits less, to nearest even, in place.

    A carry goes on into the exponent, as it should, up to that of infinity.
    """
    odd = bits >> np.uint32(drop) & np.uint32(1)
    bits += odd + np.uint32((1 << drop - 1) - 1)
    bits &= np.uint32((1 << 32) - (1 << drop))


def exact(a: Array, b: Array, table_a: Array, table_b: Array) -> Array:
    """As `sim.fast.kernels.Kernels.exact`."""
    sums: Array = table_a[a] @ table_b[b]
    return sums


def stepwise(a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], lanes: int,
             rounding: Float64Rounding) -> npt.NDArray[np.float64]:
    """As `sim.fast.kernels.Kernels.stepwise`."""
    rows, cols = a.shape[0], b.shape[1]
    out = np.zeros((rows, cols))

    def work(block: slice) -> None:
        x, total = a[block], out[block]
        with np.errstate(all="ignore"):
            for k in range(0, x.shape[1], lanes):
                for lane in range(k, k + lanes):
                    total += x[:, lane, None] * b[lane]
                total[:] = _rounded(total, rounding)

    by_rows(rows, work, products=rows * b.size, most=max(1, BLOCK // cols))
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
