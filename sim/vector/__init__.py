# SPDX-License-Identifier: Apache-2.0
"""The golden model on numpy arrays; held equal to `sim.golden` by tests."""

import numpy as np

from hw.spec import AlignedAccumulator, FixedAccumulator, Format, MacSpec
from sim import golden
from sim.codes import NDArray
from sim.vector import aligned, fixed, floating
from sim.vector.unpack import unpack

__all__ = ["matmul"]


def matmul(a: NDArray, b: NDArray, spec: MacSpec) -> tuple[NDArray, NDArray]:
    """Sums and flags of ``a @ b``, shape (M, N).

    ``a`` (M, K) and ``b`` (K, N) hold checked codes; K is a multiple of ``spec.lanes``. Units too
    wide for the arithmetic on int64 are left to `sim.golden`.
    """
    if not (_fits(spec.a) and _fits(spec.b)):
        return golden.matmul(a, b, spec)
    a, b = a.astype(np.int64, copy=False), b.astype(np.int64, copy=False)
    if isinstance(spec.acc, FixedAccumulator):
        x, y = unpack(a, spec.a), unpack(b, spec.b)
        return fixed.matmul(x, y, spec), fixed.flags(x, y)
    twin = aligned if isinstance(spec.acc, AlignedAccumulator) else floating
    if not twin.supports(spec):
        return golden.matmul(a, b, spec)
    sums = twin.matmul(unpack(a, spec.a), unpack(b, spec.b), spec)
    return sums, np.zeros(sums.shape, np.uint8)


def _fits(fmt: Format) -> bool:
    """Whether a significand leaves an int64 room for a digit of `sim.vector.fixed`."""
    return fmt.width <= 62 and fmt.precision <= 31
