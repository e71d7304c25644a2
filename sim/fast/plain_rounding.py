# SPDX-License-Identifier: Apache-2.0
"""Rounding of binary32 numbers to shorter ones, to nearest even, in few passes of numpy.

``c = t * (2**drop + 1)`` and ``c - (c - t)`` leave ``t`` without its last ``drop`` bits (T. J.
Dekker, A Floating-Point Technique for Extending the Available Precision, 1971); tests show for all
significands that ties go to even. That needs sums so small that ``c`` is finite and nothing
overflows. Before each few steps the largest sum tells if they stay so; if not, those steps round by
the bits. Where sums can be finer than the smallest result, a number with the wanted last place is
added and taken away instead.
"""

import numpy as np
import numpy.typing as npt

from sim.fast.rounding import HALF, HALF_MAX, HALF_SATURATED

__all__ = ["STEPS", "Shortening", "unit"]

Floats = npt.NDArray[np.float32]

#: Steps between looks at the largest sum.
STEPS = 16
#: Of binary32: bits of the significand, exponents of the largest and the smallest number.
SIGNIFICAND, TOP, SINGLE_LSB = 24, 127, -149
#: Its fields.
SIGN, EXPONENT = np.uint32(1 << 31), np.uint32(0xFF << 23)
#: Of binary16: bits that it has less, exponent of its smallest number, smallest normal number.
HALF_DROP, HALF_LSB, HALF_NORMAL = 13, -24, np.float32(2.0**-14)


class Shortening:
    """How the sums of a block are rounded after each step.

    Parameters
    ----------
    drop
        As in `sim.fast.kernels.Kernels.chain`.
    lsb
        All products are multiples of ``2**lsb``.
    x, y
        Operands (K, rows) and (K, columns), which tell how much a step can add.
    """

    def __init__(self, drop: int, lsb: int, x: Floats, y: Floats) -> None:
        self._half = drop if drop in (HALF, HALF_SATURATED) else 0
        self._drop = HALF_DROP if self._half else drop
        self._fine = bool(self._half) and lsb < HALF_LSB
        self._factor = np.float32((1 << self._drop) + 1)
        self._limit = HALF_MAX if self._half else 2.0 ** (TOP - 1 - self._drop)
        if not self._half and lsb < SINGLE_LSB + drop:
            self._limit = 0.0  # Never small.
        self._growth = (1 + 2.0 ** (self._drop - SIGNIFICAND)) ** (STEPS + 1)
        self._signs = np.empty((x.shape[1], y.shape[1]) if self._fine else 0, np.uint32)
        with np.errstate(all="ignore"):
            steps = (np.abs(x).max(1) * np.abs(y).max(1)).astype(np.float64)
            self._more = np.add.reduceat(steps, range(0, len(steps), STEPS))
        self._small = False

    def round(self, k: int, total: Floats, spare: Floats) -> None:
        """Round the sums after step ``k``, which was the first to change them since the last."""
        if k % STEPS == 0:
            # The step is counted twice, having been added: once too often does no harm.
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
        """Round whatever numbers, infinities and NaN too."""
        if self._half:
            total[:] = total.astype(np.float16)
            if self._half == HALF_SATURATED:
                np.clip(total, -HALF_MAX, HALF_MAX, out=total)
            return
        bits, drop = total.view(np.uint32), self._drop
        odd = bits >> np.uint32(drop) & np.uint32(1)
        # A carry goes on into the exponent, as it should, up to that of infinity.
        bits += odd + np.uint32((1 << drop - 1) - 1)
        bits &= np.uint32((1 << 32) - (1 << drop))


def _to_place(total: Floats, spare: Floats, signs: npt.NDArray[np.uint32]) -> None:
    """Round to binary16, subnormal numbers too: to its last place of each sum's exponent."""
    bits, exponents = total.view(np.uint32), spare.view(np.uint32)
    np.bitwise_and(bits, EXPONENT, out=exponents)
    np.maximum(spare, HALF_NORMAL, out=spare)
    np.multiply(spare, np.float32(1.5 * 2**HALF_DROP), out=spare)
    np.bitwise_and(bits, SIGN, out=signs)
    np.add(total, spare, out=total)
    np.subtract(total, spare, out=total)
    np.bitwise_or(bits, signs, out=bits)  # A zero keeps the sign of what became zero.


def unit(table: Floats) -> int:
    """Largest exponent of which all finite values of ``table`` are multiples."""
    fractions, exponents = np.frexp(table[np.isfinite(table) & (table != 0)])
    integers = np.ldexp(fractions, SIGNIFICAND).astype(np.int64)
    last = np.frexp((integers & -integers).astype(np.float32))[1] - 1
    return int((exponents - SIGNIFICAND + last).min())
