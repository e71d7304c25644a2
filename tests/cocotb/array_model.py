# SPDX-License-Identifier: Apache-2.0
"""What an array takes and must answer: the golden model, seen through the streams."""

from random import Random

import numpy as np

import sim
from hw.spec import ArraySpec, FixedAccumulator
from tests.cocotb.design import port_of_flag

__all__ = ["ArrayModel"]


class ArrayModel:
    """Packs operand tiles into beats, and products of tiles into the wanted beats of C."""

    def __init__(self, array: ArraySpec, slot: int, bus_a: int, bus_b: int, rng: Random):
        self._array = array
        self._slot = slot
        self._bus = (bus_a, bus_b)
        self._rng = rng

    def beats_a(self, tile) -> list[int]:
        """Beats of a tile of A (rows, K): column k of the tile, row 0 in the low bits."""
        return self._beats(tile, self._array.mac.a.width, self._bus[0])

    def beats_b(self, tile) -> list[int]:
        """Beats of a tile of B (K, cols): row k of the tile, column 0 in the low bits."""
        return self._beats(tile.T, self._array.mac.b.width, self._bus[1])

    def _beats(self, tile, width: int, bus: int) -> list[int]:
        """Beats of (side, K) codes: lanes run fastest; bits that do not count hold garbage."""
        lanes = self._array.mac.lanes
        side, depth = tile.shape
        tile = np.pad(tile, ((0, 0), (0, -depth % lanes)))
        used = side * lanes * width
        beats = []
        for start in range(0, depth, lanes):
            codes = tile[:, start:start + lanes].ravel()
            data = sum(int(code) << place * width for place, code in enumerate(codes))
            beats.append(data | self._rng.getrandbits(bus - used) << used if bus > used else data)
        return beats

    def beats_c(self, a, b) -> list[tuple[int, int, int]]:
        """Wanted ``(data, last, user)`` of each row of the product of two tiles."""
        mac, rows = self._array.mac, self._array.rows
        sums, flags = sim.matmul(a, b, mac, flags=True)
        bits = self._slot if isinstance(mac.acc, FixedAccumulator) else mac.acc.width
        beats = []
        for row in range(rows):
            data = user = 0
            for col in range(self._array.cols):
                data |= (int(sums[row, col]) & (1 << bits) - 1) << col * self._slot
                user |= port_of_flag(flags[row, col], mac.flag_bits) << col * mac.flag_bits
            beats.append((data, int(row == rows - 1), user))
        return beats
