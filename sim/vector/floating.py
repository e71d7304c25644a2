# SPDX-License-Identifier: Apache-2.0
"""Matrix products with a floating-point accumulator, vectorised over M and N.

Every step aligns accumulator and products in a window of an int64, whose top is that of the largest
possible term. Operands and accumulator are kept normalised (the top bit of a significand set), so a
term that loses bits at the lower end of the window is far below the largest one. With one product
the lost bits are then as good as a sticky bit; with more, which may cancel, the few sums concerned
are done on Python integers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hw.spec import Flag, FloatAccumulator, Format, MacSpec, Overflow, Rounding
from sim.codes import Array, code_dtype
from sim.golden import special_code
from sim.vector.rounding import MAX_BITS, bit_length, holds, magnitude_codes, round_to
from sim.vector.unpack import FLAGS, Unpacked

__all__ = ["matmul", "supports"]

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Flags = npt.NDArray[np.uint8]
Term = tuple[Ints, Ints, int]  # significand, exponent, bits of the largest significand

#: Exponent of a zero: below all others, also when another exponent is added.
LOWEST = -(1 << 20)
#: Sums that are worked on together; some dozen arrays of them stay in a cache.
BLOCK = 1 << 13


def supports(spec: MacSpec) -> bool:
    """Whether the window is wide enough for this unit."""
    assert isinstance(spec.acc, FloatAccumulator)
    return holds(spec.acc.fmt) and _term_bits(spec) <= _window(spec) - 4


def _window(spec: MacSpec) -> int:
    """Bits of the window below the sum's carries."""
    return MAX_BITS - spec.lanes.bit_length()


def _significand_bits(fmt: Format) -> int:
    """Bits of the largest significand; that of -128 in int8 has eight."""
    return max(fmt.precision, (-fmt.min_units).bit_length() if fmt.is_integer else 0)


def _term_bits(spec: MacSpec) -> int:
    """Bits of the largest significand among product and accumulator."""
    assert isinstance(spec.acc, FloatAccumulator)
    return max(_significand_bits(spec.a) + _significand_bits(spec.b), spec.acc.fmt.precision + 1)


def matmul(a: Unpacked, b: Unpacked, spec: MacSpec) -> Array:
    """Codes of the sums of ``a`` (M, K) times ``b`` (K, N) in the accumulator's format."""
    assert isinstance(spec.acc, FloatAccumulator)
    a, b = _normalise(a, spec.a), _normalise(b, spec.b)
    rows, cols = a.sig.shape[0], b.sig.shape[1]
    result = np.empty((rows, cols), dtype=code_dtype(spec.acc.fmt.width))
    wide = min(cols, BLOCK)
    high = max(1, BLOCK // wide)
    for n in range(0, cols, wide):
        for m in range(0, rows, high):
            sums = _Sums.zeros(spec, (min(high, rows - m), min(wide, cols - n)))
            sums.accumulate(a[m:m + high], b[:, n:n + wide])
            result[m:m + high, n:n + wide] = sums.codes()
    return result


def _normalise(x: Unpacked, fmt: Format) -> Unpacked:
    """Significands with their top bit set, and exponents to fit; a zero has the lowest one."""
    left = _significand_bits(fmt) - bit_length(abs(x.sig))
    exp = np.where(x.sig == 0, LOWEST, x.exp + fmt.lsb - left)
    return Unpacked(x.sig << left, exp, x.negative, x.classes)


@dataclass
class _Sums:
    """A block of accumulators: ``sig * 2**exp``, unless ``flags`` says Inf or NaN.

    ``sig`` is 0 or has ``precision`` bits, ``minus`` tells minus zero from plus zero.
    """

    spec: MacSpec
    acc: FloatAccumulator
    sig: Ints
    exp: Ints
    minus: Bools
    flags: Flags

    @classmethod
    def zeros(cls, spec: MacSpec, shape: tuple[int, int]) -> "_Sums":
        """Accumulators that hold plus zero."""
        assert isinstance(spec.acc, FloatAccumulator)
        return cls(spec, spec.acc, np.zeros(shape, np.int64), np.full(shape, LOWEST, np.int64),
                   np.zeros(shape, np.bool_), np.zeros(shape, np.uint8))

    def accumulate(self, a: Unpacked, b: Unpacked) -> None:
        """Add all products of ``a`` (M, K) and ``b`` (K, N) in order of k."""
        special: Bools = np.logical_or(a.special.any(axis=0), b.special.any(axis=1))
        for k in range(0, a.sig.shape[1], self.spec.lanes):
            lanes = range(k, k + self.spec.lanes)
            for lane in lanes:
                if special[lane]:
                    self.flags |= FLAGS[a.classes[:, lane, None], b.classes[lane]]
            self._add([(a[:, lane, None], b[lane]) for lane in lanes])

    def _add(self, pairs: list[tuple[Unpacked, Unpacked]]) -> None:
        """Add the products of one group of lanes and round once."""
        bits = _significand_bits(self.spec.a) + _significand_bits(self.spec.b)
        terms: list[Term] = [(self.sig, self.exp, self.acc.fmt.precision + 1)]
        terms += [(a.sig * b.sig, a.exp + b.exp, bits) for a, b in pairs]
        total, exp = _sum(terms, _window(self.spec))
        magnitude = abs(total)
        sig, exp = round_to(self.acc.fmt, magnitude, exp, self.acc.rounding)
        negative: Bools = np.less(total, 0)
        if not self.acc.subnormals:
            below: Bools = np.less(exp + (sig >> self.acc.fmt.precision), self.acc.fmt.lsb)
            sig[below] = 0
        zero: Bools = np.equal(sig, 0)
        if zero.any():
            exp[zero] = LOWEST
            stays = self.minus & (total == 0)
            for a, b in pairs if stays.any() else ():
                stays &= a.negative != b.negative
            self.minus = zero & (negative | stays)
        elif self.minus.any():
            self.minus = np.zeros_like(self.minus)
        self._limit(sig, exp, negative)
        self.sig, self.exp = np.where(negative, -sig, sig), exp

    def _limit(self, sig: Ints, exp: Ints, negative: Bools) -> None:
        """Treat overflow of the rounded magnitudes, in place."""
        fmt = self.acc.fmt
        largest = fmt.unpack(fmt.max_code)
        highest = largest.exp + fmt.lsb
        if exp.max() < highest:
            return
        beyond = exp + (sig >> fmt.precision) > highest
        sig[beyond], exp[beyond] = largest.sig, highest
        if self.acc.overflow is Overflow.INF and self.acc.rounding is Rounding.RNE:
            flag = np.where(negative, Flag.NEG_INF, Flag.POS_INF).astype(np.uint8)
            self.flags = np.where(beyond & (self.flags == Flag.FINITE), flag, self.flags)

    def codes(self) -> Ints:
        """Codes in the accumulator's format."""
        fmt = self.acc.fmt
        codes = magnitude_codes(fmt, abs(self.sig), self.exp)
        codes |= np.where((self.sig < 0) | self.minus, fmt.sign_code, 0)
        for flag in (Flag.POS_INF, Flag.NEG_INF, Flag.NAN):
            codes[self.flags == flag] = special_code(fmt, flag)
        return codes


def _sum(terms: list[Term], window: int) -> tuple[Ints, Ints]:
    """Sum of the terms ``sig * 2**exp`` as ``total * 2**exp``, good for one rounding."""
    top = terms[0][1] + terms[0][2]
    for _, exp, bits in terms[1:]:
        top = np.maximum(top, exp + bits)
    base = top - window
    total = np.zeros_like(base)
    lossy = np.zeros(base.shape, np.bool_)
    for sig, exp, _ in terms:
        left = exp - base
        if left.min() >= 0:
            total += sig << left
            continue
        right = np.clip(-left, 0, 63)
        placed = sig << np.maximum(left, 0)
        kept = placed >> right
        lost = (kept << right) != placed
        total += kept | lost
        lossy |= lost
    if len(terms) > 2 and lossy.any():
        for index in zip(*np.nonzero(lossy), strict=True):
            total[index], base[index] = _exact_sum([(int(s[index]), int(e[index]))
                                                    for s, e, _ in terms])
    return total, base


def _exact_sum(terms: list[tuple[int, int]]) -> tuple[int, int]:
    """Sum of a few terms on Python integers, cut to the window with a sticky last bit."""
    terms = [(sig, exp) for sig, exp in terms if sig]
    base = min(exp for _, exp in terms)
    total = sum(sig << (exp - base) for sig, exp in terms)
    excess = max(total.bit_length() - MAX_BITS, 0)
    kept = total >> excess
    return kept | (kept << excess != total), base + excess
