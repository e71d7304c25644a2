# SPDX-License-Identifier: Apache-2.0
"""Geometry of the picture of a wavefront: a small array for every cycle, as plain data."""

from dataclasses import dataclass, field
from typing import Any

from reports.studies.wavefront.traces import NOTHING, Trace

__all__ = ["Cell", "Label", "Panel", "wavefront"]

CELL = 34
#: Height of the part of a cell that stands for the result register.
STRIP = 12
PANEL_COLUMNS = 5
MARGIN = 20
#: Where the array begins in its panel.
LEFT, TOP = 26, 42
HEADER = 92
#: Shades of a tile in the picture; a full accumulator has the last.
SHADES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One processing element in one cycle; ``tile`` and ``result`` are 0 where there is none."""

    x: int
    y: int
    acc: str
    tile: int
    shade: int
    busy: bool
    result: int
    moves: bool


@dataclass(frozen=True, slots=True)
class Label:
    """A value at the edge of the array, and the tile that it belongs to."""

    x: float
    y: float
    text: str
    tile: int


@dataclass(slots=True)
class Panel:
    """One cycle: where it is drawn, its cells and the values that enter and leave."""

    cycle: int
    x: int
    y: int
    cells: list[Cell]
    west: list[Label] = field(default_factory=list)
    south: list[Label] = field(default_factory=list)
    north: list[Label] = field(default_factory=list)
    beat: Label | None = None


def wavefront(record: dict[str, Any]) -> dict[str, Any]:
    """What the template ``wavefront.svg.j2`` draws."""
    trace = Trace(record)
    rows, cols = len(trace.grid("acc", 0)), len(trace.grid("acc", 0)[0])
    width, height = cols * CELL + 40, rows * CELL + 78
    panels = [_panel(trace, cycle, MARGIN + cycle % PANEL_COLUMNS * width,
                     HEADER + cycle // PANEL_COLUMNS * height) for cycle in range(trace.cycles)]
    legend = trace.cycles  # The place after the last cycle, in a line of its own if that is full.
    lines = legend // PANEL_COLUMNS + 1
    return {"panels": panels, "cell": CELL, "strip": STRIP,
            "width": 2 * MARGIN + PANEL_COLUMNS * width - 6, "height": HEADER + lines * height + 10,
            "legend": {"x": MARGIN + legend % PANEL_COLUMNS * width,
                       "y": HEADER + legend // PANEL_COLUMNS * height},
            "shades": SHADES, "margin": MARGIN,
            **{key: trace.conditions[key] for key in ("mac", "array", "k", "tiles")}}


def _panel(trace: Trace, cycle: int, x: int, y: int) -> Panel:
    """Picture of one cycle with its corner at ``x``, ``y``."""
    left, top = LEFT, TOP
    drain = trace.row("drain", cycle)
    names = ("acc", "products", "tile", "a", "result_tile")
    grids = {name: trace.grid(name, cycle) for name in names}
    panel = Panel(cycle, x, y, [
        _cell({name: grid[row][col] for name, grid in grids.items()}, trace.depth,
              left + col * CELL, top + row * CELL, moves=drain[col] == "1")
        for row in range(len(grids["acc"])) for col in range(len(drain))])
    bottom = top + len(grids["acc"]) * CELL
    a, b = trace.grid("a", cycle), trace.grid("b", cycle)[-1]
    from_west, from_south = (trace.tile_of_operands(name, cycle) for name in "ab")
    panel.west = [Label(left - 10, top + (row + 0.5) * CELL + 4, values[0], from_west[row][0])
                  for row, values in enumerate(a) if values[0] != NOTHING]
    panel.south = [Label(left + (col + 0.5) * CELL, bottom + 20, value, from_south[-1][col])
                   for col, value in enumerate(b) if value != NOTHING]
    panel.north = [Label(left + (col + 0.5) * CELL, top - 10, value, int(tile))
                   for col, (value, tile, moves) in enumerate(zip(
                       trace.grid("result", cycle)[0], grids["result_tile"][0], drain,
                       strict=True)) if moves == "1" and value != NOTHING]
    beat = trace.beats("m_axis_c")[cycle]
    if beat.valid and beat.ready:
        panel.beat = Label(left + len(drain) * CELL + 4, 14, " ".join(beat.values), beat.tile)
    return panel


def _cell(values: dict[str, str], depth: int, x: int, y: int, *, moves: bool) -> Cell:
    """One element from its texts."""
    tile, result = (0 if values[name] == NOTHING else int(values[name])
                    for name in ("tile", "result_tile"))
    shade = -(-SHADES * int(values["products"]) // depth) if tile else 0
    return Cell(x=x, y=y, acc=values["acc"] if tile else "", tile=tile, shade=shade,
                busy=values["a"] != NOTHING, result=result, moves=moves and result > 0)
