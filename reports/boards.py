# SPDX-License-Identifier: Apache-2.0
"""FPGA boards: what bitstreams take, what fits, and what hands must do."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from hw.spec import parse_mac
from reports.tables import MISSING, Table, text

__all__ = ["answer", "bitstreams", "boards_page", "largest"]

Record = Mapping[str, Any]
Records = Mapping[str, Sequence[Record]]
#: Share of the look-up tables up to which place and route is expected to find its way.
FILLED = 0.8
HOW = "adder=inferred,multiplier=inferred"


def _value(record: Record, name: str) -> Any:
    return record["metrics"][name]["value"]


def _elements(record: Record) -> int:
    """Processing elements of the array that was built."""
    rows, cols = record["conditions"]["array"].split("x")
    return int(rows) * int(cols)


def _built(records: Records) -> list[Record]:
    """Records of bitstreams; others say that there was no room."""
    return [record for record in records["boards"] if _value(record, "fits")]


def _title(records: Records, key: str) -> str:
    """Name of a board for people."""
    return next((record["conditions"]["title"] for record in records["board_facts"]
                 if record["subject"] == key), key)


#: Metrics of the table of bitstreams, with their headings.
_COLUMNS = {"luts": "LUT", "flip_flops": "FF", "dsps": "DSP", "block_rams": "BRAM",
            "fullest": "fullest kind of cell [%]", "fmax": "fmax [MHz]", "peak": "peak [GMAC/s]",
            "build_time": "build time [s]", "cpu_time": "of processors [s]"}


def bitstreams(records: Records) -> Table:
    """Every bitstream: cells, clock and time."""
    rows = []
    for record in records["boards"]:
        where = record["conditions"]
        head = [_title(records, where["board"]), where["mac"], where["array"],
                text(where["dsp_blocks"])]
        cells = [text(_value(record, name)) if name in record["metrics"] else MISSING
                 for name in _COLUMNS]
        clock = text(where["clock_mhz"])
        if not record["metrics"].get("meets_clock", {"value": True})["value"]:
            clock += ", too fast"
        rows.append([*head, *cells[:6], clock, *cells[6:]])
    headings = list(_COLUMNS.values())
    return Table(["board", "MAC", "array", "DSP blocks", *headings[:6], "board's clock [MHz]",
                  *headings[6:]], rows, [])


def largest(records: Records) -> Table:
    """Boards, and for each MAC the largest array built and the largest that should fit."""
    macs = list(dict.fromkeys(record["conditions"]["mac"] for record in records["boards"]))
    rows = []
    for board in records["board_facts"]:
        row = [board["conditions"]["title"], text(_value(board, "luts")),
               text(_value(board, "dsps")), text(_value(board, "block_rams")),
               text(_value(board, "clock"))]
        for mac in macs:
            built = max((record for record in _built(records)
                         if record["conditions"]["board"] == board["subject"]
                         and record["conditions"]["mac"] == mac), default=None, key=_elements)
            side = _estimate(records, board, mac)
            row += [MISSING if built is None else built["conditions"]["array"],
                    MISSING if side is None else f"~{side}x{side}"]
        rows.append(row)
    heads = [f"{mac}, {what}" for mac in macs for what in ("built", "estimate")]
    return Table(["board", "LUT", "DSP", "BRAM", "clock [MHz]", *heads], rows, [])


def _estimate(records: Records, board: Record, mac: str) -> int | None:
    """Side of the largest square array that should fit, with DSP blocks or without.

    What a built array of the same family takes, less its MACs, is taken as fixed; each further
    element takes what a MAC alone does.
    """
    family = board["conditions"]["family"]
    families = {record["subject"]: record["conditions"]["family"]
                for record in records["board_facts"]}
    name = parse_mac(f"{mac},{HOW}").name
    sides = []
    for record in _built(records):
        where = record["conditions"]
        if where["mac"] != mac or families.get(where["board"]) != family:
            continue
        for unit in records.get("fpga", []):
            known = unit["conditions"]
            if (unit["subject"], known["part"], known["dsp_blocks"]) == (
                    name, family, where["dsp_blocks"]):
                sides.append(_side(record, unit, board))
    return max(sides, default=None)


def _side(record: Record, unit: Record, board: Record) -> int:
    """Side of the largest square array, from a bitstream and a MAC alone."""
    fixed = _value(record, "luts") - _elements(record) * _value(unit, "luts")
    count = (FILLED * _value(board, "luts") - fixed) / _value(unit, "luts")
    if _value(unit, "dsps"):
        count = min(count, _value(board, "dsps") / _value(unit, "dsps"))
    return math.isqrt(max(int(count), 0))


def guide(records: Records) -> list[dict[str, Any]]:
    """What each board needs: hands, pins, commands."""
    return [{"key": record["subject"], "clock": text(_value(record, "clock")),
             **record["conditions"]} for record in records["board_facts"]]


def answer(records: Records) -> str:
    """How many bitstreams there are, and the fastest of them."""
    built = _built(records)
    boards = {record["conditions"]["board"] for record in built}
    best = max(built, key=lambda record: (_value(record, "fmax"), record["subject"]))
    where = best["conditions"]
    sentence = (f"Bitstreams built: {len(built)}, for {len(boards)} of "
                f"{len(records['board_facts'])} boards, each a GEMM engine behind a serial line. "
                f"The fastest, {where['mac']} on {_title(records, where['board'])}, reaches "
                f"{text(_value(best, 'fmax'))} MHz.")
    slow = [record for record in built if not _value(record, "meets_clock")]
    return sentence + (" Slower than their board's own clock, so that they need `--clock`: "
                       f"{len(slow)}." if slow else " All reach their board's own clock.")


def boards_page(records: Records) -> dict[str, Any]:
    """What the page shows."""
    return {"answer": answer(records), "bitstreams": bitstreams(records),
            "largest": largest(records), "guide": guide(records), "filled": f"{FILLED:.0%}"}
