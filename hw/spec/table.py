# SPDX-License-Identifier: Apache-2.0
"""The catalogue as a table: rows as data, and as text for a terminal."""

import json
from collections.abc import Iterable
from typing import Any

from hw.spec.catalog import CATALOG, SOURCES
from hw.spec.formats import Format

__all__ = ["COLUMNS", "format_cells", "format_rows", "format_table", "format_table_json"]

#: Heading of each column of the printed table.
COLUMNS = {
    "name": "format",
    "bits": "S/E/M",
    "bias": "bias",
    "specials": "specials",
    "max": "max",
    "min": "min",
    "min_normal": "min normal",
    "min_subnormal": "min subnormal",
    "lsb": "lsb",
    "num_finite": "finite codes",
    "nan_code": "NaN",
    "inf_code": "Inf",
    "source": "source",
}


def format_rows(formats: Iterable[Format] = CATALOG.values()) -> list[dict[str, Any]]:
    """Facts of each format, ready for JSON.

    ``bias``, ``nan_code``, ``inf_code`` and ``source`` are None where there is none. ``lsb`` is the
    exponent of the unit that every value is a multiple of. Of an integer both smallest values are
    one unit.
    """
    return [_row(fmt) for fmt in formats]


def _row(fmt: Format) -> dict[str, Any]:
    """Facts of one format."""
    return {
        "name": fmt.name,
        "width": fmt.width,
        "sign_bits": int(fmt.signed),
        "exp_bits": fmt.exp_bits,
        "man_bits": fmt.man_bits,
        "bias": None if fmt.is_integer else fmt.bias,
        "specials": fmt.specials.value,
        "max": fmt.max,
        "min": fmt.min,
        "min_normal": fmt.min_normal,
        "min_subnormal": fmt.min_subnormal,
        "lsb": fmt.lsb,
        "num_finite": fmt.num_finite,
        "nan_code": fmt.nan_code,
        "inf_code": fmt.inf_code,
        "source": SOURCES.get(fmt.name),
    }


def format_cells(rows: list[dict[str, Any]] | None = None) -> list[list[str]]:
    """Text of each cell of `format_rows`, a list for each format, in the order of `COLUMNS`."""
    rows = format_rows() if rows is None else rows
    return [[_cell(row, name) for name in COLUMNS] for row in rows]


def format_table(rows: list[dict[str, Any]] | None = None) -> str:
    """Table of `format_rows` as text: headings, then one line a format."""
    cells = [list(COLUMNS.values()), *format_cells(rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
             for line in cells]
    return "\n".join(line.rstrip() for line in lines)


def format_table_json(rows: list[dict[str, Any]] | None = None) -> str:
    """`format_rows` as JSON text."""
    return json.dumps({"formats": format_rows() if rows is None else rows}, indent=2)


def _cell(row: dict[str, Any], column: str) -> str:
    """Text of one cell."""
    if column == "bits":
        return "/".join(str(row[name]) for name in ("sign_bits", "exp_bits", "man_bits"))
    value = row[column]
    if value is None:
        return "-"
    if column.endswith("_code"):
        return f"0x{value:0{-(-row['width'] // 4)}x}"
    return f"{value:.8g}" if isinstance(value, float) else str(value)
