# SPDX-License-Identifier: Apache-2.0
"""The same sums as `sim.vector`, bit for bit, on arithmetic that the processor has itself.

Each accumulator is taken to a machine type in which its steps are exact or rounded once; the
conditions are on the fields of the unit and are stated with each way. What meets none of them is
left to `sim.vector`:

- operands of more than 16 bits;
- floating point: units whose products or sums need more than 53 bits of binary64, unless they round
  as binary32 itself does or it is wide enough to be rounded twice (see `sim.fast.floating`);
- fixed point: sums of 54 to 63 bits that are exact; those of more than 63 bits that saturate or
  round their products; others that do, when numba is missing;
- aligned: sums wider than 52 bits.

With numba (``make fast``) the loops are compiled; without it, and within `numpy_only`, numpy gives
the same bits.
"""

import numpy as np

from hw.spec import AlignedAccumulator, FixedAccumulator, FloatAccumulator, MacSpec
from sim import vector
from sim.codes import NDArray
from sim.fast import aligned, fixed, floating
from sim.fast.kernels import has_numba, numpy_only, uses_numba
from sim.fast.numbers import MAX_WIDTH, flags

__all__ = ["has_numba", "matmul", "numpy_only", "uses_numba"]

#: By kind of accumulator: sums of codes (M, K) and (K, N), or None where no way will do.
_KINDS = {
    FixedAccumulator: fixed.matmul,
    FloatAccumulator: floating.matmul,
    AlignedAccumulator: aligned.matmul,
}


def matmul(a: NDArray, b: NDArray, spec: MacSpec) -> tuple[NDArray, NDArray]:
    """Sums and flags of ``a @ b``, shape (M, N).

    ``a`` (M, K) and ``b`` (K, N) hold checked codes; K is a multiple of ``spec.lanes``.
    """
    narrow = max(spec.a.width, spec.b.width) <= MAX_WIDTH
    sums = _KINDS[type(spec.acc)](a, b, spec) if narrow else None
    if sums is None:
        return vector.matmul(a, b, spec)
    return sums, flags(a, b, spec) if spec.flag_bits else np.zeros(sums.shape, np.uint8)
