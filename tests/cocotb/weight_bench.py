# SPDX-License-Identifier: Apache-2.0
"""Testbench of a weight-stationary array: whole products, in passes over K."""

import numpy as np

import sim
from tests.cocotb.array_bench import A, ArrayBench, B, C

__all__ = ["A", "B", "C", "WeightBench"]


class WeightBench(ArrayBench):
    """Expects the sums of every product that it sent, tile by tile, in order."""

    #: Streams of operands do not wait for each other.
    together = False

    def product(self, m: int, k: int, n: int) -> None:
        """Queue the product of random codes (M, K) and (K, N), and expect it."""
        array, mac = self.array, self.array.mac
        a, b = self._codes(mac.a.width, (m, k)), self._codes(mac.b.width, (k, n))
        wide = -n % array.cols
        sums, flags = sim.matmul_with_flags(a, np.pad(b, ((0, 0), (0, wide))), mac)
        step = array.rows * mac.lanes
        depth = -k % step
        a, b = np.pad(a, ((0, 0), (0, depth))), np.pad(b, ((0, depth), (0, wide)))
        whole = array.beats(k) * mac.lanes
        a[:, whole:], b[whole:] = mac.neutral
        for top in range(0, m, array.depth):
            rows = slice(top, min(top + array.depth, m))
            for left in range(0, n, array.cols):
                cols = slice(left, left + array.cols)
                for k_from in range(0, k + depth, step):
                    steps = slice(k_from, k_from + step)
                    self._send(a[rows, steps], b[steps, cols], starts=k_from == 0,
                               leaves=k_from + step == k + depth)
                self._await(sums[rows, cols], flags[rows, cols], f"product of {m}x{k}x{n}")

    def _send(self, a, b, *, starts: bool, leaves: bool) -> None:
        """Queue a pass: rows of A, and steps of B of which the last one goes first."""
        lanes, user = self.array.mac.lanes, starts + 2 * leaves
        beats_a = [beat for row in a for beat in self.model.beats_a(row.reshape(-1, lanes))]
        beats_b = self.model.beats_b(b)[::-1]
        self.sources[A].send((data, index == len(beats_a) - 1, user)
                             for index, data in enumerate(beats_a))
        self.sources[B].send((data, index == len(beats_b) - 1)
                             for index, data in enumerate(beats_b))

    def _await(self, sums, flags, about: str) -> None:
        """Expect a tile of sums."""
        settings = self.model.random_settings(len(sums))
        self.beside.rows += self.model.rows_beside(settings)
        for row, beat in enumerate(self.model.beats_of(sums, flags, settings)):
            self._wanted.append(beat)
            self._about.append(f"row {row} of a tile of a {about}, {settings}")
