# SPDX-License-Identifier: Apache-2.0
"""State of an array in each cycle as short texts, derived from recorded wires and checked against
the golden model and the closed forms.

A grid is ``"1 2; 3 4"``, rows from north to south, with ``-`` for an empty place. For each cycle:

a, b
    Operand values of a processing element.
acc, products, tile
    Its accumulator while a sum is in progress or just finished: value, number of products, and
    number of the tile from 1.
result, result_tile
    Its result register, from arrival of the sum until it has moved on.
drain
    Whether the results of a column move north.
s_axis_a, s_axis_b, m_axis_c
    Wires tvalid, tready and tlast; ``_tdata`` has the values offered.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

import sim
from hw.spec import ArraySpec, FixedAccumulator, Format, parse_array
from hw.spec.errors import require
from sim.trace.waves import Sample

#: Tile of each sum that a column has finished.
_Column = dict[float, int]

NOTHING = "-"
STREAMS = ("s_axis_a", "s_axis_b", "m_axis_c")


class TraceError(RuntimeError):
    """The trace differs from the model; the message is one line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Tiles:
    """Operands of successive tiles as values: ``a`` of shape (T, M, K), ``b`` (T, K, N)."""

    a: npt.NDArray[np.float64]
    b: npt.NDArray[np.float64]

    @property
    def count(self) -> int:
        """Number of tiles."""
        return len(self.a)

    @property
    def depth(self) -> int:
        """K."""
        return int(self.a.shape[2])

    def codes(self, spec: ArraySpec) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """Codes of ``a`` and ``b``; the formats must represent the values exactly."""
        return _exact("a", self.a, spec.mac.a), _exact("b", self.b, spec.mac.b)

    def sums(self, spec: ArraySpec) -> npt.NDArray[np.float64]:
        """Values of the sums by the model, after each product: shape (K, T, M, N)."""
        acc = spec.mac.acc
        require(isinstance(acc, FixedAccumulator), "Wavefront accumulator", "fixed point", str(acc))
        assert isinstance(acc, FixedAccumulator)
        tiles = list(zip(*self.codes(spec), strict=True))
        sums = [
            [sim.matmul(a[:, : k + 1], b[: k + 1], spec.mac) for a, b in tiles]
            for k in range(self.depth)
        ]
        return np.array(sums) * 2.0**acc.lsb_exp


def _exact(name: str, values: npt.NDArray[np.float64], fmt: Format) -> npt.NDArray[Any]:
    """Codes of ``values``; none may be rounded."""
    codes: npt.NDArray[Any] = sim.encode(values, fmt)
    require(
        bool((sim.decode(codes, fmt) == values).all()),
        f"Wavefront operand {name}",
        f"values of {fmt.name}",
        values.tolist(),
    )
    return codes


#: Small integers chosen so that all sums of a column differ and can be identified.
TILES = Tiles(
    a=np.array(
        [
            [[1, 1, 1, 2], [3, 1, 3, 2], [1, 1, 1, 3], [1, 1, 3, 2]],
            [[2, 1, 3, 2], [3, 3, 2, 3], [3, 3, 2, 2], [2, 2, 3, 3]],
        ],
        np.float64,
    ),
    b=np.array(
        [
            [[1, 2, 3, 3], [1, 2, 3, 1], [3, 2, 1, 1], [1, 2, 1, 1]],
            [[3, 2, 2, 1], [1, 3, 3, 2], [1, 3, 1, 2], [2, 3, 3, 2]],
        ],
        np.float64,
    ),
)


def grid_text(rows: Iterable[Iterable[Any]]) -> str:
    """Text of a grid of numbers; None for an empty place."""
    return "; ".join(
        " ".join(NOTHING if value is None else f"{value:.12g}" for value in row) for row in rows
    )


@dataclass(slots=True)
class _Cell:
    """Content of one accumulator, derived from its inputs."""

    tile: int = 0
    products: int = 0
    begun: int = 0

    def step(self, wires: Mapping[str, int]) -> None:
        """Go on to the next cycle."""
        if wires["i_valid"]:
            self.begun += wires["i_first"]
            self.tile, self.products = self.begun, 1 if wires["i_first"] else self.products + 1
        elif wires["o_valid"]:
            self.tile = self.products = 0


def trace(cycles: Sequence[Sample], spec: ArraySpec, dut: str) -> dict[str, list[str]]:
    """Texts of every cycle by the names above.

    Parameters
    ----------
    cycles
        Values of all wires as `sim.trace.waves.samples` gives them, from the first operand beat.
    spec
        The array.
    dut
        Full name of its instance.
    """
    cells = [[_Cell() for _ in range(spec.cols)] for _ in range(spec.rows)]
    columns: list[_Column] = [{} for _ in range(spec.cols)]
    drawn: dict[str, list[str]] = {}
    for sample in cycles:
        grids: dict[str, list[list[float | None]]] = {
            name: [] for name in ("a", "b", "acc", "products", "tile", "result", "result_tile")
        }
        for row, cell_row in enumerate(cells):
            known = [
                _element(sample, f"{dut}.grid.row_{row}.pe_{col}", cell, columns[col], spec)
                for col, cell in enumerate(cell_row)
            ]
            for grid, values in zip(grids.values(), zip(*known, strict=True), strict=True):
                grid.append(list(values))
        step = {name: grid_text(grid) for name, grid in grids.items()}
        step["drain"] = " ".join(
            str(sample[f"{dut}.grid.row_0.pe_{col}.shift"]) for col in range(spec.cols)
        )
        for name, text in (step | _streams(sample, dut, spec)).items():
            drawn.setdefault(name, []).append(text)
    return drawn


def _element(
    sample: Sample, path: str, cell: _Cell, column: _Column, spec: ArraySpec
) -> tuple[float | None, ...]:
    """Values of one processing element, None if empty; advances ``cell``."""
    wires = {
        name: sample[f"{path}.mac.{name}"]
        for name in ("i_valid", "i_first", "i_a", "i_b", "o_valid", "o_data")
    }
    wires["result_q"] = sample[f"{path}.result_q"]
    pe = {name: -1 if value is None else value for name, value in wires.items()}
    acc = _sum(pe["o_data"], spec)
    if pe["o_valid"]:
        column[acc] = cell.tile
    result = _sum(pe["result_q"], spec)
    # All sums of a column differ and none is zero, so a register's contents identify the sum.
    result_tile = column.get(result)
    a, b = (
        (_value(pe["i_a"], spec.mac.a), _value(pe["i_b"], spec.mac.b))
        if pe["i_valid"]
        else (None, None)
    )
    under_way = (acc, cell.products, cell.tile) if cell.tile else (None, None, None)
    cell.step(pe)
    return a, b, *under_way, result if result_tile or result else None, result_tile


def _streams(sample: Sample, dut: str, spec: ArraySpec) -> dict[str, str]:
    """Texts of the three streams."""
    shakes = {
        name: [sample[f"{dut}.{name}_{wire}"] for wire in ("tvalid", "tready", "tlast")]
        for name in STREAMS
    }
    values = {}
    mac = spec.mac
    for name, count, width, value in (
        ("s_axis_a", spec.rows, mac.a.width, partial(_value, fmt=mac.a)),
        ("s_axis_b", spec.cols, mac.b.width, partial(_value, fmt=mac.b)),
        ("m_axis_c", spec.cols, spec.slot_width, partial(_sum, spec=spec)),
    ):
        data = sample[f"{dut}.{name}_tdata"] if shakes[name][0] else None
        values[name] = [
            None if data is None else value(data >> (width * lane) & ((1 << width) - 1))
            for lane in range(count)
        ]
    return {name: grid_text([wires]) for name, wires in shakes.items()} | {
        f"{name}_tdata": grid_text([row]) for name, row in values.items()
    }


def _value(code: int, fmt: Format) -> float:
    """Value of an operand."""
    return float(sim.decode(code, fmt))


def _sum(bits: int, spec: ArraySpec) -> float:
    """Value of a two's complement sum; higher bits are ignored."""
    width = spec.mac.acc.width
    low = bits & ((1 << width) - 1)
    return (low - (low >> (width - 1) << width)) * 2.0**spec.mac.acc.lsb_exp  # type: ignore[union-attr]


def grid(text: str) -> list[list[float | None]]:
    """Numbers of a grid; None for an empty place."""
    return [
        [None if word == NOTHING else float(word) for word in row.split()]
        for row in text.split("; ")
    ]


def tiles_of(conditions: Mapping[str, Any]) -> Tiles:
    """The operands named by a record."""
    a, b = (np.array([grid(text) for text in conditions[name]], np.float64) for name in "ab")
    return Tiles(a=a, b=b)


def check(conditions: Mapping[str, Any]) -> int:
    """Compare every recorded value with the expected one; returns the number of comparisons.

    Operands, accumulator and result register of each processing element in each cycle, rows of C
    that leave each column, beats of C, and the cycles of the first and of the last beat.

    Raises
    ------
    TraceError
        If a value differs.
    """
    spec = parse_array(conditions["array"], conditions["mac"])
    tiles, trace = tiles_of(conditions), conditions["trace"]
    compared = 0

    def equal(what: str, got: object, wanted: object, values: int = 1) -> None:
        nonlocal compared
        compared += values
        if got != wanted:
            raise TraceError(f"Trace of {what} must be {wanted!r}, not {got!r}")

    sums = tiles.sums(spec)
    for cycle in range(len(trace["acc"])):
        wanted = _operands(cycle, tiles, sums, spec) | _results(cycle, tiles, sums[-1], spec)
        for name, text in wanted.items():
            equal(f"{name} in cycle {cycle}", trace[name][cycle], text, spec.rows * spec.cols)
    # What leaves a column in the north is that column of C, row by row.
    rows = sums[-1].reshape(-1, spec.cols)
    left: list[list[float | None]] = [[] for _ in range(spec.cols)]
    for results, drain in zip(trace["result"], trace["drain"], strict=True):
        for column, value, moves in zip(left, grid(results)[0], drain.split(), strict=True):
            if moves == "1":
                column.append(value)
    for index, column in enumerate(left):
        equal(f"results of column {index}", column, rows[:, index].tolist(), len(rows))
    beats = [cycle for cycle, shake in enumerate(trace["m_axis_c"]) if shake.startswith("1 1")]
    got = [grid(trace["m_axis_c_tdata"][cycle])[0] for cycle in beats]
    equal("beats of C", got, rows.tolist(), rows.size)
    last = ["1 1 1" if row % spec.rows == spec.rows - 1 else "1 1 0" for row in range(len(rows))]
    equal("handshakes of C", [trace["m_axis_c"][cycle] for cycle in beats], last, len(rows))
    equal("first beat of C", beats[0], spec.first_result(tiles.depth))
    equal(
        "cycles",
        len(trace["m_axis_c"]),
        spec.cycles(tiles.count * spec.rows, tiles.depth, spec.cols),
    )
    return compared


def _operands(cycle: int, tiles: Tiles, sums: np.ndarray, spec: ArraySpec) -> dict[str, str]:
    """Expected operands and accumulators of the processing elements in a cycle."""
    grids: dict[str, list[list[float | None]]] = {
        name: [[None] * spec.cols for _ in range(spec.rows)]
        for name in ("a", "b", "acc", "products", "tile")
    }
    for row, col in np.ndindex(spec.rows, spec.cols):
        # A enters in the west and B in the south; each step to the next element takes a cycle.
        pair = cycle - (spec.rows - 1 - row) - col
        tile, k = divmod(pair, tiles.depth)
        if 0 <= tile < tiles.count:
            grids["a"][row][col] = tiles.a[tile, row, k]
            grids["b"][row][col] = tiles.b[tile, k, col]
        tile, k = divmod(pair - 1, tiles.depth)
        if 0 <= tile < tiles.count:
            grids["acc"][row][col] = sums[k, tile, row, col]
            grids["products"][row][col], grids["tile"][row][col] = k + 1, tile + 1
    return {name: grid_text(rows) for name, rows in grids.items()}


def _results(cycle: int, tiles: Tiles, sums: np.ndarray, spec: ArraySpec) -> dict[str, str]:
    """Expected results in the processing elements in a cycle."""
    values: list[list[float | None]] = [[None] * spec.cols for _ in range(spec.rows)]
    owners: list[list[float | None]] = [[None] * spec.cols for _ in range(spec.rows)]
    for tile, col in np.ndindex(tiles.count, spec.cols):
        # Cycles in which the southernmost element has its sum and the column starts to move.
        first = (tile + 1) * tiles.depth + col + spec.mac.latency
        moved = max(0, cycle - (first + spec.rows - 1))
        for row in range(max(0, spec.rows - 1 - (cycle - first)), spec.rows):
            inside = row + moved < spec.rows
            values[row][col] = sums[tile, row + moved, col] if inside else None
            owners[row][col] = tile + 1 if inside else None
    return {"result": grid_text(values), "result_tile": grid_text(owners)}
