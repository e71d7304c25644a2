# SPDX-License-Identifier: Apache-2.0
"""Shared by both dataflows: moving operands from an engine's memories to the array's streams."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth import *

from hw.emit.netlist import Netlist
from hw.spec import GemmSpec
from hw.spec.registers import RegisterMap


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """Moves operands from the memories to the array's streams.

    Parameters
    ----------
    instantiate
        Adds feeders and operand memories to an engine; returns the wires of the streams of A and B
        by port of the array.
    counts
        Counts that it needs from `Limits`.
    """

    instantiate: Callable[[Netlist, GemmSpec, RegisterMap], dict[str, str]]
    counts: tuple[str, ...] = ()


def below(left: Value, count: int) -> Value:
    """``count`` bits; a bit is set if its number is less than ``left``."""
    low = left[: count.bit_length()]
    return Mux(left >= count, (1 << count) - 1, Cat(low > place for place in range(count)))


class TilesLeft:
    """Rows and columns of C left from the current tile on; tiles go left to right, row by row.

    Parameters
    ----------
    m, n
        Sizes of C.
    height, width
        Sizes of a tile.

    Attributes
    ----------
    rows, cols
        Rows and columns left.
    last_m, last_n
        The tile is in the last row of tiles; it is the last tile of its row.
    """

    def __init__(self, m: Value, n: Value, *, height: int, width: int):
        self._m, self._n, self._height, self._width = m, n, height, width
        self.rows, self.cols = Signal.like(m, name="m_left"), Signal.like(n, name="n_left")
        self.last_m, self.last_n = self.rows <= height, self.cols <= width

    def first(self) -> list[Any]:
        """Go to the first tile: all rows and columns are left."""
        return [self.rows.eq(self._m), self.cols.eq(self._n)]

    def right(self) -> list[Any]:
        """Go to the next tile in the row."""
        return [self.cols.eq(self.cols - self._width)]

    def down(self) -> list[Any]:
        """Go to the first tile of the next row."""
        return [self.cols.eq(self._n), self.rows.eq(self.rows - self._height)]


def sizes(spec: GemmSpec, names: str) -> dict[str, str]:
    """Low bits of the sizes; after the check the other bits are zero."""
    return {size: f"o_{size}_{size}[{spec.size_bits - 1}:0]" for size in names}
