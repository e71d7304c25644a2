# SPDX-License-Identifier: Apache-2.0
"""FPGA boards: bitstreams, arrays that fit, and instructions for each board."""

from collections.abc import Mapping, Sequence
from typing import Any

from hw.spec import parse_array, parse_gemm, parse_mac
from reports.registry import Figure, Page, Records
from reports.tables import MISSING, Record, Table, cell, text, value, values


def _built(records: Records) -> list[Record]:
    """Records of bitstreams that were built; the others did not fit."""
    return [record for record in records["boards"] if value(record, "fits")]


def _title(records: Records, key: str) -> str:
    """Name of a board for people."""
    return next(
        (
            record["conditions"]["title"]
            for record in records["board_facts"]
            if record["subject"] == key
        ),
        key,
    )


#: Metrics in the table of bitstreams, with their headings.
_COLUMNS = {
    "luts": "LUT",
    "flip_flops": "FF",
    "dsps": "DSP",
    "block_rams": "BRAM",
    "fullest": "highest utilisation [%]",
    "fmax": "fmax [MHz]",
    "peak": "peak [GMAC/s]",
    "build_time": "build time [s]",
    "cpu_time": "CPU time [s]",
}


def bitstreams(records: Records) -> Table:
    """Every bitstream: cells, clock and time."""
    rows = []
    for record in records["boards"]:
        where, cells = record["conditions"], [cell(record, name) for name in _COLUMNS]
        meets = record["metrics"].get("meets_clock", {"value": True})["value"]
        rows.append(
            [
                _title(records, where["board"]),
                where["mac"],
                where["array"],
                text(where["dsp_blocks"]),
                *cells[:6],
                text(where["clock_mhz"]) + ("" if meets else " (not met)"),
                *cells[6:],
            ]
        )
    headings = list(_COLUMNS.values())
    return Table(
        [
            "board",
            "MAC",
            "array",
            "DSP blocks",
            *headings[:6],
            "board clock [MHz]",
            *headings[6:],
        ],
        rows,
        [],
    )


def largest(records: Records) -> Table:
    """Boards, with the largest array that fits and the largest that was built for each MAC."""
    macs = list(dict.fromkeys(record["conditions"]["mac"] for record in records["boards"]))
    rows = []
    for board in records["board_facts"]:
        row = [
            board["conditions"]["title"],
            *(text(value(board, name)) for name in ("luts", "dsps", "block_rams", "clock")),
        ]
        for mac in macs:
            room = _room(records, board["conditions"]["die"], mac)
            built = [
                record["conditions"]["array"]
                for record in _built(records)
                if record["conditions"]["mac"] == mac
                and record["conditions"]["board"] == board["subject"]
            ]
            row += [room, max(built, key=_elements, default=MISSING)]
        rows.append(row)
    heads = [f"{mac}, {what}" for mac in macs for what in ("fits", "built")]
    return Table(["board", "LUT", "DSP", "BRAM", "clock [MHz]", *heads], rows, [])


def _room(records: Records, die: str, mac: str) -> str:
    """Largest array whose cells fit on a chip, with a remark if place and route failed.

    Only attempts with the same use of DSP blocks count.
    """
    arrays = [
        record
        for record in records["board_room"]
        if value(record, "fits")
        and (record["conditions"]["die"], record["conditions"]["mac"]) == (die, mac)
    ]
    if not arrays:
        return MISSING
    array = max((value(record, "array") for record in arrays), key=_elements)
    boards = {
        board["subject"] for board in records["board_facts"] if board["conditions"]["die"] == die
    }
    placed = [
        {
            value(record, "fits")
            for record in records["boards"]
            if record["conditions"]["board"] in boards
            and [record["conditions"][name] for name in ("mac", "array", "dsp_blocks")]
            == [mac, array, each["conditions"]["dsp_blocks"]]
        }
        for each in arrays
        if value(each, "array") == array
    ]
    return f"{array} (does not place)" if all(each == {False} for each in placed) else array


def _elements(array: str) -> int:
    """Processing elements of an array."""
    rows, cols = array.split("x")
    return int(rows) * int(cols)


def largest_by_chip(records: Records) -> Table:
    """Largest square array of each chip and its cells, with and without DSP blocks."""
    names = ("array", "luts", "flip_flops", "dsps", "block_rams", "fullest")
    rows = [
        [
            where["die"],
            where["mac"],
            text(where["dsp_blocks"]),
            *(cell(record, name) for name in names),
        ]
        for record in records["board_room"]
        for where in [record["conditions"]]
    ]
    return Table(
        [
            "chip",
            "MAC",
            "DSP blocks",
            "largest array",
            "LUT",
            "FF",
            "DSP",
            "BRAM",
            "highest utilisation [%]",
        ],
        rows,
        [],
    )


def answer(records: Records) -> dict[str, Any]:
    """Number of bitstreams, and the fastest one."""
    built = _built(records)
    best = max(built, key=lambda record: (value(record, "fmax"), record["subject"]))
    where = best["conditions"]
    return {
        "built": len(built),
        "all": len(records["board_facts"]),
        "mac": where["mac"],
        "boards": len({record["conditions"]["board"] for record in built}),
        "board": _title(records, where["board"]),
        "fmax": value(best, "fmax"),
        "slow": sum(not value(record, "meets_clock") for record in built),
    }


def checks(records: Records, source: str) -> list[dict[str, Any]]:
    """Checks on compiled RTL including the serial line: metrics and conditions."""
    return [record["conditions"] | values(record) for record in records.get(source, ())]


def boards_page(records: Records) -> dict[str, Any]:
    """Values for the page; ``guide`` has pins, commands and instructions of each board."""
    return {
        "bitstreams": bitstreams(records),
        "largest": largest(records),
        "by_chip": largest_by_chip(records),
        "guide": [
            {
                "key": record["subject"],
                "clock": text(value(record, "clock")),
                **record["conditions"],
            }
            for record in records["board_facts"]
        ],
        "selftests": checks(records, "board_selftest"),
        "frames": [it | {"error_replies": it["told"]} for it in checks(records, "board_frames")],
    }


#: Elements of the array drawn in each direction.
DRAWN = 4


def board_path(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Values for the template: widths, depths and sizes of the first bitstream."""
    where = records[0]["conditions"]
    mac = parse_mac(f"{where['mac']},adder=inferred,multiplier=inferred")
    gemm = parse_gemm(parse_array(where["array"], mac), depths=where["depths"], bus="wishbone")
    array = gemm.array
    return {
        "board": where["board"],
        "clock": f"{where['clock_mhz']:g}",
        "mac": where["mac"],
        "array": where["array"],
        "acc": str(mac.acc.width),
        "rows": min(array.rows, DRAWN),
        "cols": min(array.cols, DRAWN),
        "memories": [
            ("A", gemm.depth_a, gemm.a_width),
            ("B", gemm.depth_b, gemm.b_width),
            ("C", gemm.depth_c, gemm.c_width),
        ],
    }


PAGE = Page(
    values=boards_page,
    answer=answer,
    figures=(
        Figure(
            "board",
            "Data path on a board: host, serial line, frames, registers, memories of A and B, "
            "systolic array, memory of C, and back",
            board_path,
        ),
    ),
)
