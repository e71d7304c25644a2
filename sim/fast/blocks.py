# SPDX-License-Identifier: Apache-2.0
"""Sums in blocks in compiled loops; the same bits as `sim.vector.blocks`. Needs ``fast``.

Inner sums that are chains in machine arithmetic stay in a tile until their block ends. Other inner
sums are computed for all of C, one block after the other, and the ends of blocks are a loop.
"""

import numpy as np

from hw.spec import Accumulator, BlockAccumulator, FixedAccumulator, FloatAccumulator, MacSpec
from sim.codes import NDArray
from sim.fast.fixed import exact_operands
from sim.fast.floating import chain_operands
from sim.fast.numbers import MAX_WIDTH, float64_rounding, parts
from sim.fast.threads import by_rows
from sim.fast.tiles import ORDERS, BlockEnd, chain_in_blocks, end_blocks
from sim.vector.blocks import InFloats, Pair, exact_in_floats, inner_values, is_native, scale_values
from sim.vector.codes import Class


def fused(a: NDArray, b: NDArray, spec: MacSpec, scales: Pair | None) -> Pair | None:
    """Sums and flags of ``a @ b`` in one pass, or None if the inner sums are no chains."""
    acc, inner = spec.blocks, spec.inner_mac
    assert acc is not None
    if max(spec.a.width, spec.b.width) > MAX_WIDTH or acc.outer.is_fixed:
        return None
    if not exact_in_floats(acc):
        return None
    drop, lsb = 0, 0
    if isinstance(inner.acc, FixedAccumulator):
        tables, lsb = exact_operands(inner, acc.block), inner.product_lsb
        if tables is None or _special(a, b, spec):
            return None
    elif isinstance(inner.acc, FloatAccumulator) and (fitting := chain_operands(inner)):
        tables, drop = fitting
    else:
        return None
    numbers = (
        np.ones((len(a), -(-a.shape[1] // acc.block))),
        np.ones((-(-len(b) // acc.block), b.shape[1])),
    )
    if acc.scale is not None and scales is not None:
        numbers = scale_values(scales[0], acc.scale), scale_values(scales[1], acc.scale)
    sums = chain_in_blocks((a, b), tables, drop, acc.block, numbers, _end(acc, 2.0**lsb))
    return InLoops(acc).finish((sums, np.zeros(sums.shape, np.uint8)))


def _special(a: NDArray, b: NDArray, spec: MacSpec) -> bool:
    """Whether an operand is NaN or infinite."""
    if not spec.inner_mac.flag_bits:
        return False
    pairs = ((a, spec.a), (b, spec.b))
    return any(bool((parts(fmt).classes[x] >= Class.POS_INF).any()) for x, fmt in pairs)


def _end(acc: BlockAccumulator, unit: float) -> BlockEnd:
    """Constants of the step at the end of a block."""
    assert isinstance(acc.outer, FloatAccumulator)
    order = ORDERS[acc.scale.order] if acc.scale else 0
    return BlockEnd(unit, order, is_native(acc.outer), float64_rounding(acc.outer))


class InLoops(InFloats):
    """Adds blocks to floating-point sums in compiled loops."""

    def add(self, outer: Pair, inner: Pair, scales: Pair | None) -> Pair:
        """Outer sums and flags after a block."""
        acc, sums = self.acc, outer[0]
        terms, unit = _terms(acc.inner, inner)
        a, b = np.ones(len(sums)), np.ones(sums.shape[1])
        if acc.scale is not None and scales is not None:
            a, b = (scale_values(each, acc.scale).ravel() for each in scales)
        end = _end(acc, unit)
        by_rows(
            len(sums),
            lambda rows: end_blocks(sums[rows], terms[rows], a[rows], b, end),
            products=sums.size,
        )
        return outer


def _terms(acc: Accumulator, inner: Pair) -> tuple[NDArray, float]:
    """Inner sums as machine numbers, and the value of one of their units."""
    sums, flags = inner
    if isinstance(acc, FixedAccumulator) and sums.dtype == np.int64 and not flags.any():
        return sums, 2.0**acc.lsb_exp
    if sums.dtype == np.uint32:
        return sums.view(np.float32), 1.0
    with np.errstate(all="ignore"):
        return inner_values(acc, sums, flags), 1.0
