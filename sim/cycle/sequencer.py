# SPDX-License-Identifier: Apache-2.0
"""Registers that time the output-stationary array: the twin of the RTL's sequencer."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec

__all__ = ["Sequencer", "Timing", "columns"]

Bools = npt.NDArray[np.bool_]


class Timing(NamedTuple):
    """Wires of one cycle: ``start``, ``shift``, ``final`` with a bit for each column, lowest first.

    `columns` makes arrays of them.
    """

    start: int
    shift: int
    final: int
    beat: bool
    beat_last: bool
    en: bool


def columns(bits: int, cols: int) -> Bools:
    """Bits as an array, the lowest first."""
    octets = np.frombuffer(bits.to_bytes(-(-cols // 8), "little"), np.uint8)
    return np.unpackbits(octets, count=cols, bitorder="little").astype(np.bool_)


class Sequencer:
    """Takes beats, frames tiles, times their drain and stops the array."""

    def __init__(self, spec: ArraySpec) -> None:
        self._rows, self._cols = spec.rows, spec.cols
        self._stages = spec.mac.latency - spec.mac.loop_latency
        self._depth = spec.mac.loop_latency + spec.rows
        self.kept_last = False
        self.reset()

    def reset(self) -> None:
        """What ``rst`` does at a clock edge."""
        self.wait = self.left = 0
        self.opening, self.error, self.kept, self.kept_last = True, False, False, False
        #: Bit i is set i + 1 enabled cycles after the last beat of a tile.
        self.pending = 0
        self.start_q = self.shift_q = self.finals_q = 0
        self.resolving = [(False, False)] * self._stages

    def timing(self) -> Timing:
        """Wires that depend on registers alone."""
        start = bool(self.pending >> self._depth - 1)
        final = start if self._rows == 1 else self.left == 1
        starts = self.start_q << 1 | start
        shifts = self.shift_q << 1 | (start or self.left != 0)
        finals = self.finals_q << 1 | final
        leaves = bool(shifts >> self._cols - 1), bool(finals >> self._cols - 1)
        beat, beat_last = self.resolving[-1] if self._stages else leaves
        return Timing(starts, shifts, finals, beat, beat_last, not (self.kept and beat))

    def step(self, wires: Timing, taken: bool, a_last: bool, b_last: bool, c_ready: bool) -> None:
        """One clock edge."""
        if wires.en:
            self._drain(wires, taken and a_last)
        if taken and a_last:
            self.wait = self._rows - 1
        elif wires.en and self.wait:
            self.wait -= 1
        if taken:
            self.opening = a_last
            self.error |= a_last != b_last
        if not self.kept:
            self.kept_last = wires.beat_last
        self.kept = (self.kept or wires.beat) and not c_ready

    def _drain(self, wires: Timing, ended: bool) -> None:
        """Registers of the drain, which stop with the array."""
        self.pending = (self.pending << 1 | ended) & (1 << self._depth) - 1
        if wires.start & 1:
            self.left = self._rows - 1
        elif self.left:
            self.left -= 1
        last = self._cols - 1
        self.start_q, self.shift_q, self.finals_q = (
            bits & (1 << last) - 1 for bits in (wires.start, wires.shift, wires.final))
        leaves = bool(wires.shift >> last), bool(wires.final >> last)
        self.resolving = [leaves, *self.resolving][:self._stages]
