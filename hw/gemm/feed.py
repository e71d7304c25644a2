# SPDX-License-Identifier: Apache-2.0
"""What the ways from an engine's memories to the streams of its array share."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from amaranth import *

from hw.emit.netlist import Netlist
from hw.spec import GemmSpec
from hw.spec.registers import RegisterMap


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """Way from the operands' memories to the array's streams.

    Parameters
    ----------
    instantiate
        Puts feeders and memories of operands into an engine; gives the wires of the streams of A
        and B by the array's port.
    counts
        Numbers that it wants of `Limits`.
    """

    instantiate: Callable[[Netlist, GemmSpec, RegisterMap], dict[str, str]]
    counts: tuple[str, ...] = ()


def below(left: Value, count: int) -> Value:
    """A bit for each place of ``count`` that is below ``left``."""
    low = left[: count.bit_length()]
    return Mux(left >= count, (1 << count) - 1, Cat(low > place for place in range(count)))


class TilesLeft:
    """Rows and columns of C that are left from a tile on; tiles go from left to right, row by row.

    Parameters
    ----------
    m, n
        Sizes of C.
    height, width
        Those of a tile.

    Attributes
    ----------
    rows, cols
        What is left.
    last_m, last_n
        The tile is in the last row of tiles; it is the last one of a row.
    """

    def __init__(self, m: Value, n: Value, *, height: int, width: int):
        self._m, self._n, self._height, self._width = m, n, height, width
        self.rows, self.cols = Signal.like(m, name="m_left"), Signal.like(n, name="n_left")
        self.last_m, self.last_n = self.rows <= height, self.cols <= width

    def first(self) -> list[Any]:
        """To the first tile: all rows, all columns."""
        return [self.rows.eq(self._m), self.cols.eq(self._n)]

    def right(self) -> list[Any]:
        """To the next one of a row."""
        return [self.cols.eq(self.cols - self._width)]

    def down(self) -> list[Any]:
        """To the first one of the next row."""
        return [self.cols.eq(self._n), self.rows.eq(self.rows - self._height)]


def sizes(spec: GemmSpec, names: str) -> dict[str, str]:
    """Low bits of the sizes: what is left of them when they have been checked."""
    return {size: f"o_{size}_{size}[{spec.size_bits - 1}:0]" for size in names}
