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
#: Names of metrics and conditions on pages, if they differ from those in the record.
LABELS = {
    "closed_form_cycles": "cycles by closed form",
    "could_be_full": "cases that can fill the array",
    "cycles_unlike_closed_form": "cases that differ from the closed form",
    "full_in_steady_state": "cases that fill it in steady state",
    "infinite": "Inf",
    "nan": "NaN",
    "planted": "injected",
    "rtl_cycles": "RTL cycles",
    "rtl_mismatches": "RTL mismatches",
    "two_input_gates": "two-input gates",
    "two_input_gates_default": "two-input gates (default)",
    "two_input_gates_keep": "two-input gates (keep)",
}
#: Characters of a condition that a CSV file shows.
LONGEST = 60


@dataclass(frozen=True, slots=True)
class Table:
    """Headings and cells of a table, and notes on it.

    ``sources`` has the index of each row's record in its section; it is empty if rows are not
    records.
    """

    headings: list[str]
    rows: list[list[str]]
    notes: list[str]
    sources: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart: name, value as text, and length from 0 to 1."""

    name: str
    value: str
    length: float


def text(value: Any) -> str:
    """``value`` as readable text: at least four digits, with thousands separators."""
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
    """Separator after an item of a Jinja loop: a comma, or "and" before the last item."""
    return "" if loop.last else " and " if loop.revindex == 2 else ", "


def percent(share: float) -> str:
    """A share with two digits."""
    return f"{100 * share:.{3 if share == 1 else 2}g} %"


def listed(items: Sequence[str]) -> str:
    """The items separated by commas, with "and" before the last."""
    return " and ".join(part for part in (", ".join(items[:-1]), *items[-1:]) if part)


def table(
    records: Sequence[Record],
    *,
    metrics: Sequence[str] = (),
    hidden: Sequence[str] = (),
    only: bool = False,
) -> Table:
    """Table of ``records``: one row each, or one row per metric if there is only one record.

    ``metrics`` come first, in this order, and with ``only`` no others follow; ``hidden`` conditions
    are left out.
    """
    present = {name for record in records for name in record["metrics"]}
    first = [name for name in metrics if name in present]
    names = first + ([] if only else sorted(present - set(first)))
    _, varying = _conditions(records, hidden)
    notes = notes_of(records, hidden)
    if len(records) == 1:
        rows = [[label(name), cell(records[0], name, with_unit=True)] for name in names]
        return Table([label(records[0]["subject"]), ""], rows, notes, [0] * len(rows))
    units = {
        name: {record["metrics"][name]["unit"] for record in records if name in record["metrics"]}
        for name in names
    }
    heads = [
        label(name)
        + "".join(f" [{unit}]" for unit in units[name] if len(units[name]) == 1 and unit)
        for name in names
    ]
    libraries = ["library"] if len({_library(record) for record in records}) > 1 else []
    rows = [
        [
            record["subject"],
            *(_library(record) for _ in libraries),
            *(_condition(record, name) for name in varying),
            *(cell(record, name, with_unit=len(units[name]) > 1) for name in names),
        ]
        for record in records
    ]
    return Table(
        ["", *libraries, *map(label, varying), *heads], rows, notes, list(range(len(rows)))
    )


def notes_of(records: Sequence[Record], hidden: Sequence[str] = ()) -> list[str]:
    """Notes on how the records were measured, each once, with shared conditions."""
    shared, _ = _conditions(records, hidden)
    return list(dict.fromkeys(_note(record, shared) for record in records))


def bars(records: Sequence[Record], metric: str, hidden: Sequence[str] = ()) -> list[Bar]:
    """Bars of a chart: one for each record that has ``metric`` as a number."""
    _, varying = _conditions(records, hidden)
    drawn = []
    for record in records:
        value = record["metrics"].get(metric, {}).get("value")
        if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
            name = ", ".join([record["subject"], *(_condition(record, key) for key in varying)])
            drawn.append((name, value))
    longest = max((value for _, value in drawn), default=0) or 1
    return [Bar(name, text(value), value / longest) for name, value in drawn]


def origin(record: Record) -> str:
    """How a record was measured, with all its conditions, in sentences."""
    return _note(record, sorted(record["conditions"]))


def label(name: str) -> str:
    """Readable name of a metric or condition."""
    return LABELS.get(name, name.replace("_", " "))


def _conditions(records: Sequence[Record], hidden: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names of the conditions that all records share, and of those that vary."""
    conditions = {name for record in records for name in record["conditions"]} - set(hidden)
    values = {name: {_condition(record, name) for record in records} for name in sorted(conditions)}
    shared = [name for name in values if len(values[name]) == 1]
    return shared, [name for name in values if len(values[name]) > 1]


def _library(record: Record) -> str:
    """Name of the cell library of a record."""
    return str((record["provenance"]["library"] or {}).get("name", MISSING))


def _condition(record: Record, name: str) -> str:
    value = record["conditions"].get(name)
    return MISSING if value is None else text(value)


def cell(record: Record, name: str, *, with_unit: bool = False) -> str:
    """A metric as text, or a dash if the record does not have it."""
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
    """Provenance, conditions and omissions, in sentences."""
    origin, library = record["provenance"], record["provenance"]["library"]
    tools = ", ".join(f"{name} {version}" for name, version in sorted(origin["tools"].items()))
    seed = "" if origin["seed"] is None else f", seed {origin['seed']}"
    dirty = " with changes" if origin["dirty"] else ""
    parts = [
        f"Measured by `{origin['command']}` on {origin['date'][:10]}.",
        f"Commit {origin['commit'][:10]}{dirty}, {tools}{seed}.",
    ]
    if library:
        parts.append(f"Library: {_described(library)}.")
    if shared:
        conditions = (f"{label(name)} {text(record['conditions'][name])}" for name in shared)
        parts.append(f"Conditions: {', '.join(conditions)}.")
    parts += ["Not done: " + "; ".join(record["not_done"]) + "."] if record["not_done"] else []
    return " ".join(parts)


def _described(library: Mapping[str, Any]) -> str:
    """Cell library in words; the record has the whole hashes."""
    facts = [library["name"]] + ([f"corner {library['corner']}"] if library.get("corner") else [])
    for name, unit in (("temperature", "C"), ("voltage", "V")):
        if library.get(name) is not None:
            facts.append(f"{text(library[name])} {unit}")
    if library.get("dont_use"):
        facts.append(f"without the cells `{' '.join(library['dont_use'])}`")
    hashes = library.get("sha256") or {}
    if hashes:
        facts.append(f"SHA-256 {' '.join(each[:12] for each in hashes.values())}")
    return ", ".join(facts)


def as_csv(records: Sequence[Record]) -> str:
    """Text of a CSV file (RFC 4180): subject, metric, value, unit, conditions, command, commit.

    Long and nested conditions are only in the JSON file.
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
    """Plain values unchanged, None as an empty cell, anything else as JSON."""
    if value is None:
        return ""
    return value if isinstance(value, str | int | float) else json.dumps(value, sort_keys=True)
