# SPDX-License-Identifier: Apache-2.0
"""Metrics of units, looked up in records by unit, recipe, library or stream; Pareto fronts."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from hw.spec import PAPER_FORMATS
from reports.tables import Record

#: Operand formats of the paper by the paper's names.
FORMATS = PAPER_FORMATS
#: Accumulators of the paper: the start of each spelling.
ACCUMULATORS = {"FX+12": "fx", "FP16": "fp16", "FP32": "fp32"}
#: The units compared throughout: operands and start of the accumulator's spelling.
COMPARED = {
    "INT8/27": (FORMATS["INT8"], "fx27"),
    "E4M3 exact": (FORMATS["E4M3"], "fx"),
    "E4M3 to FP16": (FORMATS["E4M3"], "fp16"),
    "E4M3 to FP32": (FORMATS["E4M3"], "fp32"),
}
#: The same for the paper's 15 units, by its names of operands and accumulator.
PAPER_UNITS = {
    (pair, name): (spelling, acc)
    for pair, spelling in FORMATS.items()
    for name, acc in ACCUMULATORS.items()
}


class Units:
    """Records of one file, looked up by their conditions."""

    def __init__(self, records: Sequence[Record]) -> None:
        self._records = records

    def __bool__(self) -> bool:
        return bool(self._records)

    def find(self, **conditions: Any) -> list[Record]:
        """Records with these conditions; a callable decides whether it accepts a value.

        ``library`` is the name of the cell library.
        """

        def fits(record: Record, name: str, wanted: Any) -> bool:
            value = _condition(record, name)
            return bool(wanted(value)) if callable(wanted) else value == wanted

        return [
            record
            for record in self._records
            if all(fits(record, *condition) for condition in conditions.items())
        ]

    def value(self, metric: str, **conditions: Any) -> float | None:
        """Metric of the first such record that has it."""
        return next(
            (
                float(record["metrics"][metric]["value"])
                for record in self.find(**conditions)
                if metric in record["metrics"]
            ),
            None,
        )

    def of(self, metric: str, pair: str, acc: str, **conditions: Any) -> float | None:
        """Metric of a unit by the start of its spelling."""
        return self.value(metric, **unit_of(pair, acc), **conditions)

    def metrics(self, beginning: str) -> list[str]:
        """The rest of each metric's name after ``beginning``, in the order of the records."""
        return list(
            dict.fromkeys(
                name.removeprefix(beginning)
                for record in self._records
                for name in record["metrics"]
                if name.startswith(beginning)
            )
        )

    @property
    def streams(self) -> list[str]:
        """Streams of operands on which energy was measured."""
        names = self.metrics("energy_")
        return [name for name in names if f"{name}_internal" in names]

    def values(self, name: str) -> list[Any]:
        """Values of a condition, in the order of the records."""
        return list(
            dict.fromkeys(
                value for record in self._records if (value := _condition(record, name)) is not None
            )
        )


def _condition(record: Record, name: str) -> Any:
    """Condition of a record, its subject, or its library."""
    if name == "library":
        return (record["provenance"]["library"] or {}).get("name")
    return record["subject"] if name == "subject" else record["conditions"].get(name)


def ratio(value: float | None, base: float | None) -> float | None:
    """``value`` divided by ``base``; None if either is missing."""
    return None if value is None or base is None else value / base


def unit_of(pair: str, acc: str) -> Mapping[str, Any]:
    """Condition that selects a unit by the start of its spelling."""
    start = f"{pair},acc={acc}"
    return {
        "unit": lambda unit: (
            isinstance(unit, str) and unit.startswith(start) and unit.count(",") == 1
        )
    }


class Netlist(NamedTuple):
    """Clock period in ns and area in um2 of a mapped unit, and how it was made."""

    period: float
    area: float
    adder: str
    recipe: str
    target: float | None


def netlists_of(units: Units, pair: str, *, loop: bool = False) -> list[Netlist]:
    """Netlists of an exact unit: the whole unit, or only its loop."""
    records = units.find(
        unit=lambda unit: isinstance(unit, str) and unit.startswith(f"{pair},acc=fx"),
        resolve=False if loop else None,
    )
    return [
        Netlist(
            record["metrics"]["min_period"]["value"],
            record["metrics"]["area"]["value"],
            conditions["unit"].partition("adder=")[2].partition(",")[0] or "ripple",
            conditions["recipe"],
            conditions.get("clock_ns"),
        )
        for record in records
        if {"min_period", "area"} <= record["metrics"].keys()
        for conditions in [record["conditions"]]
    ]


def front_of(netlists: list[Netlist]) -> list[Netlist]:
    """Pareto front of area and period, the fastest first."""
    front: list[Netlist] = []
    for netlist in sorted(netlists):
        if not front or netlist.area < front[-1].area:
            front.append(netlist)
    return front


def smallest(netlists: list[Netlist], period: float) -> Netlist | None:
    """Smallest netlist that reaches a period, or None."""
    return min(
        (netlist for netlist in netlists if netlist.period <= period),
        key=lambda netlist: netlist.area,
        default=None,
    )
