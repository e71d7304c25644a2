# SPDX-License-Identifier: Apache-2.0
"""Figures of two tiles in an array: the array in every cycle, and the streams over time.

Templates draw plain data: positions, shades and texts.
"""

from dataclasses import dataclass, field
from typing import Any

from reports.registry import Figure, Page
from reports.tables import Record

#: Text for a missing value.
NOTHING = "-"
MARGIN = 20


@dataclass(frozen=True, slots=True)
class Beat:
    """One cycle of a stream: handshake, tile, index of the beat, and values."""

    valid: bool
    ready: bool
    last: bool
    tile: int
    index: int
    values: list[str]


class Trace:
    """Grids and beats of each cycle; values are text, or `NOTHING`."""

    def __init__(self, record: Record) -> None:
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
        """Tile of the operands of each element, found by counting its operands so far."""
        so_far = [self.grid(name, earlier) for earlier in range(cycle + 1)]
        return [
            [
                (sum(grid[row][col] != NOTHING for grid in so_far) - 1) // self.depth + 1
                for col in range(len(so_far[0][0]))
            ]
            for row in range(len(so_far[0]))
        ]

    def beats(self, stream: str) -> list[Beat]:
        """Every cycle of a stream."""
        listed, tile, index = [], 1, 0
        for cycle in range(self.cycles):
            valid, ready, last = (wire == "1" for wire in self.row(stream, cycle))
            listed.append(Beat(valid, ready, last, tile, index, self.row(f"{stream}_tdata", cycle)))
            if valid and ready:
                tile, index = (tile + 1, 0) if last else (tile, index + 1)
        return listed


CELL = 34
#: Height of the result register in a cell.
STRIP = 12
PANEL_COLUMNS = 5
#: Position of the array in its panel.
LEFT, TOP = 26, 42
HEADER = 92
#: Number of shades of a tile; a full accumulator has the last.
SHADES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    """One processing element in one cycle; ``tile`` and ``result`` are 0 if empty."""

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
    """A value at the edge of the array, and its tile."""

    x: float
    y: float
    text: str
    tile: int


@dataclass(slots=True)
class Panel:
    """One cycle: position, cells, and the values that enter and leave."""

    cycle: int
    x: int
    y: int
    cells: list[Cell]
    west: list[Label] = field(default_factory=list)
    south: list[Label] = field(default_factory=list)
    north: list[Label] = field(default_factory=list)
    beat: Label | None = None


def wavefront(record: Record) -> dict[str, Any]:
    """Values for the template ``wavefront.svg.j2``."""
    trace = Trace(record)
    rows, cols = len(trace.grid("acc", 0)), len(trace.grid("acc", 0)[0])
    width, height = cols * CELL + 40, rows * CELL + 78
    panels = [
        _panel(
            trace,
            cycle,
            MARGIN + cycle % PANEL_COLUMNS * width,
            HEADER + cycle // PANEL_COLUMNS * height,
        )
        for cycle in range(trace.cycles)
    ]
    legend = trace.cycles  # The place after the last cycle, in a line of its own if that is full.
    lines = legend // PANEL_COLUMNS + 1
    return {
        "panels": panels,
        "cell": CELL,
        "strip": STRIP,
        "width": 2 * MARGIN + PANEL_COLUMNS * width - 6,
        "height": HEADER + lines * height + 10,
        "legend": {
            "x": MARGIN + legend % PANEL_COLUMNS * width,
            "y": HEADER + legend // PANEL_COLUMNS * height,
        },
        "shades": SHADES,
        "margin": MARGIN,
        **{key: trace.conditions[key] for key in ("mac", "array", "k", "tiles")},
    }


def _panel(trace: Trace, cycle: int, x: int, y: int) -> Panel:
    """Panel of one cycle with its corner at ``x``, ``y``."""
    drain = [moves == "1" for moves in trace.row("drain", cycle)]
    names = ("acc", "products", "tile", "a", "b", "result", "result_tile")
    grids = {name: trace.grid(name, cycle) for name in names}
    panel = Panel(cycle, x, y, [])
    for row in range(len(grids["acc"])):
        for col, moves in enumerate(drain):
            values = {name: grid[row][col] for name, grid in grids.items()}
            tile, result = (
                0 if values[name] == NOTHING else int(values[name])
                for name in ("tile", "result_tile")
            )
            panel.cells.append(
                Cell(
                    x=LEFT + col * CELL,
                    y=TOP + row * CELL,
                    acc=values["acc"] if tile else "",
                    tile=tile,
                    busy=values["a"] != NOTHING,
                    result=result,
                    moves=moves and result > 0,
                    shade=-(-SHADES * int(values["products"]) // trace.depth) if tile else 0,
                )
            )
    bottom = TOP + len(grids["acc"]) * CELL
    from_west, from_south = (trace.tile_of_operands(name, cycle) for name in "ab")
    panel.west = [
        Label(LEFT - 10, TOP + (row + 0.5) * CELL + 4, values[0], from_west[row][0])
        for row, values in enumerate(grids["a"])
        if values[0] != NOTHING
    ]
    panel.south = [
        Label(LEFT + (col + 0.5) * CELL, bottom + 20, value, from_south[-1][col])
        for col, value in enumerate(grids["b"][-1])
        if value != NOTHING
    ]
    panel.north = [
        Label(LEFT + (col + 0.5) * CELL, TOP - 10, value, int(tile))
        for col, (value, tile, moves) in enumerate(
            zip(grids["result"][0], grids["result_tile"][0], drain, strict=True)
        )
        if moves and value != NOTHING
    ]
    beat = trace.beats("m_axis_c")[cycle]
    if beat.valid and beat.ready:
        panel.beat = Label(LEFT + len(drain) * CELL + 4, 14, " ".join(beat.values), beat.tile)
    return panel


STEP, LINE, HIGH = 40, 26, 14
WAVES_LEFT, WAVES_TOP = 130, 62
#: Space between two streams.
GAP = 12
_NAMES = (("s_axis_a", "col"), ("s_axis_b", "row"), ("m_axis_c", "row"))


@dataclass(frozen=True, slots=True)
class Wave:
    """One wire: name, position, and SVG path."""

    name: str
    y: int
    path: str


@dataclass(frozen=True, slots=True)
class Box:
    """One beat on tdata."""

    x: int
    y: int
    text: str
    tile: int


def streams(record: Record) -> dict[str, Any]:
    """Values for the template ``streams.svg.j2``."""
    trace = Trace(record)
    waves, boxes, y = [], [], WAVES_TOP
    for stream, vector in _NAMES:
        beats = trace.beats(stream)
        for wire in ("valid", "ready", "last"):
            heights = [y if getattr(beat, wire) else y + HIGH for beat in beats]
            steps = "".join(
                f"V{height}H{WAVES_LEFT + (cycle + 1) * STEP}"
                for cycle, height in enumerate(heights)
            )
            waves.append(Wave(f"{stream}_t{wire}", y, f"M{WAVES_LEFT} {heights[0]}{steps}"))
            y += LINE
        waves.append(Wave(f"{stream}_tdata", y, ""))
        for cycle, beat in enumerate(beats):
            if beat.valid:  # A row or a column of its matrix.
                place = f"{beat.index},:" if vector == "row" else f":,{beat.index}"
                boxes.append(
                    Box(
                        WAVES_LEFT + cycle * STEP,
                        y,
                        f"{stream[-1].upper()}{beat.tile}[{place}]",
                        beat.tile,
                    )
                )
        y += LINE + GAP
    return {
        "waves": waves,
        "boxes": boxes,
        "cycles": trace.cycles,
        "step": STEP,
        "high": HIGH,
        "left": WAVES_LEFT,
        "top": WAVES_TOP,
        "margin": MARGIN,
        "bottom": y - GAP,
        "width": WAVES_LEFT + trace.cycles * STEP + MARGIN,
        "height": y + MARGIN - GAP,
        **{key: trace.conditions[key] for key in ("mac", "array")},
    }


PAGE = Page(
    figures=(
        Figure(
            "wavefront",
            "Two tiles flowing through a 4x4 array, cycle by cycle: sums grow along "
            "diagonals from the southwest and leave in the north",
            lambda records: wavefront(records[0]),
        ),
        Figure(
            "streams",
            "Handshakes and beats of the streams of A, B and C in the same cycles",
            lambda records: streams(records[0]),
        ),
    )
)
