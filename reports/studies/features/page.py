# SPDX-License-Identifier: Apache-2.0
"""Cost of each feature of a floating-point MAC: one row per feature, one column per unit."""

from collections.abc import Sequence
from typing import Any

from reports.registry import Page
from reports.tables import MISSING, Record, Table, cell, value

#: Condition that names the missing feature, and its values for none and for all.
WITHOUT, NOTHING, ALL = "without", "nothing", "all of these"
GATES, SAVED = "two_input_gates_keep", "saved_keep"


def _units(records: Sequence[Record]) -> dict[str, dict[str, Record]]:
    """Records of each unit by missing feature; the whole unit comes before its variants."""
    units: dict[str, dict[str, Record]] = {}
    for record in records:
        without = record["conditions"][WITHOUT]
        if without == NOTHING:
            name = record["subject"].removeprefix("mac_").replace("_", " to ", 1)
            units[name] = {}
        next(reversed(units.values()))[without] = record
    return units


def costs(records: Sequence[Record]) -> Table:
    """Gates of each unit, and the gates that it saves without each feature."""
    units = _units(records)
    rows = [
        [
            "whole unit" if feature == NOTHING else feature,
            *(
                cell(unit[feature], GATES if feature == NOTHING else SAVED)
                if feature in unit
                else MISSING
                for unit in units.values()
            ),
        ]
        for feature in dict.fromkeys(name for unit in units.values() for name in unit)
    ]
    return Table(["gates saved without", *units], rows, [])


def answer(records: Sequence[Record]) -> dict[str, Any]:
    """Cost of all features together: unit, and share of its gates."""
    return {
        "shares": [
            (name, value(unit[ALL], SAVED) / value(unit[NOTHING], GATES))
            for name, unit in _units(records).items()
            if ALL in unit
        ]
    }


PAGE = Page(
    values=lambda records: {"costs": costs(records["features"])},
    answer=lambda records: answer(records["features"]),
    short=lambda records: costs(records["features"]),
)
