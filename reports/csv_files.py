# SPDX-License-Identifier: Apache-2.0
"""Records as comma-separated values: a line for each metric, ready for a spreadsheet."""

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

__all__ = ["as_csv"]

Record = dict[str, Any]


def as_csv(records: Sequence[Record]) -> str:
    """Text of a CSV file (RFC 4180): subject, metric, value, unit, conditions, command, commit."""
    conditions = sorted({name for record in records for name in record["conditions"]})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["subject", "metric", "value", "unit", *conditions, "command", "commit"])
    for record in records:
        origin = record["provenance"]
        known = [_cell(record["conditions"].get(name)) for name in conditions]
        for name, metric in record["metrics"].items():
            writer.writerow([record["subject"], name, _cell(metric["value"]), metric["unit"],
                             *known, origin["command"], origin["commit"]])
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A plain value as it is, anything else as JSON, nothing as an empty cell."""
    if value is None:
        return ""
    return value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)
