# SPDX-License-Identifier: Apache-2.0
"""From recorded wires to what happens in an array, cycle by cycle, as short texts.

A grid is ``"1 2; 3 4"``, rows from north to south, and ``-`` where there is nothing. Of each cycle:

a, b
    Values of the operands that a processing element is given.
acc, products, tile
    Its accumulator while a sum is under way or just finished: value, products in it, number of the
    tile from 1.
result, result_tile
    Its result register, from the sum's arrival until it has moved on.
drain
    Whether the results of a column move north.
s_axis_a, s_axis_b, m_axis_c
    Wires tvalid, tready and tlast; with ``_tdata`` the values that are offered.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import sim
from hw.spec import ArraySpec, Format
from sim.trace.vcd import Sample

__all__ = ["NOTHING", "STREAMS", "grid_text", "trace"]

#: Tile of each sum that a column has finished.
_Column = dict[float, int]

NOTHING = "-"
STREAMS = ("s_axis_a", "s_axis_b", "m_axis_c")


def number_text(value: float) -> str:
    """``value`` without digits that say nothing."""
    return f"{value:.12g}"


def grid_text(rows: Iterable[Iterable[Any]]) -> str:
    """Text of a grid of numbers, None where there is nothing."""
    return "; ".join(" ".join(NOTHING if value is None else number_text(value) for value in row)
                     for row in rows)


@dataclass(slots=True)
class _Cell:
    """What one accumulator holds, told from the frames that it was given."""

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
        Values of all wires, as `sim.trace.vcd.samples` gives them, from the first operand beat on.
    spec
        The array.
    dut
        Full name of its instance.
    """
    cells = [[_Cell() for _ in range(spec.cols)] for _ in range(spec.rows)]
    columns: list[_Column] = [{} for _ in range(spec.cols)]
    found: dict[str, list[str]] = {}
    for sample in cycles:
        wires = [[_pe_wires(sample, f"{dut}.grid.row_{row}.pe_{col}") for col in range(spec.cols)]
                 for row in range(spec.rows)]
        step = _grids(wires, cells, columns, spec) | _streams(sample, dut, spec)
        for name, text in step.items():
            found.setdefault(name, []).append(text)
        for cell_row, wire_row in zip(cells, wires, strict=True):
            for cell, pe in zip(cell_row, wire_row, strict=True):
                cell.step(pe)
    return found


def _pe_wires(sample: Sample, path: str) -> dict[str, int]:
    """Wires of one processing element that matter here."""
    wires = {name: sample[f"{path}.{name}"] for name in ("result_q", "shift")}
    wires |= {name: sample[f"{path}.mac.{name}"] for name in
              ("i_valid", "i_first", "i_a", "i_b", "o_valid", "o_data")}
    return {name: -1 if value is None else value for name, value in wires.items()}


def _grids(wires: list[list[dict[str, int]]], cells: list[list[_Cell]], columns: list[_Column],
           spec: ArraySpec) -> dict[str, str]:
    """Texts of what the processing elements do."""
    names = ("a", "b", "acc", "products", "tile", "result", "result_tile")
    rows: dict[str, list[list[float | None]]] = {name: [] for name in names}
    for wire_row, cell_row in zip(wires, cells, strict=True):
        known = [_element(pe, cell, column, spec)
                 for pe, cell, column in zip(wire_row, cell_row, columns, strict=True)]
        for index, name in enumerate(names):
            rows[name].append([values[index] for values in known])
    drain = " ".join(str(pe["shift"]) for pe in wires[0])
    return {name: grid_text(rows[name]) for name in names} | {"drain": drain}


def _element(pe: dict[str, int], cell: _Cell, column: _Column,
             spec: ArraySpec) -> tuple[float | None, ...]:
    """Values of one processing element, None where there is nothing."""
    acc = _sum(pe["o_data"], spec)
    if pe["o_valid"]:
        column[acc] = cell.tile
    result = _sum(pe["result_q"], spec)
    # All sums of a column differ, none is zero: the register's contents say whose they are.
    result_tile = column.get(result)
    a, b = ((_value(pe["i_a"], spec.mac.a), _value(pe["i_b"], spec.mac.b)) if pe["i_valid"]
            else (None, None))
    under_way = (acc, cell.products, cell.tile) if cell.tile else (None, None, None)
    return a, b, *under_way, result if result_tile or result else None, result_tile


def _streams(sample: Sample, dut: str, spec: ArraySpec) -> dict[str, str]:
    """Texts of the three streams."""
    shakes = {name: [sample[f"{dut}.{name}_{wire}"] for wire in ("tvalid", "tready", "tlast")]
              for name in STREAMS}
    values = {}
    mac = spec.mac
    for name, count, width, value in (
            ("s_axis_a", spec.rows, mac.a.width, partial(_value, fmt=mac.a)),
            ("s_axis_b", spec.cols, mac.b.width, partial(_value, fmt=mac.b)),
            ("m_axis_c", spec.cols, spec.slot_width, partial(_sum, spec=spec))):
        data = sample[f"{dut}.{name}_tdata"] if shakes[name][0] else None
        values[name] = [None if data is None else value(data >> (width * lane) & ((1 << width) - 1))
                        for lane in range(count)]
    return ({name: grid_text([wires]) for name, wires in shakes.items()}
            | {f"{name}_tdata": grid_text([row]) for name, row in values.items()})


def _value(code: int, fmt: Format) -> float:
    """Value of an operand."""
    return float(sim.decode(code, fmt))


def _sum(bits: int, spec: ArraySpec) -> float:
    """Value of a two's complement sum; what stands above its bits does not count."""
    width = spec.mac.acc.width
    low = bits & ((1 << width) - 1)
    return (low - (low >> (width - 1) << width)) * 2.0 ** spec.mac.acc.lsb  # type: ignore[union-attr]
