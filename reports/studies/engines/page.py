# SPDX-License-Identifier: Apache-2.0
"""Area that a GEMM engine adds to its array and memories, in total and by part."""

from collections.abc import Sequence
from typing import Any

from reports.registry import Page
from reports.tables import MISSING, Record, Table, cell, label, value


def _engines(records: Sequence[Record], **conditions: str) -> list[Record]:
    """Records of engines with these conditions."""
    return [
        record
        for record in records
        if "bus" in record["conditions"]
        and all(record["conditions"][name] == value for name, value in conditions.items())
    ]


def _mac(record: Record) -> str:
    """Unit in each element of an engine's array."""
    return str(record["conditions"]["unit"].partition(",array=")[0])


def _share(record: Record, records: Sequence[Record]) -> float | None:
    """Area relative to that of the engine's array, if it was measured."""
    array = record["conditions"]["unit"].partition(",depths=")[0]
    areas = [value(other, "area") for other in records if other["conditions"]["unit"] == array]
    return value(record, "area") / areas[0] if areas else None


def engines(records: Sequence[Record]) -> Table:
    """One row per engine."""
    rows = []
    for record in _engines(records):
        where, share = record["conditions"], _share(record, records)
        rows.append(
            [
                f"{_mac(record)}, {where['array']} {where['dataflow']}",
                where["bus"],
                *(cell(record, name) for name in ("area", "cells", "flip_flops")),
                MISSING if share is None else f"{100 * share:.1f}",
                cell(record, "memory_bits"),
            ]
        )
    return Table(
        [
            "array",
            "bus",
            "area [um2]",
            "cells",
            "flip-flops",
            "% of the array's area",
            "memory bits (not counted)",
        ],
        rows,
        [],
    )


def parts(records: Sequence[Record]) -> Table:
    """Area of each part, one column per engine of the first MAC and bus."""
    every = _engines(records)
    mac, bus = _mac(every[0]), every[0]["conditions"]["bus"]
    shown = [
        record for record in every if (_mac(record), record["conditions"]["bus"]) == (mac, bus)
    ]
    names = dict.fromkeys(
        name for record in shown for name in record["metrics"] if name.startswith("area_")
    )
    rows = [
        [label(name.removeprefix("area_")), *(cell(record, name) for record in shown)]
        for name in names
    ]
    heads = [
        f"{record['conditions']['array']} {record['conditions']['dataflow']}" for record in shown
    ]
    return Table([f"area [um2] with {mac} and {bus}", *heads], rows, [])


def answer(records: Sequence[Record]) -> dict[str, Any]:
    """Areas by dataflow, and the largest and smallest percentage of the array's area."""
    areas = {
        name: [value(record, "area") for record in _engines(records, dataflow=flow)]
        for name, flow in (("output-stationary", "os"), ("weight-stationary", "ws"))
    }
    shares = [
        (100 * share, f"{record['conditions']['array']} {_mac(record)}")
        for record in _engines(records)
        if (share := _share(record, records)) is not None
    ]
    most, least = (pick(shares, key=lambda pair: pair[0], default=None) for pick in (max, min))
    return {
        "around": {name: each for name, each in areas.items() if each},
        "most": most,
        "least": least,
    }


PAGE = Page(
    values=lambda records: {
        "engines": engines(records["engines"]),
        "parts": parts(records["engines"]),
    },
    answer=lambda records: answer(records["engines"]),
)
