# SPDX-License-Identifier: Apache-2.0
"""Matrix products with sums in blocks: the inner sums of a block, then one step of the outer sums.

An outer step is computed in binary64. The scaled inner sum is exact there; its sum with the outer
one is rounded to odd, so that the rounding to the narrower outer format is the only one that
counts. Units whose scaled inner sums need more than 53 bits use `sim.golden.add_block`.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hw.spec import (
    CATALOG,
    Accumulator,
    BlockAccumulator,
    BlockScale,
    FixedAccumulator,
    Flag,
    FloatAccumulator,
    Format,
    Kind,
    MacSpec,
    Overflow,
    Rounding,
    ScaleOrder,
)
from hw.spec.blocks import SCALED_FORMAT
from sim.codes import NDArray, code_dtype
from sim.golden import add_block
from sim.vector import fixed
from sim.vector.codes import Class, holds, magnitude_codes, round_to, unpack

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Pair = tuple[NDArray, NDArray]
#: Computes sums and flags of codes on a unit without blocks.
Matmul = Callable[[NDArray, NDArray, MacSpec], Pair]

#: Widest code whose values are in a table.
TABLE_BITS = 16
#: Significand bits of binary64.
PRECISION = 53


def matmul(
    a: NDArray,
    b: NDArray,
    spec: MacSpec,
    scales: Pair | None,
    inner_matmul: Matmul,
    in_floats: "type[InFloats] | None" = None,
) -> Pair:
    """Sums and flags of ``a @ b`` in blocks, shape (M, N), with inner sums from ``inner_matmul``.

    ``a`` (M, K) and ``b`` (K, N) hold checked codes; K is a multiple of ``spec.lanes``. ``scales``
    are codes, (M, blocks) and (blocks, N), or None for a unit without scales. ``in_floats`` is
    another implementation of the steps in binary64.
    """
    acc = spec.blocks
    assert acc is not None
    step = _step(acc, in_floats or InFloats)
    outer = step.start((a.shape[0], b.shape[1]))
    for index, part in enumerate(_parts(a.shape[1], acc.block)):
        inner = inner_matmul(a[:, part], b[part], spec.inner_mac)
        pair = None if scales is None else (scales[0][:, index, None], scales[1][None, index])
        outer = step.add(outer, inner, pair)
    return step.finish(outer)


def _parts(depth: int, block: int) -> Iterator[slice]:
    return (slice(low, low + block) for low in range(0, depth, block))


def _step(acc: BlockAccumulator, in_floats: "type[InFloats]") -> "_InPython":
    """The cheapest way to add blocks exactly."""
    if isinstance(acc.outer, FixedAccumulator):
        assert isinstance(acc.inner, FixedAccumulator)
        widest = max(acc.outer.width, acc.inner.width + acc.inner.lsb_exp - acc.outer.lsb_exp)
        return _InIntegers(acc) if widest <= fixed.INT_BITS else _InPython(acc)
    return in_floats(acc) if exact_in_floats(acc) else _InPython(acc)


def exact_in_floats(acc: BlockAccumulator) -> bool:
    """Whether binary64 holds every scaled inner sum, and rounds to the outer format once."""
    assert isinstance(acc.outer, FloatAccumulator)
    bits = (
        acc.inner.width - 1 if isinstance(acc.inner, FixedAccumulator) else acc.inner.fmt.precision
    )
    places = [acc.outer.fmt.lsb_exp]
    places.append(
        acc.inner.lsb_exp if isinstance(acc.inner, FixedAccumulator) else acc.inner.fmt.lsb_exp
    )
    if acc.scale is not None:
        # Of the factors that are multiplied last, one may be a sum or product rounded before.
        wide = SCALED_FORMAT.precision if acc.scale.order is not ScaleOrder.EXACT else 0
        bits = {
            ScaleOrder.EXACT: bits + 2 * acc.scale.sig_bits,
            ScaleOrder.PRODUCT: bits + wide,
            ScaleOrder.A_FIRST: max(bits, wide) + acc.scale.sig_bits,
        }[acc.scale.order]
        places.append(places[1] + 2 * acc.scale.lsb_exp)
    return (
        bits <= PRECISION
        and acc.outer.fmt.precision + 2 <= PRECISION
        and acc.outer.fmt.width <= 32
        and min(places) >= -900
        and holds(acc.outer.fmt)
    )


class _InPython:
    """Adds blocks with the reference, element by element."""

    def __init__(self, acc: BlockAccumulator) -> None:
        self.acc = acc

    def start(self, shape: tuple[int, int]) -> Pair:
        """Outer sums and flags before the first block."""
        return np.zeros(shape, object), np.zeros(shape, np.uint8)

    def add(self, outer: Pair, inner: Pair, scales: Pair | None) -> Pair:
        """Outer sums and flags after a block."""
        sums, flags = (array.copy() for array in outer)
        pair = [np.broadcast_to(each, sums.shape) for each in scales or ()]
        for at in np.ndindex(sums.shape):
            sums[at], flags[at] = add_block(
                self.acc,
                (int(sums[at]), Flag(int(flags[at]))),
                (int(inner[0][at]), Flag(int(inner[1][at]))),
                (int(pair[0][at]), int(pair[1][at])) if pair else None,
            )
        return sums, flags

    def finish(self, outer: Pair) -> Pair:
        """Sums and flags of `matmul`."""
        return outer


class _InIntegers(_InPython):
    """Adds fixed-point blocks to fixed-point sums on int64."""

    def start(self, shape: tuple[int, int]) -> Pair:
        """Outer sums and flags before the first block."""
        return np.zeros(shape, np.int64), np.zeros(shape, np.uint8)

    def add(self, outer: Pair, inner: Pair, scales: Pair | None) -> Pair:
        """Outer sums and flags after a block."""
        acc = self.acc.outer
        assert isinstance(acc, FixedAccumulator)
        assert isinstance(self.acc.inner, FixedAccumulator)
        right = acc.lsb_exp - self.acc.inner.lsb_exp
        terms = inner[0].astype(np.int64)
        terms = fixed.shifted(terms << max(-right, 0), max(right, 0), acc.rounding)
        return fixed.add(outer[0], terms, acc), outer[1] | inner[1]


class InFloats(_InPython):
    """Adds blocks to floating-point sums in binary64; infinities and NaN are those of IEEE 754."""

    def start(self, shape: tuple[int, int]) -> Pair:
        """Outer sums and flags before the first block."""
        return np.zeros(shape, np.float64), np.zeros(shape, np.uint8)

    def add(self, outer: Pair, inner: Pair, scales: Pair | None) -> Pair:
        """Outer sums and flags after a block."""
        assert isinstance(self.acc.outer, FloatAccumulator)
        with np.errstate(all="ignore"):
            term = inner_values(self.acc.inner, *inner)
            if self.acc.scale is not None:
                assert scales is not None
                x, y = (scale_values(each, self.acc.scale) for each in scales)
                term = _scaled(term, x, y, self.acc.scale.order)
            return _rounded(_sum_to_odd(outer[0], term), self.acc.outer), outer[1]

    def finish(self, outer: Pair) -> Pair:
        """Sums and flags of `matmul`."""
        assert isinstance(self.acc.outer, FloatAccumulator)
        return _codes(outer[0], self.acc.outer, self.acc.nan_code), outer[1]


def inner_values(acc: Accumulator, sums: NDArray, flags: NDArray) -> Floats:
    """Values of inner sums; flags become infinities and NaN."""
    if not isinstance(acc, FixedAccumulator):
        return _decoded(sums, acc.fmt)
    numbers = np.ldexp(sums.astype(np.float64), acc.lsb_exp)
    if flags.any():
        for flag, value in ((Flag.POS_INF, np.inf), (Flag.NEG_INF, -np.inf), (Flag.NAN, np.nan)):
            numbers[flags == flag] = value
    return numbers


def _decoded(codes: NDArray, fmt: Format) -> Floats:
    """Values of codes of a format that binary64 contains."""
    if fmt == CATALOG["fp32"]:
        with np.errstate(invalid="ignore"):  # Signalling NaNs are codes like others.
            return codes.astype(np.uint32).view(np.float32).astype(np.float64)
    if fmt.width <= TABLE_BITS < codes.size.bit_length():
        return _table(fmt)[codes]
    return _values(codes, fmt)


@lru_cache(maxsize=16)
def _table(fmt: Format) -> Floats:
    """Value of every code."""
    return _values(np.arange(1 << fmt.width), fmt)


def _values(codes: NDArray, fmt: Format) -> Floats:
    parts = unpack(codes.astype(np.int64), fmt)
    values = np.ldexp(parts.sig.astype(np.float64), (parts.exp + fmt.lsb_exp).astype(np.int32))
    values = np.where((parts.sig == 0) & parts.negative, -0.0, values)
    for kind, value in ((Class.POS_INF, np.inf), (Class.NEG_INF, -np.inf), (Class.NAN, np.nan)):
        values[parts.classes == kind] = value
    return values


def scale_values(codes: NDArray, scale: BlockScale) -> Floats:
    """Values of the codes of block scales, float64."""
    if scale.width <= 8:
        return _scale_table(scale)[codes]
    assert scale.fmt is not None
    return _decoded(codes, scale.fmt)


@lru_cache(maxsize=8)
def _scale_table(scale: BlockScale) -> Floats:
    return np.array([_scale_value(code, scale) for code in range(1 << scale.width)])


def _scale_value(code: int, scale: BlockScale) -> float:
    kind, negative, sig, exp = scale.unpack(code)
    if kind is not Kind.FINITE:
        return float(f"{'-' * negative}{kind.value}")
    return float(sig) * 2.0 ** (exp + scale.lsb_exp)


def _scaled(term: Floats, a: Floats, b: Floats, order: ScaleOrder) -> Floats:
    """Inner sums times scales; each product is exact or rounded to binary32."""
    match order:
        case ScaleOrder.PRODUCT:
            return term * (a * b).astype(np.float32)
        case ScaleOrder.A_FIRST:
            return (term * a).astype(np.float32) * b
        case _:
            return term * a * b


def _sum_to_odd(x: Floats, y: Floats) -> Floats:
    """Sum rounded to odd: of the two nearest numbers of an inexact sum, the odd one.

    Rounding the result to a format of at most 51 bits gives what rounding the exact sum gives
    (Boldo and Melquiond, "Emulation of a FMA and correctly rounded sums", 2008).
    """
    total = x + y
    back = total - x
    error = (x - (total - back)) + (y - back)
    even = (error != 0) & np.isfinite(total) & (total.view(np.int64) & 1 == 0)
    if even.any():
        toward = np.where((error > 0) == (total > 0), 1, -1)
        bits = total.view(np.int64) + np.where(even, toward, 0)
        total = bits.view(np.float64)
    return total


def _rounded(numbers: Floats, acc: FloatAccumulator) -> Floats:
    """Numbers rounded to the accumulator's format."""
    if is_native(acc):
        return numbers.astype(np.float32).astype(np.float64)
    return _decoded(_codes(numbers, acc, acc.fmt.nan_code), acc.fmt)


def is_native(acc: FloatAccumulator) -> bool:
    """Whether numpy's conversion to float32 rounds as the accumulator does."""
    return (
        acc.fmt == CATALOG["fp32"]
        and acc.rounding is Rounding.RNE
        and acc.overflow is Overflow.INF
        and acc.subnormals
    )


def _codes(numbers: Floats, acc: FloatAccumulator, nan_code: int | None) -> NDArray:
    """Codes of numbers, rounded as the accumulator rounds."""
    fmt, bits = acc.fmt, numbers.view(np.int64)
    nan, inf = np.isnan(numbers), np.isinf(numbers)
    field = bits >> 52 & 0x7FF
    magnitude = (bits & (1 << 52) - 1) | (field > 0).astype(np.int64) << 52
    magnitude[nan | inf] = 0
    sig, exp = round_to(fmt, magnitude, np.maximum(field, 1) - 1075, acc.rounding)
    codes = magnitude_codes(fmt, sig, exp)
    if not acc.subnormals:
        codes[codes < 1 << fmt.man_bits] = 0
    assert fmt.inf_code is not None
    assert nan_code is not None
    infinite = acc.overflow is Overflow.INF and acc.rounding is Rounding.RNE
    codes[codes > fmt.max_code] = fmt.inf_code if infinite else fmt.max_code
    codes[inf] = fmt.inf_code
    codes |= np.where(bits < 0, fmt.sign_code, 0)
    codes[nan] = nan_code
    return codes.astype(code_dtype(fmt.width))
