# SPDX-License-Identifier: Apache-2.0
"""Reference model of MACs and output stages, in Python integers. Written to be read.

All other models are checked against it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from hw.spec import (
    Accumulator,
    AlignedAccumulator,
    BlockAccumulator,
    FixedAccumulator,
    Flag,
    FloatAccumulator,
    Format,
    Kind,
    MacSpec,
    OutputSpec,
    Overflow,
    Rounding,
    ScaleOrder,
    Unpacked,
)
from hw.spec.blocks import SCALED_FORMAT
from sim.codes import NDArray
from sim.integers import fit, infinite, pack, shift_right


class Product(NamedTuple):
    """Exact product of two codes: ``sig * 2**exp`` in units of ``2**MacSpec.product_lsb``.

    ``sig`` is 0 if ``flag`` is set.
    """

    flag: Flag
    negative: bool
    sig: int
    exp: int

    @property
    def units(self) -> int:
        """Whole number of units."""
        return self.sig << self.exp


def multiply(spec: MacSpec, a: int, b: int) -> Product:
    """Multiply codes of ``spec.a`` and ``spec.b``. The sign, even of zero, is the XOR of both."""
    x, y = spec.a.unpack(a), spec.b.unpack(b)
    negative = x.negative != y.negative
    return Product(_flag(x, y, negative), negative, x.sig * y.sig, x.exp + y.exp)


def _flag(x: Unpacked, y: Unpacked, negative: bool) -> Flag:
    """Flag of a product; FINITE if neither operand is infinite or NaN."""
    kinds = (x.kind, y.kind)
    if Kind.INF not in kinds and Kind.NAN not in kinds:
        return Flag.FINITE
    zero = any(each.kind is Kind.FINITE and each.sig == 0 for each in (x, y))
    if Kind.NAN in kinds or zero:
        return Flag.NAN
    return Flag.NEG_INF if negative else Flag.POS_INF


@dataclass
class Mac:
    """One multiply-accumulate unit and the state it keeps between steps.

    Attributes
    ----------
    spec
        The unit.
    acc
        Accumulator. Fixed point: the sum in units of ``2**spec.acc.lsb_exp``. Floating point: the
        code of the sum in ``spec.acc.fmt``; code 0 is plus zero.
    flags
        Infinities and NaNs so far. Stays FINITE in floating point, where the sum encodes them.
    """

    spec: MacSpec
    acc: int = 0
    flags: Flag = Flag.FINITE

    def step(self, a: Sequence[int], b: Sequence[int], *, first: bool = False) -> int:
        """Accumulate the products of ``spec.lanes`` pairs of codes and return `acc`.

        ``first`` clears the sum and the flags before that.
        """
        if first:
            self.acc, self.flags = 0, Flag.FINITE
        products = [multiply(self.spec, *pair) for pair in zip(a, b, strict=True)]
        if isinstance(self.spec.acc, FixedAccumulator):
            self._add_fixed(self.spec.acc, products)
        elif isinstance(self.spec.acc, AlignedAccumulator):
            self.acc = self._add_aligned(self.spec.acc, products)
        else:
            assert isinstance(self.spec.acc, FloatAccumulator)
            self.acc = self._add_float(self.spec.acc, products)
        return self.acc

    def _add_fixed(self, acc: FixedAccumulator, products: Iterable[Product]) -> None:
        """Round every product to the accumulator's lsb, add them all, then handle overflow once."""
        total = self.acc
        for product in products:
            total += shift_right(product.units, acc.lsb_exp - self.spec.product_lsb, acc.rounding)
            self.flags = Flag(self.flags | product.flag)
        self.acc = fit(total, acc)

    def _add_float(self, acc: FloatAccumulator, products: Iterable[Product]) -> int:
        """Add all products to the accumulator exactly and round once."""
        fmt = acc.fmt
        old = fmt.unpack(self.acc)
        lsb = min(self.spec.product_lsb, fmt.lsb_exp)
        total = old.sig << (old.exp + fmt.lsb_exp - lsb)
        flags = _flag_of(old)
        minus_zero = old.negative
        for product in products:
            total += product.units << (self.spec.product_lsb - lsb)
            flags = Flag(flags | product.flag)
            minus_zero &= product.negative
        if flags is not Flag.FINITE:
            return special_code(fmt, flags)
        return pack(
            total,
            lsb,
            fmt,
            rounding=acc.rounding,
            overflow=acc.overflow,
            subnormals=acc.subnormals,
            minus_zero=minus_zero,
        )

    def _add_aligned(self, acc: AlignedAccumulator, products: Iterable[Product]) -> int:
        """Align and truncate all terms to a common lsb, add them exactly, truncate the sum."""
        old = acc.fmt.unpack(self.acc)
        flags = _flag_of(old)
        # Each term is (significand, exponent of its lsb, exponent of its units place).
        point = self.spec.a.man_bits + self.spec.b.man_bits
        terms = [(old.sig, old.exp + acc.fmt.lsb_exp, old.exp + acc.fmt.lsb_exp + acc.fmt.man_bits)]
        for product in products:
            flags = Flag(flags | product.flag)
            unit = product.exp + self.spec.product_lsb
            terms.append((product.sig, unit, unit + point))
        if flags is not Flag.FINITE:
            return acc.nan_code if flags is Flag.NAN else special_code(acc.fmt, flags)
        place = max((units_place for sig, _, units_place in terms if sig), default=0)
        lsb = place - acc.frac_bits
        total = sum(shift_right(sig, lsb - unit, Rounding.RTZ) for sig, unit, _ in terms)
        return pack_kept(total, lsb, acc)


@dataclass
class BlockMac:
    """A unit that adds in blocks, and the state it keeps between steps.

    Attributes
    ----------
    spec
        The unit; ``spec.acc`` is a `BlockAccumulator`.
    acc, flags
        Outer sum and its flags, as in `Mac`. They change at the end of a block.
    inner
        The unit of the inner sum.
    products
        Products of the current block so far.
    """

    spec: MacSpec
    acc: int = 0
    flags: Flag = Flag.FINITE
    products: int = 0

    def __post_init__(self) -> None:
        self.inner = Mac(self.spec.inner_mac)

    def step(
        self,
        a: Sequence[int],
        b: Sequence[int],
        *,
        first: bool = False,
        last: bool = False,
        scales: tuple[int, int] | None = None,
    ) -> int:
        """Add the products of ``spec.lanes`` pairs of codes and return `acc`.

        ``first`` clears both sums before that. ``last`` ends the block early, after this step.
        ``scales`` are the codes of the block's scales of a and b; they are used at its end.
        """
        assert self.spec.blocks is not None
        if first:
            self.acc, self.flags, self.products = 0, Flag.FINITE, 0
        self.inner.step(a, b, first=self.products == 0)
        self.products += self.spec.lanes
        if last or self.products == self.spec.blocks.block:
            self.products = 0
            self.acc, self.flags = add_block(
                self.spec.blocks,
                (self.acc, self.flags),
                (self.inner.acc, self.inner.flags),
                scales,
            )
        return self.acc


def add_block(
    acc: BlockAccumulator,
    outer: tuple[int, Flag],
    inner: tuple[int, Flag],
    scales: tuple[int, int] | None = None,
) -> tuple[int, Flag]:
    """Outer sum and flags after the sum of a block, times the block's scales, is added.

    ``outer`` and ``inner`` are sums with their flags; ``scales`` are codes of the scales of a and
    b. The order of the roundings is that of `hw.spec.ScaleOrder`. Signs of zero are those of IEEE
    754.
    """
    if isinstance(acc.outer, FixedAccumulator):
        assert isinstance(acc.inner, FixedAccumulator)
        units = shift_right(inner[0], acc.outer.lsb_exp - acc.inner.lsb_exp, acc.outer.rounding)
        return fit(outer[0] + units, acc.outer), Flag(outer[1] | inner[1])
    old = _based(acc.outer.fmt, outer[0])
    term = _scaled_block(acc, _sum_of(acc.inner, *inner), scales)
    flags = Flag(_flag_of(old) | _flag_of(term))
    if flags is not Flag.FINITE:
        nan = acc.nan_code
        assert nan is not None
        return nan if flags is Flag.NAN else special_code(acc.outer.fmt, flags), Flag.FINITE
    lsb = min(old.exp, term.exp)
    code = pack(
        (old.sig << old.exp - lsb) + (term.sig << term.exp - lsb),
        lsb,
        acc.outer.fmt,
        rounding=acc.outer.rounding,
        overflow=acc.outer.overflow,
        subnormals=acc.outer.subnormals,
        minus_zero=old.negative and term.negative,
    )
    return code, Flag.FINITE


def _scaled_block(
    acc: BlockAccumulator, number: Unpacked, scales: tuple[int, int] | None
) -> Unpacked:
    """Sum of a block times its scales, before it is added; ``exp`` is absolute."""
    scale = acc.scale
    if scale is None:
        return number
    assert scales is not None
    a, b = (
        Unpacked(kind, negative, sig, exp + scale.lsb_exp)
        for kind, negative, sig, exp in map(scale.unpack, scales)
    )
    match scale.order:
        case ScaleOrder.PRODUCT:
            return _times(number, _rounded(_times(a, b)))
        case ScaleOrder.A_FIRST:
            return _times(_rounded(_times(number, a)), b)
        case _:
            return _times(_times(number, a), b)


def _rounded(number: Unpacked) -> Unpacked:
    """Number rounded to binary32."""
    fmt = SCALED_FORMAT
    if number.kind is not Kind.FINITE:
        return number
    return _based(fmt, pack(number.sig, number.exp, fmt, minus_zero=number.negative))


def pack_kept(value: int, lsb: int, acc: AlignedAccumulator) -> int:
    """Code of ``value * 2**lsb_exp`` truncated to ``acc.fraction_bits``; overflow gives Inf."""
    if value.bit_length() + lsb > acc.fmt.bias + 1:
        return special_code(acc.fmt, Flag.NEG_INF if value < 0 else Flag.POS_INF)
    kept = replace(acc.fmt, name="kept", man_bits=acc.fraction_bits)
    code = pack(value, lsb, kept, rounding=Rounding.RTZ) << acc.fmt.man_bits - acc.fraction_bits
    return code if code & ~acc.fmt.sign_code else 0


def _flag_of(value: Unpacked) -> Flag:
    """Flag of an accumulator's value."""
    if value.kind is Kind.FINITE:
        return Flag.FINITE
    if value.kind is Kind.NAN:
        return Flag.NAN
    return Flag.NEG_INF if value.negative else Flag.POS_INF


def special_code(fmt: Format, flag: Flag) -> int:
    """Code of the infinity or canonical NaN for a ``flag`` other than FINITE."""
    assert fmt.nan_code is not None
    assert fmt.inf_code is not None
    if flag is Flag.NAN:
        return fmt.nan_code
    return fmt.inf_code | (fmt.sign_code if flag is Flag.NEG_INF else 0)


def matmul(
    a: NDArray, b: NDArray, spec: MacSpec, scales: tuple[NDArray, NDArray] | None = None
) -> tuple[NDArray, NDArray]:
    """Sums and flags of ``a @ b`` in Python integers, shape (M, N), dtype object.

    ``a`` (M, K) and ``b`` (K, N) hold checked codes; K is a multiple of ``spec.lanes``. ``scales``
    are the codes of the scales of their blocks, (M, blocks) and (blocks, N).
    """
    if spec.blocks:
        return _matmul_in_blocks(a, b, spec, spec.blocks, scales)
    rows, cols = a.tolist(), b.T.tolist()
    sums = np.empty((len(rows), len(cols)), dtype=object)
    flags = np.empty_like(sums)
    for m, row in enumerate(rows):
        for n, col in enumerate(cols):
            mac = Mac(spec)
            for k in range(0, len(row), spec.lanes):
                mac.step(row[k : k + spec.lanes], col[k : k + spec.lanes])
            sums[m, n], flags[m, n] = mac.acc, mac.flags
    return sums, flags


def _matmul_in_blocks(
    a: NDArray,
    b: NDArray,
    spec: MacSpec,
    acc: BlockAccumulator,
    scales: tuple[NDArray, NDArray] | None,
) -> tuple[NDArray, NDArray]:
    sums = np.empty((a.shape[0], b.shape[1]), dtype=object)
    flags = np.empty_like(sums)
    for m, n in np.ndindex(sums.shape):
        mac = BlockMac(spec)
        for k in range(0, a.shape[1], spec.lanes):
            lanes, block = slice(k, k + spec.lanes), k // acc.block
            mac.step(
                a[m, lanes].tolist(),
                b[lanes, n].tolist(),
                last=k + spec.lanes == a.shape[1],
                scales=scales and (int(scales[0][m, block]), int(scales[1][block, n])),
            )
        sums[m, n], flags[m, n] = mac.acc, mac.flags
    return sums, flags


def output(
    codes: NDArray, scale: NDArray, zero_point: NDArray, flags: NDArray, spec: OutputSpec
) -> NDArray:
    """Output codes for flat arrays of checked arguments, dtype object; see `sim.output`."""
    rows = zip(codes.tolist(), scale.tolist(), zero_point.tolist(), flags.tolist(), strict=True)
    return np.array(
        [_code(code, exp, point, Flag(flag), spec) for code, exp, point, flag in rows], dtype=object
    )


def _code(code: int, scale: int, zero_point: int, flag: Flag, spec: OutputSpec) -> int:
    """Output code of one sum."""
    fmt = spec.to
    kind, negative, sig, lsb = _scaled(_sum_of(spec.source, code, flag), scale, spec)
    overflow = Overflow.SATURATE if spec.saturate else Overflow.INF
    if kind is Kind.NAN:
        return zero_point % (1 << fmt.width) if fmt.nan_code is None else fmt.nan_code
    if kind is Kind.INF:
        return infinite(fmt, negative, overflow)
    if fmt.is_integer:
        units = shift_right(sig, fmt.lsb_exp - lsb) + zero_point
        return min(max(units, fmt.min_units), fmt.max_units) % (1 << fmt.width)
    return pack(sig, lsb, fmt, overflow=overflow, minus_zero=negative)


def _sum_of(acc: Accumulator, code: int, flag: Flag) -> Unpacked:
    """Unpacked sum; ``exp`` is the absolute exponent of one unit of ``sig``."""
    if isinstance(acc, FixedAccumulator):
        kind = {Flag.FINITE: Kind.FINITE, Flag.NAN: Kind.NAN}.get(flag, Kind.INF)
        negative = code < 0 if flag is Flag.FINITE else flag is Flag.NEG_INF
        return Unpacked(kind, negative, code, acc.lsb_exp)
    return _based(acc.fmt, code)


def _based(fmt: Format, code: int) -> Unpacked:
    """Unpacked code; ``exp`` is the absolute exponent of one unit of ``sig``."""
    kind, negative, sig, exp = fmt.unpack(code)
    return Unpacked(kind, negative, sig, exp + fmt.lsb_exp)


def _scaled(number: Unpacked, scale: int, spec: OutputSpec) -> Unpacked:
    """Exact product of a number and the scale, which is an exponent or the code of a factor."""
    kind, negative, sig, lsb = number
    fmt = spec.scale_format
    if fmt is None or fmt.is_integer:
        return Unpacked(kind, negative, sig, lsb + scale)
    return _times(number, _based(fmt, scale))


def _times(x: Unpacked, y: Unpacked) -> Unpacked:
    """Exact product; exponents are absolute."""
    kinds, sign = {x.kind, y.kind}, x.negative != y.negative
    if Kind.NAN in kinds:
        return Unpacked(Kind.NAN, False, 0, 0)
    if Kind.INF in kinds:
        zero = any(each.kind is Kind.FINITE and each.sig == 0 for each in (x, y))
        return Unpacked(Kind.NAN if zero else Kind.INF, sign, 0, 0)
    return Unpacked(Kind.FINITE, sign, x.sig * y.sig, x.exp + y.exp)
