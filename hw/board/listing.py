# SPDX-License-Identifier: Apache-2.0
"""What there is of boards: their chips and clocks, and the arrays that were built for them."""

import json
from pathlib import Path
from typing import Any

from hw.board.families import FAMILIES
from hw.board.pins import pins
from hw.board.platforms import BOARDS, Board

__all__ = ["RECORDS", "facts", "largest", "listing"]

#: What `python -m synth.boards` measured.
RECORDS = Path(__file__).resolve().parents[2] / "reports" / "data" / "boards.json"
HEADINGS = ("board", "look-up tables", "DSP blocks", "clock")


def facts(board: Board) -> dict[str, Any]:
    """Cells and clock of a board."""
    found = pins(board)
    capacity = FAMILIES[board.family].capacity(found.chip)
    return {"board": board.key, "title": board.title, "luts": capacity["luts"],
            "dsps": capacity["dsps"], "clock_mhz": found.clock_hz / 1e6}


def largest(records: list[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Largest array that was placed and routed, by board and MAC."""
    best: dict[str, dict[str, str]] = {}
    for record in records:
        where = record["conditions"]
        if record["metrics"]["fits"]["value"]:
            arrays = best.setdefault(where["board"], {})
            arrays[where["mac"]] = max(where["array"], arrays.get(where["mac"], "0x0"),
                                       key=_elements)
    return best


def _elements(array: str) -> int:
    """Processing elements of an array."""
    rows, cols = array.split("x")
    return int(rows) * int(cols)


def listing(*, as_json: bool = False) -> str:
    """Every board with its cells, its clock and the largest arrays that were built for it."""
    records = json.loads(RECORDS.read_text(encoding="utf-8"))["records"] if RECORDS.exists() else []
    built = largest(records)
    boards = [facts(board) | {"largest_built": built.get(board.key, {})} for board in BOARDS]
    if as_json:
        return json.dumps(boards, indent=2)
    macs = list(dict.fromkeys(mac for arrays in built.values() for mac in arrays))
    rows = [(*HEADINGS, *(f"{mac}, built" for mac in macs))]
    rows += [(entry["board"], f"{entry['luts']:,}", str(entry["dsps"]),
              f"{entry['clock_mhz']:g} MHz",
              *(entry["largest_built"].get(mac, "-") for mac in macs)) for entry in boards]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join("  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True))
                     .rstrip() for row in rows)
