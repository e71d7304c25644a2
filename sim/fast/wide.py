# SPDX-License-Identifier: Apache-2.0
"""Exact sums of more than 63 bits, as of E5M2: digits of the operands, a product for each pair.

A code has its digits in tables, so that no operand is unpacked; carries stay on int64, and only the
two halves of a sum are joined on Python integers.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from hw.spec import MacSpec
from sim.codes import NDArray
from sim.fast.kernels import kernels
from sim.fast.tables import parts
from sim.vector.fixed import FLOAT_BITS, digits

__all__ = ["exact"]

Ints = npt.NDArray[np.int64]
#: Bits of the lower half of a sum.
LOW_BITS = 62


def exact(a: NDArray, b: NDArray, spec: MacSpec) -> NDArray:
    """Sums of ``a`` (M, K) times ``b`` (K, N) in units of the product, Python integers."""
    bits = (FLOAT_BITS - (a.shape[1] - 1).bit_length()) // 2
    x, y = (digits(parts(fmt), fmt, bits) for fmt in (spec.a, spec.b))
    places: list[Ints] = [np.zeros((a.shape[0], b.shape[1]), np.int64)
                          for _ in range(len(x) + len(y) - 1)]
    for i, table_a in enumerate(x):
        for j, table_b in enumerate(y):
            places[i + j] += kernels().exact(a, b, table_a, table_b).astype(np.int64)
    return _joined(places, bits)


def _joined(places: Iterable[Ints], bits: int) -> NDArray:
    """Sum of ``places[i] << i * bits``, each of fewer than 62 bits."""
    *lower, top = places
    halves: list[tuple[Ints, int]] = []
    low, filled = np.zeros_like(top), 0
    carry = np.zeros_like(top)
    for place in lower:
        place += carry
        if filled + bits > LOW_BITS:
            halves.append((low, filled))
            low, filled = np.zeros_like(top), 0
        low += (place & (1 << bits) - 1) << filled
        filled, carry = filled + bits, place >> bits
    total: NDArray = (top + carry).astype(object)
    for part, width in reversed([*halves, (low, filled)]):
        total = (total << width) + part if width else total + part
    return total
