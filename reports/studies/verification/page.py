# SPDX-License-Identifier: Apache-2.0
"""How each unit was checked: proven, exhausted or sampled; tables and sentences."""

from collections.abc import Mapping, Sequence
from typing import Any

from reports.registry import Page, Records
from reports.tables import MISSING, Record, Table, label, text, values

#: Strength of a check, the strongest first; "open" claims nothing.
TIERS = ("proven", "exhausted", "sampled", "open")
#: Levels of simulation, as columns; formal proofs are of the RTL.
LEVELS = {"RTL": "simulated RTL", "netlist": "mapped netlist"}

#: Descriptions in records, reworded for the page.
WHAT = {
    "every pair from every sum, against bit-vectors": "every pair added to every sum, "
    "in bit-vectors",
    "every pair from every sum that it can hold, against bit-vectors": "every pair added to every "
    "representable sum, in bit-vectors",
    "every pair from every sum that it can hold, against the FloatingPoint theory": "every pair "
    "added to every representable sum, in the theory of floating point",
    "every step of random sums of 24": "every step of random sums of 24 products",
    "every operand pair, from zero and within a sum of 16": "every operand pair, added to zero and "
    "within a sum of 16 products",
    "every upper half of a sum with 16 lower ones": "every upper half of a sum with 16 lower "
    "halves",
    "not compared with a GPU: no recorded results at hand": "not compared with a GPU: no recorded "
    "results",
    "RTL and model with each other, K up to 224": "RTL against model, K up to 224",
    "handshakes in all cycles; data, flags and last of C where offered": "handshakes in every "
    "cycle; data, flags and last of C when valid",
}


def _what(conditions: Mapping[str, Any]) -> str:
    """What a record checked."""
    found = str(conditions.get("what", MISSING))
    return WHAT.get(found, found)


def verification_page(records: Records) -> dict[str, Any]:
    """Values for the template ``page.md.j2``.

    ``faults`` counts injected faults by place; ``survivors`` are those that no test catches, each
    with the reason why it is harmless.
    """
    kinds: dict[str, list[Record]] = {}
    for record in _unit_records(records):
        kinds.setdefault(record["conditions"]["kind"], []).append(record)
    mutants = records.get("mutants", ())
    names = ["planted", "caught", "equivalent"]
    faults = [
        [record["subject"], *(text(values(record).get(name, 0)) for name in names)]
        for record in mutants
    ]
    return {
        "summary": extract(records),
        "kinds": {kind: _units(found) for kind, found in kinds.items()},
        "twins": _plain(records.get("twins", ()), "model"),
        "recorded": _plain(records.get("recorded", ()), "recorded results"),
        "cycles": _plain(records.get("cycles", ()), "array"),
        "faults": Table(["faults in", *map(label, names)], faults, []),
        "survivors": [
            fault
            for record in mutants
            if record["subject"] != "all"
            for fault in record["conditions"].get("survivors", {}).items()
        ],
        "tests": _plain(records.get("tests", ()), "test run"),
    }


def answer(records: Records) -> dict[str, Any]:
    """Number of units by strongest check, results compared, and faults caught."""
    best = _best(records)
    states, recorded, cycles = (
        [values(record) for record in records.get(name, ())]
        for name in ("exhaustion", "recorded", "cycles")
    )
    compared = [metrics for metrics in recorded if metrics["results"]]
    return {
        "units": len(best),
        "tiers": [
            (tier, count)
            for tier in TIERS
            if (count := sum(known == tier for known in best.values()))
        ],
        "states": sum(metrics["states"] for metrics in states),
        "states_that_differ": sum(metrics["mismatches"] for metrics in states),
        "recorded": len(compared),
        "recorded_that_are_met": sum(
            not any(count for name, count in metrics.items() if name.endswith("mismatches"))
            for metrics in compared
        ),
        "arrays": len(cycles),
        "products": sum(metrics["cases"] for metrics in cycles),
        "values_that_differ": sum(metrics["differences"] for metrics in cycles),
        "faults": [
            values(record) for record in records.get("mutants", ()) if record["subject"] == "all"
        ],
    }


def extract(records: Records) -> Table:
    """Number of units of each kind by their strongest check."""
    kinds: dict[str, dict[str, None]] = {}
    for record in _unit_records(records):
        kinds.setdefault(record["conditions"]["kind"], {}).update(dict.fromkeys(_names(record)))
    best = _best(records)
    counts = {
        kind: [sum(best[unit] == tier for unit in units) for tier in TIERS]
        for kind, units in kinds.items()
    }
    rows = [
        [kind, *(text(count) if count else MISSING for count in found)]
        for kind, found in counts.items()
    ]
    return Table(["units by accumulator", *TIERS], rows, [])


def _unit_records(records: Records) -> list[Record]:
    return [*records.get("formal", ()), *records.get("exhaustion", ())]


def _best(records: Records) -> dict[str, str]:
    """Strongest check of each unit."""
    strongest: dict[str, str] = {}
    for record in _unit_records(records):
        tier = record["conditions"]["tier"]
        for unit in _names(record):
            strongest[unit] = min(tier, strongest.get(unit, tier), key=TIERS.index)
    return strongest


def _names(record: Record) -> Sequence[str]:
    """Units of a record: those that it lists, else its subject."""
    units: Sequence[str] = record["conditions"].get("units", [record["subject"]])
    return units


def _units(records: Sequence[Record]) -> Table:
    """One row per unit: the result of the solver, then checks and states at each level."""
    rows = []
    for unit in dict.fromkeys(record["subject"] for record in records):
        by_level: dict[str, list[str]] = {level: [] for level in ("formal", *LEVELS)}
        for record in records:
            if record["subject"] != unit:
                continue
            metrics, it = values(record), record["conditions"]
            if "cases" in metrics:
                by_level["formal"].append(
                    f"proven: {_what(it)}"
                    if it["tier"] == "proven"
                    else f"open: {text(metrics['proven'])} of {text(metrics['cases'])} cases"
                )
            if "states" in metrics and it.get("level") in LEVELS:
                wrong = f", {text(metrics['mismatches'])} differ" if metrics["mismatches"] else ""
                made_of = f" in {it['cells']}" if "cells" in it else ""
                by_level[it["level"]].append(
                    f"{it['tier']}{made_of}: {_what(it)}, {text(metrics['states'])} states "
                    f"({it['against']}{wrong})"
                )
        rows.append([unit, *("; ".join(items) or MISSING for items in by_level.values())])
    return Table(["unit", "formal", *LEVELS.values()], rows, [])


def _plain(records: Sequence[Record], heading: str) -> Table:
    """One row per record, one column per metric."""
    names = list(dict.fromkeys(name for r in records for name in r["metrics"] if name != "runtime"))
    rows = [
        [
            record["subject"],
            _what(record["conditions"]),
            *(text(values(record).get(name, MISSING)) for name in names),
        ]
        for record in records
    ]
    return Table([heading, "what", *map(label, names)], rows, [])


PAGE = Page(values=verification_page, answer=answer, short=extract, brief=answer)
