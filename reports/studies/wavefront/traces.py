# SPDX-License-Identifier: Apache-2.0
"""The trace of a record of synth.wavefront, taken apart for drawing."""

from dataclasses import dataclass
from typing import Any

__all__ = ["NOTHING", "Beat", "Trace"]

#: Stands where there is no value.
NOTHING = "-"


@dataclass(frozen=True, slots=True)
class Beat:
    """What a stream does in one cycle: its handshake, and which beat of which tile it offers."""

    valid: bool
    ready: bool
    last: bool
    tile: int
    index: int
    values: list[str]


class Trace:
    """Grids and beats of each cycle; all values are text, `NOTHING` where there is none."""

    def __init__(self, record: dict[str, Any]) -> None:
        self.conditions: dict[str, Any] = record["conditions"]
        self._texts: dict[str, list[str]] = self.conditions["trace"]
        self.depth: int = self.conditions["k"]
        self.cycles = len(self._texts["acc"])

    def grid(self, name: str, cycle: int) -> list[list[str]]:
        """Rows of a grid, north first."""
        return [row.split() for row in self._texts[name][cycle].split("; ")]

    def row(self, name: str, cycle: int) -> list[str]:
        """Values of a grid with one row."""
        return self._texts[name][cycle].split()

    def tile_of_operands(self, name: str, cycle: int) -> list[list[int]]:
        """Tile of what each element is given in the cycle: its operands so far, counted."""
        so_far = [self.grid(name, earlier) for earlier in range(cycle + 1)]
        return [[(sum(grid[row][col] != NOTHING for grid in so_far) - 1) // self.depth + 1
                 for col in range(len(so_far[0][0]))] for row in range(len(so_far[0]))]

    def beats(self, stream: str) -> list[Beat]:
        """Every cycle of a stream."""
        found, tile, index = [], 1, 0
        for cycle in range(self.cycles):
            valid, ready, last = (wire == "1" for wire in self.row(stream, cycle))
            found.append(Beat(valid, ready, last, tile, index, self.row(f"{stream}_tdata", cycle)))
            if valid and ready:
                tile, index = (tile + 1, 0) if last else (tile, index + 1)
        return found
