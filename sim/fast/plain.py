# SPDX-License-Identifier: Apache-2.0
"""The kernels of `sim.fast` in numpy: one outer product per k, on blocks that fit the cache.

Binary32 sums are rounded to shorter numbers, to nearest even, in a few passes:
``c = t * (2**drop + 1)``, then ``c - (c - t)`` is ``t`` rounded by ``drop`` bits (T. J. Dekker, A
Floating-Point Technique for Extending the Available Precision, 1971). Tests check for all
significands that ties go to even. This requires that ``c`` is finite and nothing overflows. Every
few steps, the largest sum shows whether that holds; if not, those steps round with integer
operations on the bits. If sums can have bits below the smallest result, a number with the wanted
lsb is added and subtracted instead.

Aligned sums keep the places of terms in bytes, if they fit, and truncate terms to integers in
floating point.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from sim.codes import NDArray
from sim.fast.numbers import HALF, HALF_MAX, HALF_SATURATED, Float64Rounding
from sim.fast.threads import by_rows

Floats = npt.NDArray[np.float32]

#: Sums computed at a time.
BLOCK = 1 << 16
#: Blocks per processor. numpy calls on small blocks are mostly overhead.
FEW = 2
#: Smallest size of numpy's buffer, in elements.
SMALLEST = 16
#: Steps between checks of the largest sum.
STEPS = 16
#: Binary32: significand bits, exponents of the largest and the smallest number.
SIGNIFICAND, TOP, SINGLE_LSB = 24, 127, -149
#: Binary32: bit fields.
SIGN, EXPONENT = np.uint32(1 << 31), np.uint32(0xFF << 23)
#: Binary16: missing fraction bits of binary32, exponent of the smallest number, smallest normal.
HALF_DROP, HALF_LSB, HALF_NORMAL = 13, -24, np.float32(2.0**-14)


@contextmanager
def _unbuffered() -> Iterator[None]:
    """Disable warnings, and shrink numpy's buffer so that operands are not copied to it.

    An outer product then takes a third of the time.
    """
    with np.errstate(all="ignore"):
        kept = np.setbufsize(SMALLEST)
        try:
            yield
        finally:
            np.setbufsize(kept)


def chain(a: NDArray, b: NDArray, table_a: Floats, table_b: Floats, drop: int) -> Floats:
    """As `sim.fast.kernels.Kernels.chain`."""
    rows, cols = a.shape[0], b.shape[1]
    y = table_b.take(b)
    out = np.zeros((rows, cols), np.float32)
    lsb = unit(table_a) + unit(table_b)

    def work(block: slice) -> None:
        x, total = table_a.take(np.ascontiguousarray(a[block].T)), out[block]
        product = np.empty_like(total)
        shortening = Shortening(drop, lsb, x, y) if drop else None
        with _unbuffered():
            for k in range(len(x)):
                np.multiply(x[k, :, None], y[k], out=product)
                np.add(total, product, out=total)
                if shortening:
                    shortening.round(k, total, product)

    by_rows(rows, work, products=rows * b.size, most=max(1, BLOCK // cols), blocks=FEW)
    return out


def exact(a: NDArray, b: NDArray, table_a: NDArray, table_b: NDArray) -> NDArray:
    """As `sim.fast.kernels.Kernels.exact`."""
    sums: NDArray = table_a[a] @ table_b[b]
    return sums


def stepwise(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], lanes: int, rounding: Float64Rounding
) -> npt.NDArray[np.float64]:
    """As `sim.fast.kernels.Kernels.stepwise`."""
    rows, cols = a.shape[0], b.shape[1]
    out = np.zeros((rows, cols))

    def work(block: slice) -> None:
        x, total = a[block], out[block]
        with _unbuffered():
            for k in range(0, x.shape[1], lanes):
                for lane in range(k, k + lanes):
                    total += x[:, lane, None] * b[lane]
                total[:] = _rounded(total, rounding)

    by_rows(rows, work, products=rows * b.size, most=max(1, BLOCK // cols), blocks=FEW)
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


class Shortening:
    """Rounds the sums of a block after each step.

    Parameters
    ----------
    drop
        As in `sim.fast.kernels.Kernels.chain`.
    lsb
        Products are multiples of ``2**lsb_exp``.
    x, y
        Operands (K, rows) and (K, columns), which bound how much a step can add.
    """

    def __init__(self, drop: int, lsb: int, x: Floats, y: Floats) -> None:
        self._half = drop if drop in (HALF, HALF_SATURATED) else 0
        self._drop = HALF_DROP if self._half else drop
        self._fine = bool(self._half) and lsb < HALF_LSB
        self._factor = np.float32((1 << self._drop) + 1)
        self._limit = HALF_MAX if self._half else 2.0 ** (TOP - 1 - self._drop)
        if not self._half and lsb < SINGLE_LSB + drop:
            self._limit = 0.0  # Sums never count as small.
        self._growth = (1 + 2.0 ** (self._drop - SIGNIFICAND)) ** (STEPS + 1)
        self._signs = np.empty((x.shape[1], y.shape[1]) if self._fine else 0, np.uint32)
        with np.errstate(all="ignore"):
            steps = (np.abs(x).max(1) * np.abs(y).max(1)).astype(np.float64)
            self._more = np.add.reduceat(steps, range(0, len(steps), STEPS))
        self._small = False

    def round(self, k: int, total: Floats, spare: Floats) -> None:
        """Round the sums. Must be called after every step ``k``."""
        if k % STEPS == 0:
            # This step is already in the sums, so it counts twice; that is harmless.
            top = max(float(total.max()), -float(total.min()))
            self._small = (top + self._more[k // STEPS]) * self._growth < self._limit
        if not self._small:
            self._by_bits(total)
        elif self._fine:
            _to_place(total, spare, self._signs)
        else:
            np.multiply(total, self._factor, out=spare)
            np.subtract(spare, total, out=total)
            np.subtract(spare, total, out=total)

    def _by_bits(self, total: Floats) -> None:
        """Round any numbers, including infinities and NaN, with integer operations."""
        if self._half:
            total[:] = total.astype(np.float16)
            if self._half == HALF_SATURATED:
                np.clip(total, -HALF_MAX, HALF_MAX, out=total)
            return
        bits, drop = total.view(np.uint32), self._drop
        odd = bits >> np.uint32(drop) & np.uint32(1)
        # A carry moves into the exponent, as it should, up to infinity.
        bits += odd + np.uint32((1 << drop - 1) - 1)
        bits &= np.uint32((1 << 32) - (1 << drop))


def _to_place(total: Floats, spare: Floats, signs: npt.NDArray[np.uint32]) -> None:
    """Round to the binary16 lsb for each sum's exponent, including subnormals."""
    bits, exponents = total.view(np.uint32), spare.view(np.uint32)
    np.bitwise_and(bits, EXPONENT, out=exponents)
    np.maximum(spare, HALF_NORMAL, out=spare)
    np.multiply(spare, np.float32(1.5 * 2**HALF_DROP), out=spare)
    np.bitwise_and(bits, SIGN, out=signs)
    np.add(total, spare, out=total)
    np.subtract(total, spare, out=total)
    np.bitwise_or(bits, signs, out=bits)  # Keep the sign of numbers that became zero.


def unit(table: Floats) -> int:
    """Largest exponent e such that all finite values of ``table`` are multiples of ``2**e``."""
    fractions, exponents = np.frexp(table[np.isfinite(table) & (table != 0)])
    integers = np.ldexp(fractions, SIGNIFICAND).astype(np.int64)
    last = np.frexp((integers & -integers).astype(np.float32))[1] - 1
    return int((exponents - SIGNIFICAND + last).min())


def aligned(
    a: NDArray,
    b: NDArray,
    tables: list[NDArray],
    places: list[NDArray],
    lanes: int,
    frac: int,
    kept: int,
) -> NDArray:
    """As `sim.fast.kernels.Kernels.aligned`.

    Terms that are zero have the lowest places. The integers of a group fit the fraction, so their
    sum is exact.
    """
    rows, cols = a.shape[0], b.shape[1]
    values, where = tables[1].take(b), places[1].take(b)
    out = np.zeros((rows, cols), values.dtype)
    fraction = np.finfo(values.dtype).nmant
    lowest = sum(int(place[table != 0].min()) for table, place in zip(tables, places, strict=True))

    def work(block: slice) -> None:
        codes = np.ascontiguousarray(a[block].T)
        x, at_x = tables[0].take(codes)[:, :, None], places[0].take(codes)[:, :, None]
        group = _Group(out[block], where.dtype, frac, fraction, lowest)
        with _unbuffered():
            for first in range(0, len(x), lanes):
                part = slice(first, first + lanes)
                group.find(at_x[part], where[part])
                group.add(x[part], values[part])
                group.finish(fraction - kept)

    by_rows(rows, work, products=rows * b.size, most=max(1, BLOCK // cols), blocks=FEW)
    return out


class _Group:
    """Sums of a block before and after a group of lanes, with working memory."""

    def __init__(
        self, sums: NDArray, kind: np.dtype[np.signedinteger], frac: int, fraction: int, lowest: int
    ) -> None:
        self.sums, self.frac, self.fraction = sums, frac, fraction
        self.bits = sums.view(f"i{sums.itemsize}")
        self.bias = (1 << 8 * sums.itemsize - fraction - 2) - 1
        self.floor = kind.type(lowest - frac)
        self.top, self.place = np.empty(sums.shape, kind), np.empty(sums.shape, kind)
        self.term, self.scale = np.empty_like(sums), np.empty_like(sums)

    def find(self, at_x: NDArray, at_y: NDArray) -> None:
        """Find the largest places of sums and terms; without nonzero terms, a low one."""
        exponents = (self.bits >> self.fraction & 2 * self.bias + 1) - self.bias
        np.maximum(exponents, self.floor, out=self.top, casting="unsafe")
        for column, row in zip(at_x, at_y, strict=True):
            np.add(column, row, out=self.place)
            np.maximum(self.top, self.place, out=self.top)

    def add(self, x: NDArray, y: NDArray) -> None:
        """Add sums and terms as integers at the common place."""
        self._power(self.frac - self.top.astype(self.bits.dtype))
        self.sums *= self.scale
        np.trunc(self.sums, out=self.sums)
        self.sums += 0  # A zero sum is plus zero, also where everything is truncated to -0.
        for column, row in zip(x, y, strict=True):
            np.multiply(column, row, out=self.term)
            np.multiply(self.term, self.scale, out=self.term)
            np.trunc(self.term, out=self.term)
            np.add(self.sums, self.term, out=self.sums)

    def finish(self, drop: int) -> None:
        """Scale the sums back and truncate their last ``drop`` bits."""
        self._power(self.top.astype(self.bits.dtype) - self.frac)
        self.sums *= self.scale
        self.bits &= -1 << drop

    def _power(self, exponent: NDArray) -> None:
        """Scale by ``2**exponent``."""
        np.left_shift(exponent + self.bias, self.fraction, out=self.scale.view(self.bits.dtype))
