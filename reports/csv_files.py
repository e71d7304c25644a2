# SPDX-License-Identifier: Apache-2.0
"""Records as comma-separated values: a line for each metric, ready for a spreadsheet."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

__all__ = ["as_csv"]

Record = dict[str, Any]
#: Characters of a condition that is shown.
LONGEST = 60


def as_csv(records: Sequence[Record]) -> str:
    """Text of a CSV file (RFC 4180): subject, metric, value, unit, conditions, command, commit.

    Conditions that are long or have parts are left to the JSON file.
    """
    conditions = sorted({name for record in records for name, value in record["conditions"].items()
                         if len(str(_cell(value))) <= LONGEST and not isinstance(value, dict)})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["subject", "metric", "value", "unit", *conditions, "command", "commit"])
    for record in records:
        origin = record["provenance"]
        known = [_shown(record["conditions"].get(name)) for name in conditions]
        for name, metric in record["metrics"].items():
            writer.writerow([record["subject"], name, _cell(metric["value"]), metric["unit"],
                             *known, origin["command"], origin["commit"]])
    return out.getvalue()


def _shown(value: Any) -> Any:
    """A condition that is short; an empty cell for any other one."""
    cell = _cell(value)
    return cell if len(str(cell)) <= LONGEST else ""


def _cell(value: Any) -> Any:
    """A plain value as it is, anything else as JSON, nothing as an empty cell."""
    if value is None:
        return ""
    return value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)
