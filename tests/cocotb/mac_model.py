# SPDX-License-Identifier: Apache-2.0
"""What a MAC must answer: the golden model, seen through the ports."""

import numpy as np

import sim
from hw.spec import MacSpec
from tests.cocotb.design import port_of_flag

__all__ = ["MacModel"]


class MacModel:
    """Sums as ``(data, flags)`` in the bits of the ports ``o_data`` and ``o_flags``."""

    def __init__(self, mac: MacSpec):
        self._mac = mac

    def products(self, pairs) -> list[tuple[int, int]]:
        """Sums of one product each, for pairs of codes."""
        a, b = np.array(pairs, np.uint64).T
        west, row = np.unique(a, return_inverse=True)
        north, col = np.unique(b, return_inverse=True)
        data, flags = sim.matmul_with_flags(west[:, None], north[None, :], self._mac)
        return [self._bits(*one) for one in zip(data[row, col], flags[row, col], strict=True)]

    def sum(self, a, b) -> tuple[int, int]:
        """Sum of the products of the codes ``a`` and ``b``, in order."""
        west, north = np.array(a, np.uint64), np.array(b, np.uint64)
        return self._bits(*sim.dot_with_flags(west, north, self._mac))

    def _bits(self, data, flags) -> tuple[int, int]:
        """Accumulator and `Flag` code as the ports show them."""
        mask = (1 << self._mac.acc.width) - 1
        return int(data) & mask, port_of_flag(flags, self._mac.flag_bits)
