# SPDX-License-Identifier: Apache-2.0
"""What each feature of a floating-point MAC costs, a line a feature, a column a unit."""

from collections.abc import Sequence
from typing import Any

from reports.registry import Page
from reports.tables import MISSING, Record, Table, cell, value

#: Condition that names what a unit does without, and its values for the whole unit and the barest.
WITHOUT, NOTHING, ALL = "without", "nothing", "all of these"
GATES, SAVED = "two_input_gates_keep", "saved_keep"


def _units(records: Sequence[Record]) -> dict[str, dict[str, Record]]:
    """Records of each unit by what is left out; the whole unit comes before its variants."""
    found: dict[str, dict[str, Record]] = {}
    for record in records:
        without = record["conditions"][WITHOUT]
        if without == NOTHING:
            found[record["subject"]] = {}
        next(reversed(found.values()))[without] = record
    return found


def costs(records: Sequence[Record]) -> Table:
    """Gates of each unit, and how many fewer it has without a feature."""
    units = _units(records)
    rows = [
        [
            "the whole unit [gates]" if feature == NOTHING else feature,
            *(
                cell(unit[feature], GATES if feature == NOTHING else SAVED)
                if feature in unit
                else MISSING
                for unit in units.values()
            ),
        ]
        for feature in dict.fromkeys(name for unit in units.values() for name in unit)
    ]
    return Table(["gates that a unit saves without", *units], rows, [])


def answer(records: Sequence[Record]) -> dict[str, Any]:
    """What all features together cost: unit, and the share of its gates."""
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
    extract=lambda records: costs(records["features"]),
    short=lambda records: costs(records["features"]),
)
