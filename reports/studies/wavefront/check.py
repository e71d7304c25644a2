# SPDX-License-Identifier: Apache-2.0
"""Holds a recorded trace against the golden model and the closed forms."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from hw.spec import ArraySpec, parse_array
from reports.studies.wavefront.steps import NOTHING, grid_text
from reports.studies.wavefront.tiles import Tiles

__all__ = ["TraceError", "check", "grid", "tiles_of"]


class TraceError(RuntimeError):
    """A trace that is not what must happen; the message is one line."""


def grid(text: str) -> list[list[float | None]]:
    """Numbers of a grid, None where there is nothing."""
    return [[None if word == NOTHING else float(word) for word in row.split()]
            for row in text.split("; ")]


def tiles_of(conditions: Mapping[str, Any]) -> Tiles:
    """The operands that a record names."""
    a, b = (np.array([grid(text) for text in conditions[name]], np.float64) for name in "ab")
    return Tiles(a=a, b=b)


def check(conditions: Mapping[str, Any]) -> int:
    """Compare every recorded value with what it must be; gives the number of comparisons.

    Operands, accumulator and result register of each processing element in each cycle, rows of C
    that leave each column, beats of C, and the cycles of the first and of the last beat.

    Raises
    ------
    TraceError
        If a value differs.
    """
    spec = parse_array(conditions["array"], conditions["mac"])
    tiles, trace = tiles_of(conditions), conditions["trace"]
    found = _Comparisons()
    sums = tiles.sums(spec)
    for cycle in range(len(trace["acc"])):
        wanted = _operands(cycle, tiles, sums, spec) | _results(cycle, tiles, sums[-1], spec)
        for name, text in wanted.items():
            found.equal(f"{name} in cycle {cycle}", trace[name][cycle], text,
                        spec.rows * spec.cols)
    rows = sums[-1].reshape(-1, spec.cols)
    _check_drain(found, trace, rows)
    _check_beats(found, trace, rows, tiles, spec)
    return found.count


class _Comparisons:
    """Counts what was compared."""

    def __init__(self) -> None:
        self.count = 0

    def equal(self, what: str, got: object, wanted: object, values: int = 1) -> None:
        """Raise unless ``got`` is ``wanted``."""
        self.count += values
        if got != wanted:
            raise TraceError(f"Trace of {what} must be {wanted!r}, not {got!r}")


def _operands(cycle: int, tiles: Tiles, sums: np.ndarray, spec: ArraySpec) -> dict[str, str]:
    """Operands and accumulators that the processing elements must have in a cycle."""
    names = ("a", "b", "acc", "products", "tile")
    rows: dict[str, list[list[float | None]]] = {name: [] for name in names}
    for row in range(spec.rows):
        elements = []
        for col in range(spec.cols):
            # A enters in the west, B in the south: an element waits a cycle for each step.
            pair = cycle - (spec.rows - 1 - row) - col
            tile, k = divmod(pair, tiles.depth)
            before, done = divmod(pair - 1, tiles.depth)
            now = 0 <= tile < tiles.count
            under_way = 0 <= before < tiles.count
            elements.append((
                *((tiles.a[tile, row, k], tiles.b[tile, k, col]) if now else (None, None)),
                *((sums[done, before, row, col], done + 1, before + 1) if under_way
                  else (None, None, None))))
        for index, name in enumerate(names):
            rows[name].append([values[index] for values in elements])
    return {name: grid_text(rows[name]) for name in names}


def _results(cycle: int, tiles: Tiles, sums: np.ndarray, spec: ArraySpec) -> dict[str, str]:
    """Results that the processing elements must hold in a cycle."""
    values: list[list[float | None]] = [[None] * spec.cols for _ in range(spec.rows)]
    owners: list[list[float | None]] = [[None] * spec.cols for _ in range(spec.rows)]
    for tile in range(tiles.count):
        for col in range(spec.cols):
            # When the southernmost element has its sum, and when the column starts to move.
            first = (tile + 1) * tiles.depth + col + spec.mac.latency
            moved = max(0, cycle - (first + spec.rows - 1))
            for row in range(max(0, spec.rows - 1 - (cycle - first)), spec.rows):
                source = row + moved
                inside = source < spec.rows
                values[row][col] = sums[tile, source, col] if inside else None
                owners[row][col] = tile + 1 if inside else None
    return {"result": grid_text(values), "result_tile": grid_text(owners)}


def _check_drain(found: _Comparisons, trace: Mapping[str, Any], rows: np.ndarray) -> None:
    """What leaves a column in the north is that column of C, row by row."""
    left: list[list[float | None]] = [[] for _ in rows[0]]
    for results, drain in zip(trace["result"], trace["drain"], strict=True):
        for column, value, moves in zip(left, grid(results)[0], drain.split(), strict=True):
            if moves == "1":
                column.append(value)
    for index, column in enumerate(left):
        found.equal(f"results of column {index}", column, rows[:, index].tolist(), len(rows))


def _check_beats(found: _Comparisons, trace: Mapping[str, Any], rows: np.ndarray, tiles: Tiles,
                 spec: ArraySpec) -> None:
    """Beats of C, and when they leave."""
    beats = [cycle for cycle, shake in enumerate(trace["m_axis_c"]) if shake.startswith("1 1")]
    got = [grid(trace["m_axis_c_tdata"][cycle])[0] for cycle in beats]
    found.equal("beats of C", got, rows.tolist(), rows.size)
    last = ["1 1 1" if row % spec.rows == spec.rows - 1 else "1 1 0" for row in range(len(rows))]
    found.equal("handshakes of C", [trace["m_axis_c"][cycle] for cycle in beats], last, len(rows))
    found.equal("first beat of C", beats[0], spec.first_result(tiles.depth))
    found.equal("cycles", len(trace["m_axis_c"]),
                spec.cycles(tiles.count * spec.rows, tiles.depth, spec.cols))
