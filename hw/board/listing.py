# SPDX-License-Identifier: Apache-2.0
"""The list of boards: chip, clock, and the largest arrays that fit or were built."""

import json
from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

from hw.board.families import FAMILIES
from hw.board.platforms import BOARDS, Board, pins

#: Record files: designs built for each board, and the largest array that fits each chip.
BUILT, ROOM = "boards.json", "board_room.json"
HEADINGS = ("board", "look-up tables", "DSP blocks", "clock")
#: Meaning of an asterisk.
NOTE = "* enough cells, but place and route failed"
Record = Mapping[str, Any]


def facts(board: Board) -> dict[str, Any]:
    """Cells and clock of a board."""
    board_pins = pins(board)
    capacity = FAMILIES[board.family].chips[board_pins.die]
    return {
        "board": board.key,
        "title": board.title,
        "die": board_pins.die,
        "luts": capacity["luts"],
        "dsps": capacity["dsps"],
        "clock_mhz": board_pins.clock_hz / 1e6,
    }


def largest(records: Sequence[Record]) -> dict[str, dict[str, str]]:
    """Largest array that was placed and routed, for each board and MAC."""
    return _largest(records, "board", lambda record: record["conditions"]["array"])


def largest_mapped(records: Sequence[Record]) -> dict[str, dict[str, str]]:
    """Largest square array for which the chip has enough cells, for each die and MAC."""
    return _largest(records, "die", lambda record: record["metrics"]["array"]["value"])


def unplaced(built: Sequence[Record], room: Sequence[Record]) -> set[tuple[str, str]]:
    """Dies and MACs for which place and route of the largest mapped array failed."""
    largest_of = largest_mapped(room)
    tried: dict[tuple[Any, ...], bool] = {}
    dies = {board.key: pins(board).die for board in BOARDS}
    for record in built:
        where = record["conditions"]
        point = dies[where["board"]], where["mac"], where["array"], where["dsp_blocks"]
        tried[point] = tried.get(point, False) or record["metrics"]["fits"]["value"]
    ways: dict[tuple[str, str], list[bool | None]] = {}
    for record in room:
        where, metrics = record["conditions"], record["metrics"]
        die, mac = where["die"], where["mac"]
        if metrics["fits"]["value"] and metrics["array"]["value"] == largest_of[die][mac]:
            point = die, mac, metrics["array"]["value"], where["dsp_blocks"]
            ways.setdefault((die, mac), []).append(tried.get(point))
    return {point for point, placed in ways.items() if all(each is False for each in placed)}


def _largest(
    records: Sequence[Record], place: str, size: Callable[[Record], str]
) -> dict[str, dict[str, str]]:
    """Largest array that fits, with or without DSP blocks, for each ``place`` and MAC."""
    best: dict[str, dict[str, str]] = {}
    for record in records:
        where = record["conditions"]
        if record["metrics"]["fits"]["value"]:
            arrays = best.setdefault(where[place], {})
            arrays[where["mac"]] = max(
                size(record),
                arrays.get(where["mac"], "0x0"),
                key=lambda array: prod(map(int, array.split("x"))),
            )
    return best


def _read(path: Path) -> list[Record]:
    """Records of a file; empty if the file does not exist."""
    return json.loads(path.read_text(encoding="utf-8"))["records"] if path.exists() else []


def listing(data: Path, *, as_json: bool = False) -> str:
    """All boards with cells, clock, and for each MAC the largest array in the folder ``data``.

    The array is the largest square one for which the chip has enough cells, with an asterisk if
    place and route failed. In brackets is the largest array that was placed and routed.
    """
    records = _read(data / BUILT), _read(data / ROOM)
    built, room, failed = largest(records[0]), largest_mapped(records[1]), unplaced(*records)
    boards = [facts(board) for board in BOARDS]
    for entry in boards:
        mapped = room.get(entry["die"], {})
        entry |= {
            "largest_mapped": mapped,
            "largest_built": built.get(entry["board"], {}),
            "does_not_place": [mac for mac in mapped if (entry["die"], mac) in failed],
        }
    if as_json:
        return json.dumps(boards, indent=2)
    macs = list(
        dict.fromkeys(mac for arrays in (*room.values(), *built.values()) for mac in arrays)
    )
    rows = [(*HEADINGS, *(f"{mac} fits (built)" for mac in macs))]
    for entry in boards:
        arrays = [
            f"{entry['largest_mapped'].get(mac, '-')}{'*' * (mac in entry['does_not_place'])}"
            f" ({entry['largest_built'].get(mac, '-')})"
            for mac in macs
        ]
        rows.append(
            (
                entry["board"],
                f"{entry['luts']:,}",
                str(entry["dsps"]),
                f"{entry['clock_mhz']:g} MHz",
                *arrays,
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    starred = any(entry["does_not_place"] for entry in boards)
    return "\n".join([*lines, *([NOTE] if starred else [])])
