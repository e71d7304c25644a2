# SPDX-License-Identifier: Apache-2.0
"""Records as tables: headings, cells and the notes below them, all text; and as CSV files."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: A record as plain data, see `synth.record`.
Record = Mapping[str, Any]
MISSING = "-"
#: Characters of a condition that a CSV file shows.
LONGEST = 60


@dataclass(frozen=True, slots=True)
class Table:
    """Cells of a table, headings first, and what must be said about it.

    ``sources`` has the place of each row's record among those of its section; it is empty where a
    row is not that of one record.
    """

    headings: list[str]
    rows: list[list[str]]
    notes: list[str]
    sources: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart: its name, the value as text, and its length from 0 to 1."""

    name: str
    value: str
    length: float


def text(value: Any) -> str:
    """``value`` to be read by people: four digits at least, thousands apart."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def more(ratio: float | None, less: str = "less") -> str:
    """A ratio in words, for instance "53 % more" or "12 % less"; a dash for none.

    ``less`` is "fewer" for things that are counted.
    """
    if ratio is None:
        return MISSING
    percent = round(100 * (ratio - 1))
    if not percent:
        return "as many" if less == "fewer" else "as much"
    return f"{abs(percent)} % {'more' if percent > 0 else less}"


def comma(loop: Any) -> str:
    """What separates the items of a Jinja loop: commas, and an "and" before the last."""
    return "" if loop.last else " and " if loop.revindex == 2 else ", "


def percent(share: float) -> str:
    """A share with two digits."""
    return f"{100 * share:.{3 if share == 1 else 2}g} %"


def listed(items: Sequence[str]) -> str:
    """The items with an "and" before the last."""
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def table(
    records: Sequence[Record], *, metrics: Sequence[str] = (), hidden: Sequence[str] = ()
) -> Table:
    """Table of ``records``: a line each, or a line for each metric if there is only one.

    ``metrics`` come first, in this order; ``hidden`` conditions are left out.
    """
    found = {name for record in records for name in record["metrics"]}
    first = [name for name in metrics if name in found]
    names = first + sorted(found - set(first))
    _, varying = _conditions(records, hidden)
    notes = notes_of(records, hidden)
    if len(records) == 1:
        rows = [[_plain(name), cell(records[0], name, with_unit=True)] for name in names]
        return Table([_plain(records[0]["subject"]), ""], rows, notes, [0] * len(rows))
    units = {
        name: {record["metrics"][name]["unit"] for record in records if name in record["metrics"]}
        for name in names
    }
    heads = [
        _plain(name)
        + "".join(f" [{unit}]" for unit in units[name] if len(units[name]) == 1 and unit)
        for name in names
    ]
    rows = [
        [
            record["subject"],
            *(_condition(record, name) for name in varying),
            *(cell(record, name, with_unit=len(units[name]) > 1) for name in names),
        ]
        for record in records
    ]
    return Table(["", *map(_plain, varying), *heads], rows, notes, list(range(len(rows))))


def notes_of(records: Sequence[Record], hidden: Sequence[str] = ()) -> list[str]:
    """How the records were measured, each way once, with the conditions that they share."""
    shared, _ = _conditions(records, hidden)
    return list(dict.fromkeys(_note(record, shared) for record in records))


def bars(records: Sequence[Record], metric: str, hidden: Sequence[str] = ()) -> list[Bar]:
    """Bars of a chart: one for each record that has ``metric`` as a number."""
    _, varying = _conditions(records, hidden)
    found = []
    for record in records:
        value = record["metrics"].get(metric, {}).get("value")
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            name = ", ".join([record["subject"], *(_condition(record, key) for key in varying)])
            found.append((name, value))
    longest = max((value for _, value in found), default=0) or 1
    return [Bar(name, text(value), value / longest) for name, value in found]


def quoted(record: Record, hidden: Sequence[str] = ()) -> str:
    """A record in sentences: its metrics, and all that they depend on but ``hidden`` conditions."""
    values = ", ".join(
        f"{_plain(name)} {cell(record, name, with_unit=True)}" for name in record["metrics"]
    )
    shared = [name for name in sorted(record["conditions"]) if name not in hidden]
    return f"{values}. {_note(record, shared)}"


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _conditions(records: Sequence[Record], hidden: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the conditions that are the same everywhere, and of those that are not."""
    found = {name for record in records for name in record["conditions"]} - set(hidden)
    values = {name: {_condition(record, name) for record in records} for name in sorted(found)}
    shared = [name for name in values if len(values[name]) == 1]
    return shared, [name for name in values if len(values[name]) > 1]


def _condition(record: Record, name: str) -> str:
    return text(record["conditions"][name]) if name in record["conditions"] else MISSING


def cell(record: Record, name: str, *, with_unit: bool = False) -> str:
    """A metric as text, a dash if the record has none of this name."""
    if name not in record["metrics"]:
        return MISSING
    metric = record["metrics"][name]
    return f"{text(metric['value'])} {metric['unit'] if with_unit else ''}".rstrip()


def value(record: Record, name: str) -> Any:
    """Value of a metric."""
    return record["metrics"][name]["value"]


def values(record: Record) -> dict[str, Any]:
    """Values of all metrics by name."""
    return {name: metric["value"] for name, metric in record["metrics"].items()}


def _note(record: Record, shared: list[str]) -> str:
    """Provenance, conditions and what was not done, in sentences."""
    origin, library = record["provenance"], record["provenance"]["library"] or {}
    tools = ", ".join(f"{name} {version}" for name, version in sorted(origin["tools"].items()))
    seed = "" if origin["seed"] is None else f", seed {origin['seed']}"
    dirty = " with changes" if origin["dirty"] else ""
    parts = [
        f"Measured by `{origin['command']}` on {origin['date'][:10]}.",
        f"Commit {origin['commit'][:10]}{dirty}, {tools}{seed}.",
    ]
    conditions = {name: record["conditions"][name] for name in shared}
    for what, named in (("Library", library), ("Conditions", conditions)):
        if named:
            parts.append(
                f"{what}: "
                + ", ".join(f"{_plain(name)} {text(value)}" for name, value in named.items())
                + "."
            )
    parts += ["Not done: " + "; ".join(record["not_done"]) + "."] if record["not_done"] else []
    return " ".join(parts)


def as_csv(records: Sequence[Record]) -> str:
    """Text of a CSV file (RFC 4180): subject, metric, value, unit, conditions, command, commit.

    Conditions that are long or have parts are left to the JSON file.
    """

    def short(value: Any) -> bool:
        return len(str(_plain_value(value))) <= LONGEST

    conditions = sorted(
        {
            name
            for record in records
            for name, value in record["conditions"].items()
            if short(value) and not isinstance(value, dict)
        }
    )
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["subject", "metric", "value", "unit", *conditions, "command", "commit"])
    for record in records:
        origin = record["provenance"]
        known = [
            _plain_value(value) if short(value := record["conditions"].get(name)) else ""
            for name in conditions
        ]
        for name, metric in record["metrics"].items():
            writer.writerow(
                [
                    record["subject"],
                    name,
                    _plain_value(metric["value"]),
                    metric["unit"],
                    *known,
                    origin["command"],
                    origin["commit"],
                ]
            )
    return out.getvalue()


def _plain_value(value: Any) -> Any:
    """A plain value as it is, anything else as JSON, nothing as an empty cell."""
    if value is None:
        return ""
    return value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)
