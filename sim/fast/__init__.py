# SPDX-License-Identifier: Apache-2.0
"""The same sums as `sim.vector`, bit for bit, computed with the CPU's native arithmetic.

Each accumulator is computed in a machine type in which a step is exact or rounded once. The
conditions depend on the fields of the unit and are stated with each method. Units that meet none of
them use `sim.vector`:

- operands of more than 16 bits;
- floating point: products or sums that need more than the 53 bits of binary64, unless they round as
  binary32 does, or binary32 is wide enough for double rounding (see `sim.fast.floating`);
- fixed point: exact sums of 54 to 63 bits; sums of more than 63 bits that saturate or round their
  products; without numba, all sums that saturate or round their products;
- aligned: sums wider than 52 bits.

With numba (``make fast``) the loops are compiled. Without it, or inside `numpy_only`, numpy gives
the same bits.
"""

import numpy as np

from hw.spec import AlignedAccumulator, FixedAccumulator, FloatAccumulator, MacSpec
from sim import vector
from sim.codes import NDArray
from sim.fast import aligned, fixed, floating
from sim.fast.kernels import has_numba, numpy_only, uses_numba
from sim.fast.numbers import MAX_WIDTH, flags
from sim.vector.blocks import matmul as in_blocks

__all__ = ["has_numba", "matmul", "numpy_only", "uses_numba"]

#: By kind of accumulator: computes sums of codes (M, K) and (K, N), or returns None if unsupported.
_KINDS = {
    FixedAccumulator: fixed.matmul,
    FloatAccumulator: floating.matmul,
    AlignedAccumulator: aligned.matmul,
}


def matmul(
    a: NDArray, b: NDArray, spec: MacSpec, scales: tuple[NDArray, NDArray] | None = None
) -> tuple[NDArray, NDArray]:
    """Sums and flags of ``a @ b``, shape (M, N).

    ``a`` (M, K) and ``b`` (K, N) hold checked codes; K is a multiple of ``spec.lanes``. ``scales``
    are the codes of the scales of their blocks, (M, blocks) and (blocks, N).
    """
    if spec.blocks:
        if not uses_numba():
            return in_blocks(a, b, spec, scales, matmul)
        from sim.fast.blocks import InLoops, fused

        result = fused(a, b, spec, scales)
        return result or in_blocks(a, b, spec, scales, matmul, InLoops)
    narrow = max(spec.a.width, spec.b.width) <= MAX_WIDTH
    sums = _KINDS[type(spec.acc)](a, b, spec) if narrow else None
    if sums is None:
        return vector.matmul(a, b, spec)
    return sums, flags(a, b, spec) if spec.flag_bits else np.zeros(sums.shape, np.uint8)
