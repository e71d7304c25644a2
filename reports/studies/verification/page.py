# SPDX-License-Identifier: Apache-2.0
"""What is known of each unit, and how: proven, exhausted or sampled, as tables and sentences."""

from collections.abc import Iterable, Sequence
from typing import Any

from reports.registry import Page, Records
from reports.tables import MISSING, Record, Table, text, values

#: How much is known, the most first; "open" is nothing.
TIERS = ("proven", "exhausted", "sampled", "open")
#: Where a check looked, as columns; a formal proof is of the RTL.
LEVELS = {"RTL": "simulated RTL", "netlist": "mapped netlist"}


def verification_page(records: Records) -> dict[str, Any]:
    """What the template ``page.md.j2`` shows."""
    units = [*records.get("formal", ()), *records.get("exhaustion", ())]
    kinds = list(dict.fromkeys(record["conditions"]["kind"] for record in units))
    return {"summary": extract(records),
            "kinds": {kind: _units([r for r in units if r["conditions"]["kind"] == kind])
                      for kind in kinds},
            "twins": _plain(records.get("twins", ()), "model"),
            "recorded": _plain(records.get("recorded", ()), "recorded results"),
            "cycles": _plain(records.get("cycles", ()), "array"),
            "faults": _faults(records.get("mutants", ())),
            "survivors": _survivors(records.get("mutants", ())),
            "tests": _plain(records.get("tests", ()), "test run")}


def answer(records: Records) -> dict[str, Any]:
    """How many units are known how well, what was compared, and which faults were caught."""
    best = _best(records)
    states, recorded, cycles = ([values(record) for record in records.get(name, ())]
                                for name in ("exhaustion", "recorded", "cycles"))
    compared = [metrics for metrics in recorded if metrics["results"]]
    return {"units": len(best), "tiers": [(tier, count) for tier in TIERS if (
                count := sum(known == tier for known in best.values()))],
            "states": sum(metrics["states"] for metrics in states),
            "states_that_differ": sum(metrics["mismatches"] for metrics in states),
            "recorded": len(compared), "recorded_that_are_met": sum(
                not any(count for name, count in metrics.items() if name.endswith("mismatches"))
                for metrics in compared),
            "arrays": len(cycles), "products": sum(metrics["cases"] for metrics in cycles),
            "values_that_differ": sum(metrics["differences"] for metrics in cycles),
            "faults": [values(record) for record in records.get("mutants", ())
                       if record["subject"] == "all"]}


def extract(records: Records) -> Table:
    """Number of units of each kind by the best that is known of them."""
    kind_of = {unit: record["conditions"]["kind"] for record in _unit_records(records)
               for unit in _names(record)}
    best = _best(records)
    rows = [[kind, *(text(count) if count else MISSING for count in
                     (sum(best[unit] == tier for unit in units) for tier in TIERS))]
            for kind in dict.fromkeys(kind_of.values())
            for units in [[unit for unit in kind_of if kind_of[unit] == kind]]]
    return Table(["units by accumulator", *TIERS], rows, [])


def _unit_records(records: Records) -> list[Record]:
    return [*records.get("formal", ()), *records.get("exhaustion", ())]


def _best(records: Records) -> dict[str, str]:
    """Best tier of each unit."""
    found: dict[str, str] = {}
    for record in _unit_records(records):
        tier = record["conditions"]["tier"]
        for unit in _names(record):
            found[unit] = min(tier, found.get(unit, tier), key=TIERS.index)
    return found


def _names(record: Record) -> Sequence[str]:
    """Units that a record is about: those that it lists, else its subject."""
    units: Sequence[str] = record["conditions"].get("units", [record["subject"]])
    return units


def _units(records: Sequence[Record]) -> Table:
    """One line a unit: its proof, then what was simulated at each level."""
    rows = []
    for unit in dict.fromkeys(record["subject"] for record in records):
        own = [record for record in records if record["subject"] == unit]
        proofs = [_proof(r) for r in own if "cases" in r["metrics"]]
        levels = (_listed(_simulated(r) for r in own if r["conditions"].get("level") == level
                          and "states" in r["metrics"]) for level in LEVELS)
        rows.append([unit, _listed(proofs), *levels])
    return Table(["unit", "formal", *LEVELS.values()], rows, [])


def _proof(record: Record) -> str:
    """What a solver showed, and of how many cases."""
    metrics, conditions = values(record), record["conditions"]
    if conditions["tier"] != "proven":
        return f"open: {text(metrics['proven'])} of {text(metrics['cases'])} cases"
    return f"proven: {conditions['what']}"


def _simulated(record: Record) -> str:
    """What was simulated, and how many states."""
    metrics, conditions = values(record), record["conditions"]
    wrong = f", {text(metrics['mismatches'])} differ" if metrics["mismatches"] else ""
    made_of = f" in {conditions['cells']}" if "cells" in conditions else ""
    return (f"{conditions['tier']}{made_of}: {conditions['what']}, {text(metrics['states'])} "
            f"states ({conditions['against']}{wrong})")


def _plain(records: Sequence[Record], heading: str) -> Table:
    """One line a record, a column a metric."""
    names = list(dict.fromkeys(name for r in records for name in r["metrics"]
                               if name != "runtime"))
    rows = [[record["subject"], record["conditions"].get("what", MISSING),
             *(text(values(record).get(name, MISSING)) for name in names)] for record in records]
    return Table([heading, "what", *(name.replace("_", " ") for name in names)], rows, [])


def _faults(records: Sequence[Record]) -> Table:
    """Planted faults by where they were planted."""
    names = ["planted", "caught", "equivalent"]
    rows = [[record["subject"], *(text(values(record).get(name, 0)) for name in names)]
            for record in records]
    return Table(["faults in", *names], rows, [])


def _survivors(records: Sequence[Record]) -> list[tuple[str, str]]:
    """Faults that no test catches, each with the reason why that is no hole."""
    return [fault for record in records if record["subject"] != "all"
            for fault in record["conditions"].get("survivors", {}).items()]


def _listed(items: Iterable[str]) -> str:
    return "; ".join(items) or MISSING


PAGE = Page(values=verification_page, answer=answer, extract=extract, short=extract)
