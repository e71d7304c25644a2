# SPDX-License-Identifier: Apache-2.0
"""Presents operands to a MAC."""

from collections import namedtuple
from random import Random

from cocotb.triggers import FallingEdge

from tests.cocotb.clocking import cycle

__all__ = ["Beat", "MacDriver", "beats_of"]

#: One cycle's operands: packed codes of all lanes, and whether a sum starts or ends with them.
Beat = namedtuple("Beat", "first last a b")


def beats_of(packed) -> list[Beat]:
    """Beats of one sum from its packed operand pairs."""
    end = len(packed) - 1
    return [Beat(index == 0, index == end, a, b) for index, (a, b) in enumerate(packed)]


class MacDriver:
    """Writes beats on falling edges, with idle cycles of garbage in between.

    ``ends`` lists the cycles in which the last beat of a sum was presented.
    """

    def __init__(self, dut, rng: Random, idle: float = 0.0):
        self._dut = dut
        self._rng = rng
        self._ports = [dut.i_valid, dut.i_first, dut.i_last, dut.i_a, dut.i_b]
        self._shown = [None] * len(self._ports)
        self.idle = idle
        self.ends: list[int] = []

    async def send(self, beats) -> None:
        """Present ``beats`` one a cycle; starts and ends on a falling edge, valid low behind it."""
        clk = self._dut.clk
        for beat in beats:
            while self.idle and self._rng.random() < self.idle:
                self._show(0, *self._garbage())
                await FallingEdge(clk)
            self._show(1, *beat)
            if beat.last:
                self.ends.append(cycle())
            await FallingEdge(clk)
        self._show(0, *self._garbage())

    def _garbage(self) -> list[int]:
        """Operands that must not count."""
        return [self._rng.getrandbits(len(port)) for port in self._ports[1:]]

    def _show(self, *values) -> None:
        """Write the ports that change."""
        for index, value in enumerate(values):
            if self._shown[index] != value:
                self._ports[index].value = int(value)
                self._shown[index] = value
