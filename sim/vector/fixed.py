# SPDX-License-Identifier: Apache-2.0
"""Matrix products with a fixed-point accumulator.

If no sum can overflow, or overflow wraps, the order of additions does not matter: operands are
split into digits so small that float64 matrix products are exact. Otherwise the sums are computed
step by step in order of k, in int64 if that provably holds them, else in Python integers.
"""

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, Format, MacSpec, Overflow, Rounding
from sim.codes import NDArray
from sim.vector.codes import FLAGS, Unpacked, largest_units

Ints = npt.NDArray[np.int64]

#: Bits of integers that float64 holds exactly.
FLOAT_BITS = 53
#: Most bits of a magnitude in the int64 arithmetic here.
INT_BITS = 62


def supports(spec: MacSpec) -> bool:
    """Whether the unit is supported: always, if need be in Python integers."""
    return True


def matmul(a: Unpacked, b: Unpacked, spec: MacSpec) -> NDArray:
    """Sums of ``a`` (M, K) times ``b`` (K, N): int64, or Python integers if ``acc.width > 63``."""
    acc = spec.acc
    assert isinstance(acc, FixedAccumulator)
    if acc.lsb_exp <= spec.product_lsb and (
        acc.overflow is Overflow.WRAP or _never_full(a, b, spec)
    ):
        return _by_digits(a, b, spec, acc)
    return _by_steps(a, b, spec, acc)


def flags(a: Unpacked, b: Unpacked) -> npt.NDArray[np.uint8]:
    """Flags of the sums: the OR over all products. Only special operands raise flags."""
    result = np.zeros((a.sig.shape[0], b.sig.shape[1]), dtype=np.uint8)
    for k in np.flatnonzero(a.special.any(axis=0) | b.special.any(axis=1)):
        result |= FLAGS[a.classes[:, k, None], b.classes[k]]
    return result


def _never_full(a: Unpacked, b: Unpacked, spec: MacSpec) -> bool:
    """Whether K products of the largest operands fit the accumulator."""
    assert isinstance(spec.acc, FixedAccumulator)
    products = a.sig.shape[1] * _largest(a) * _largest(b)
    return bool(products << (spec.product_lsb - spec.acc.lsb_exp) <= spec.acc.max)


def _largest(x: Unpacked) -> int:
    """Largest magnitude in units. With a hidden bit, it has the largest exponent."""
    exp = int(x.exp.max())
    return int(abs(x.sig[x.exp == exp]).max()) << exp


def _by_digits(a: Unpacked, b: Unpacked, spec: MacSpec, acc: FixedAccumulator) -> NDArray:
    """Exact sums, wrapped to the accumulator's range at the end.

    With digits of ``d`` bits, no partial sum exceeds ``K * 2**(2 * d) <= 2**53``, whatever order
    and instructions a matrix product uses.
    """
    bits = (FLOAT_BITS - (a.sig.shape[1] - 1).bit_length()) // 2
    dtype = np.int64 if acc.width <= 63 else object
    total: NDArray = np.zeros((a.sig.shape[0], b.sig.shape[1]), dtype=dtype)
    digits_b = digits(b, spec.b, bits)
    for i, digit_a in enumerate(digits(a, spec.a, bits)):
        for j, digit_b in enumerate(digits_b):
            shift = (i + j) * bits + spec.product_lsb - acc.lsb_exp
            if dtype is object or shift < 64:
                # int64 sums wrap at 2**64, which makes no difference to a narrower accumulator.
                total += (digit_a @ digit_b).astype(np.int64).astype(dtype) << shift
    return wrap(total, acc.width)


def digits(x: Unpacked, fmt: Format, bits: int) -> list[npt.NDArray[np.float64]]:
    """Signed digits of the values in units of ``2**fmt.lsb_exp``, base ``2**bits``, low first."""
    magnitude, sign = abs(x.sig), np.sign(x.sig)
    result = []
    for low in range(0, largest_units(fmt).bit_length(), bits):
        left = x.exp - low
        # Bits above the digit would be masked off, so they are not shifted in.
        inside = np.where(left < bits, magnitude, 0)
        digit = (inside << np.clip(left, 0, bits)) >> np.clip(-left, 0, 63)
        result.append((sign * (digit & ((1 << bits) - 1))).astype(np.float64))
    return result


def _by_steps(a: Unpacked, b: Unpacked, spec: MacSpec, acc: FixedAccumulator) -> NDArray:
    """Sums in order of k, wrapped or saturated once after each group of lanes."""
    coarser = acc.lsb_exp - spec.product_lsb
    term, dtype = (_narrow_term, np.int64) if narrow(spec, acc) else (_wide_term, object)
    total: NDArray = np.zeros((a.sig.shape[0], b.sig.shape[1]), dtype=dtype)
    for k in range(0, a.sig.shape[1], spec.lanes):
        for lane in range(k, k + spec.lanes):
            total += term(a[:, lane, None], b[lane], coarser, acc.rounding)
        total = add(total, 0, acc)
    return total if acc.width > 63 else total.astype(np.int64)


def add(total: NDArray, terms: NDArray | int, acc: FixedAccumulator) -> NDArray:
    """Add the terms of one step, then wrap or saturate."""
    if acc.overflow is Overflow.SATURATE:
        return np.clip(total + terms, acc.min, acc.max)
    return wrap(total + terms, acc.width)


def step(total: NDArray, a: Unpacked, b: Unpacked, spec: MacSpec) -> NDArray:
    """Sums (M, N) after the products of operands (M, lanes, N), with the dtypes of `matmul`."""
    acc = spec.acc
    assert isinstance(acc, FixedAccumulator)
    term = _narrow_term if narrow(spec, acc) else _wide_term
    terms = term(a, b, acc.lsb_exp - spec.product_lsb, acc.rounding)
    return add(total, terms.sum(axis=1), acc)


def step_flags(a: Unpacked, b: Unpacked) -> npt.NDArray[np.uint8]:
    """Flags (M, N) of the products of operands (M, lanes, N)."""
    raised: npt.NDArray[np.uint8] = np.bitwise_or.reduce(FLAGS[a.classes, b.classes], axis=1)
    return raised


def narrow(spec: MacSpec, acc: FixedAccumulator) -> bool:
    """Whether int64 holds every term and sum of a step."""
    return acc.width <= INT_BITS and term_bits(spec, acc) < INT_BITS


def exact(spec: MacSpec, acc: FixedAccumulator) -> bool:
    """Whether no product is rounded, and int64 holds every term and sum of a step."""
    return acc.lsb_exp <= spec.product_lsb and narrow(spec, acc)


def term_bits(spec: MacSpec, acc: FixedAccumulator) -> int:
    """Bits of the largest product before rounding or of a sum over lanes after it, the larger."""
    units = largest_units(spec.a) * largest_units(spec.b)
    coarser = acc.lsb_exp - spec.product_lsb
    rounded = (units >> coarser) + 1 if coarser > 0 else units << -coarser
    return max((spec.lanes * rounded).bit_length(), spec.a.precision + spec.b.precision + 2)


def _narrow_term(a: Unpacked, b: Unpacked, coarser: int, rounding: Rounding) -> NDArray:
    """Products in units of the accumulator's lsb, on int64."""
    sig = a.sig * b.sig
    left = a.exp + b.exp - coarser
    return shifted(sig << np.maximum(left, 0), np.clip(-left, 0, INT_BITS), rounding)


def shifted(value: Ints, right: Ints | int, rounding: Rounding) -> Ints:
    """Compute ``value / 2**right`` rounded to an integer, on signed int64."""
    if not np.any(right):
        return value
    quotient = value >> right
    rest = value - (quotient << right)
    if rounding is Rounding.RNE:
        return quotient + ((rest << 1) + (quotient & 1) > np.int64(1) << right)
    return quotient + ((rest > 0) & (value < 0))


def _wide_term(a: Unpacked, b: Unpacked, coarser: int, rounding: Rounding) -> NDArray:
    """Products in units of the accumulator's lsb, on Python integers."""
    units: NDArray = _wide_units(a) * _wide_units(b)
    if coarser <= 0:
        units <<= -coarser
    elif rounding is Rounding.RNE:
        odd = (units >> coarser) & 1
        units = (units + (1 << coarser - 1) - 1 + odd) >> coarser
    else:
        units = np.where(units < 0, -(-units >> coarser), units >> coarser)
    return units


def _wide_units(x: Unpacked) -> NDArray:
    units: NDArray = x.sig.astype(object) << x.exp.astype(object)
    return units


def wrap(total: NDArray, width: int) -> NDArray:
    """Two's complement of ``width`` bits, on int64 or Python integers."""
    if total.dtype == object:
        half = 1 << width - 1
        return ((total + half) & (2 * half - 1)) - half
    unused = 64 - width
    return (total << unused) >> unused
