# SPDX-License-Identifier: Apache-2.0
"""Matrix products with a floating-point accumulator, vectorised over M and N.

Every step aligns the accumulator and the products in an int64 window whose top is that of the
largest possible term. Operands and accumulator are normalised (the top bit of each significand is
set), so a term that loses bits at the lower end of the window is much smaller than the largest one.
With one product, a sticky bit replaces the lost bits. With more products, which may cancel, the few
affected sums are computed in Python integers.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hw.spec import Flag, FloatAccumulator, Format, MacSpec, Overflow, Rounding
from sim.codes import NDArray, code_dtype
from sim.golden import special_code
from sim.vector.codes import (
    CLASS_FLAGS,
    FLAGS,
    MAX_BITS,
    Class,
    Unpacked,
    bit_length,
    holds,
    magnitude_codes,
    round_to,
    significand_bits,
    unpack,
)

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Flags = npt.NDArray[np.uint8]
Term = tuple[Ints, Ints, int]  # significand, exponent, bits of the largest significand

#: Exponent of a zero, below all others even after another exponent is added.
LOWEST = -(1 << 20)
#: Sums computed at a time, so that a dozen arrays of them stay in the cache.
BLOCK = 1 << 13


def supports(spec: MacSpec) -> bool:
    """Whether the window is wide enough for this unit."""
    assert isinstance(spec.acc, FloatAccumulator)
    unit = Unit.of(spec)
    return holds(unit.fmt) and max(unit.product_bits, unit.sum_bits) <= unit.window - 4


@dataclass(frozen=True, slots=True)
class Unit:
    """Constants of a unit for every step.

    Attributes
    ----------
    product_bits, sum_bits
        Bits of the largest significand of a product and of the accumulator.
    window
        Bits of the window below the carries of the sum.
    largest, highest
        Significand and exponent of the largest finite sum.
    infinite
        Whether overflow gives infinity.
    """

    acc: FloatAccumulator
    fmt: Format
    lanes: int
    product_bits: int
    sum_bits: int
    window: int
    largest: int
    highest: int
    infinite: bool

    @classmethod
    def of(cls, spec: MacSpec) -> "Unit":
        """Constants of ``spec``."""
        assert isinstance(spec.acc, FloatAccumulator)
        acc, fmt = spec.acc, spec.acc.fmt
        largest = fmt.unpack(fmt.max_code)
        return cls(
            acc=acc,
            fmt=fmt,
            lanes=spec.lanes,
            product_bits=significand_bits(spec.a) + significand_bits(spec.b),
            sum_bits=fmt.precision + 1,
            window=MAX_BITS - spec.lanes.bit_length(),
            largest=largest.sig,
            highest=largest.exp + fmt.lsb_exp,
            infinite=acc.overflow is Overflow.INF and acc.rounding is Rounding.RNE,
        )


def matmul(a: Unpacked, b: Unpacked, spec: MacSpec) -> NDArray:
    """Codes of the sums of ``a`` (M, K) times ``b`` (K, N) in the accumulator's format."""
    unit = Unit.of(spec)
    a, b = normalise(a, spec.a), normalise(b, spec.b)
    rows, cols = a.sig.shape[0], b.sig.shape[1]
    result = np.empty((rows, cols), dtype=code_dtype(unit.fmt.width))
    wide = min(cols, BLOCK)
    high = max(1, BLOCK // wide)
    for n in range(0, cols, wide):
        for m in range(0, rows, high):
            sums = _Sums.zeros(unit, (min(high, rows - m), min(wide, cols - n)))
            sums.accumulate(a[m : m + high], b[:, n : n + wide])
            result[m : m + high, n : n + wide] = sums.codes()
    return result


def step(codes: Ints, a: Unpacked, b: Unpacked, spec: MacSpec) -> Ints:
    """Codes of sums (M, N) after the products of operands (M, lanes, N)."""
    sums = _Sums.of(Unit.of(spec), codes)
    a, b = normalise(a, spec.a), normalise(b, spec.b)
    sums.flags |= np.bitwise_or.reduce(FLAGS[a.classes, b.classes], axis=1)
    sums.add([(a[:, lane], b[:, lane]) for lane in range(spec.lanes)])
    return sums.codes()


def normalise(x: Unpacked, fmt: Format) -> Unpacked:
    """Set the top bit of all significands and adjust the exponents. A zero gets the lowest one."""
    left = significand_bits(fmt) - bit_length(abs(x.sig))
    exp = np.where(x.sig == 0, LOWEST, x.exp + fmt.lsb_exp - left)
    return Unpacked(x.sig << left, exp, x.negative, x.classes)


@dataclass
class _Sums:
    """A block of accumulators: ``sig * 2**exp``, unless ``flags`` marks Inf or NaN.

    The magnitude of ``sig`` is 0 or from ``2**(precision - 1)`` to ``2**precision``. ``minus``
    marks minus zeros.
    """

    unit: Unit
    sig: Ints
    exp: Ints
    minus: Bools
    flags: Flags

    @classmethod
    def zeros(cls, unit: Unit, shape: tuple[int, int]) -> "_Sums":
        """Accumulators that hold plus zero."""
        return cls(
            unit,
            np.zeros(shape, np.int64),
            np.full(shape, LOWEST, np.int64),
            np.zeros(shape, np.bool_),
            np.zeros(shape, np.uint8),
        )

    @classmethod
    def of(cls, unit: Unit, codes: Ints) -> "_Sums":
        """Accumulators that hold ``codes``."""
        parts = unpack(codes, unit.fmt)
        x = normalise(parts, unit.fmt)
        minus: Bools = x.negative & (x.classes == Class.ZERO)
        return cls(unit, x.sig, x.exp, minus, CLASS_FLAGS[x.classes])

    def accumulate(self, a: Unpacked, b: Unpacked) -> None:
        """Add all products of ``a`` (M, K) and ``b`` (K, N) in order of k."""
        special: Bools = np.logical_or(a.special.any(axis=0), b.special.any(axis=1))
        for k in range(0, a.sig.shape[1], self.unit.lanes):
            lanes = range(k, k + self.unit.lanes)
            for lane in lanes:
                if special[lane]:
                    self.flags |= FLAGS[a.classes[:, lane, None], b.classes[lane]]
            self.add([(a[:, lane, None], b[lane]) for lane in lanes])

    def add(self, pairs: list[tuple[Unpacked, Unpacked]]) -> None:
        """Add the products of one group of lanes and round once."""
        unit, fmt = self.unit, self.unit.fmt
        terms: list[Term] = [(self.sig, self.exp, unit.sum_bits)]
        terms += [(a.sig * b.sig, a.exp + b.exp, unit.product_bits) for a, b in pairs]
        total, exp = _sum(terms, unit.window)
        sig, exp = round_to(fmt, abs(total), exp, unit.acc.rounding)
        negative: Bools = np.less(total, 0)
        if not unit.acc.subnormals:
            below: Bools = np.less(exp + (sig >> fmt.precision), fmt.lsb_exp)
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
        if exp.max() >= unit.highest:
            self._limit(sig, exp, negative)
        self.sig, self.exp = np.where(negative, -sig, sig), exp

    def _limit(self, sig: Ints, exp: Ints, negative: Bools) -> None:
        """Handle overflow of the rounded magnitudes, in place."""
        unit = self.unit
        beyond = exp + (sig >> unit.fmt.precision) > unit.highest
        sig[beyond], exp[beyond] = unit.largest, unit.highest
        if unit.infinite:
            flag = np.where(negative, Flag.NEG_INF, Flag.POS_INF).astype(np.uint8)
            self.flags = np.where(beyond & (self.flags == Flag.FINITE), flag, self.flags)

    def codes(self) -> Ints:
        """Codes in the accumulator's format."""
        fmt = self.unit.fmt
        codes = magnitude_codes(fmt, abs(self.sig), self.exp)
        codes |= np.where((self.sig < 0) | self.minus, fmt.sign_code, 0)
        for flag in (Flag.POS_INF, Flag.NEG_INF, Flag.NAN):
            codes[self.flags == flag] = special_code(fmt, flag)
        return codes


def _sum(terms: list[Term], window: int) -> tuple[Ints, Ints]:
    """Sum of the terms ``sig * 2**exp`` as ``total * 2**exp``, precise enough to round once."""
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
            total[index], base[index] = _exact_sum(
                [(int(s[index]), int(e[index])) for s, e, _ in terms]
            )
    return total, base


def _exact_sum(terms: list[tuple[int, int]]) -> tuple[int, int]:
    """Sum of a few terms in Python integers, truncated to the window with a sticky last bit."""
    terms = [(sig, exp) for sig, exp in terms if sig]
    base = min(exp for _, exp in terms)
    total = sum(sig << (exp - base) for sig, exp in terms)
    excess = max(total.bit_length() - MAX_BITS, 0)
    kept = total >> excess
    return kept | (kept << excess != total), base + excess
