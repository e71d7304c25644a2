# SPDX-License-Identifier: Apache-2.0
"""Which format and accumulator for a network: what each costs, which are best, and why."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from operator import le
from pathlib import Path
from typing import Any

from hw.spec import ArraySpec, parse_array, parse_mac
from sim.network.results import SOURCES, product_fj
from synth.record import ROOT, Metric, Record, read_records

#: File of more arrays.
ARRAYS = "arrays"
PREFIX = "array_"
#: Settings without costs that are named; more are counted.
NAMED = 3
#: Points of the metric that may be lost unless told otherwise.
LOSS = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of an array, and where the figures come from.

    Attributes
    ----------
    area_mm2
        Cell area of the array, None if none of its kind was measured.
    energy_fj
        Energy of one multiply-accumulation, glitches included, None if it was not measured.
    measured_as
        Array that the area is from: this one, or one whose area by processing element it is.
    library
        Name of the cell library.
    """

    area_mm2: float | None
    energy_fj: float | None
    measured_as: str
    library: str


class Costs:
    """Records of units and arrays, looked up by their specs."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._records = [record for record in records if "failed" not in record.metrics]

    @classmethod
    def of_project(cls, folder: Path = ROOT / "reports" / "data") -> "Costs":
        """Those of the files that are there."""
        paths = [folder / f"{name}.json" for name in (*SOURCES, ARRAYS)]
        return cls(record for path in paths if path.exists() for record in read_records(path))

    def of(self, array: ArraySpec) -> Cost:
        """Cost of ``array``; what no record tells is None.

        The area is that of the array itself, or by its processing elements from another one; the
        energy includes glitches.
        """
        known = {
            record.subject: record
            for record in self._records
            if record.subject.startswith(PREFIX) and "area" in record.metrics
        }
        ending = array.name.removeprefix(f"{PREFIX}{array.size}")
        alike = [
            name
            for name in known
            if name == array.name
            or (
                name.endswith(ending)
                and name.removeprefix(PREFIX).removesuffix(ending).count("x") == 1
            )
        ]
        area, measured_as, library = None, "", ""
        if alike:
            measured_as = max(alike, key=lambda each: (each == array.name, _elements(each)))
            record = known[measured_as]
            area = (
                float(record.metrics["area"].value)
                * array.rows
                * array.cols
                / _elements(measured_as)
                / 1e6
            )
            library = _library(record)
        for record in self._records:
            values = {
                name: metric.value
                for name, metric in record.metrics.items()
                if isinstance(metric.value, int | float)
            }
            energy = product_fj(values) if record.subject == array.mac.name else None
            if energy is not None:
                return Cost(area, energy, measured_as, library or _library(record))
        return Cost(area, None, measured_as, library)


def _elements(name: str) -> int:
    """Processing elements of an array by its name, ``array_16x16_...``."""
    rows, cols = name.removeprefix(PREFIX).partition("_")[0].split("x")
    return int(rows) * int(cols)


def _library(record: Record) -> str:
    return str((record.provenance.library or {}).get("name", ""))


@dataclass(frozen=True, slots=True)
class Goal:
    """What is compared: higher is better.

    Attributes
    ----------
    name, unit
        A metric of the task, or the SQNR of the output.
    reference
        Its value in FP32; None for an SQNR, which has none.
    least
        The least value that counts as enough.
    """

    name: str
    unit: str
    reference: float | None
    least: float


@dataclass(frozen=True, slots=True)
class Point:
    """A format with an accumulator: how good and how dear; None where no record tells."""

    column: str
    accumulator: str
    value: float
    cycles: int
    area_mm2: float | None
    energy_uj: float | None

    @property
    def name(self) -> str:
        """Format and accumulator in words."""
        return f"{self.column} with {self.accumulator} sums"

    @property
    def costs(self) -> tuple[float, float, float] | None:
        """Cycles, area and energy, if all are known."""
        if self.area_mm2 is None or self.energy_uj is None:
            return None
        return (self.cycles, self.area_mm2, self.energy_uj)


@dataclass(frozen=True, slots=True)
class Advice:
    """Points of the front, the one that is recommended, and the reason in sentences."""

    front: list[Point]
    chosen: Point
    sentence: str
    reasons: list[str]


def figure(value: float) -> str:
    """Three digits at least, thousands apart, never a power of ten."""
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text


def front(points: Sequence[Point]) -> list[Point]:
    """Points that no other equals or beats in value, cycles, area and energy, and beats in one."""
    known = [(point, (-point.value, *point.costs)) for point in points if point.costs]
    return [
        point
        for point, ours in known
        if not any(theirs != ours and all(map(le, theirs, ours)) for _, theirs in known)
    ]


def advise(points: Sequence[Point], goal: Goal) -> Advice:
    """Cheapest point that is good enough, or the best one if none is.

    Cheap is what has the least product of area, cycles and energy. If no point's costs are known,
    the best value wins. The reasons say what the others lack.
    """
    best = front(points)
    enough = [point for point in best if point.value >= goal.least]
    chosen = (
        min(enough, key=_price) if enough else max(best or points, key=lambda point: point.value)
    )
    kept = f"{goal.name.replace('_', ' ')} {_shown(chosen.value, goal)}"
    if goal.reference is not None:
        kept += f" (FP32: {_shown(goal.reference, goal)})"
    why = (
        f"the cheapest of those with at least {_shown(goal.least, goal)}"
        if enough
        else f"the best, though none reaches {_shown(goal.least, goal)}"
    )
    reasons = []
    if chosen.costs:
        cycles, area, energy = chosen.costs
        reasons.append(f"It takes {cycles:,} cycles, {figure(area)} mm2 and {figure(energy)} uJ.")
    cheaper = [
        point
        for point in best
        if point.value < goal.least <= chosen.value and _price(point) < _price(chosen)
    ]
    if cheaper:
        worst = max(cheaper, key=lambda point: point.value)
        reasons.append(f"{worst.name} is cheaper, but has only {_shown(worst.value, goal)}.")
    dearer = [
        point
        for point in points
        if point.costs
        and point.value >= chosen.value
        and point != chosen
        and _price(point) > _price(chosen)
    ]
    if dearer:
        nearest = min(dearer, key=_price)
        reasons.append(
            f"{nearest.name} is as good or better ({_shown(nearest.value, goal)}) at "
            f"{_price(nearest) / _price(chosen):.3g} times the price, the product of "
            "cycles, area and energy."
        )
    unknown = [point.name for point in points if not point.costs]
    if unknown:
        named = ", ".join(unknown) if len(unknown) <= NAMED else f"{len(unknown)} settings"
        reasons.append(f"No record tells the cost of {named}.")
    return Advice(best, chosen, f"Take {chosen.name}: {kept}, {why}.", reasons)


def _price(point: Point) -> float:
    """Product of cycles, area and energy."""
    return math.prod(point.costs or (0.0,))


def _shown(value: float, goal: Goal) -> str:
    return f"{value:.2f} {goal.unit}"


def energy_uj(energy_fj: float | None, macs: int, samples: int) -> float | None:
    """Energy of a sample in uJ, from that of one multiply-accumulation in fJ."""
    return None if energy_fj is None else energy_fj * 1e-9 * macs / samples


def with_costs(record: Record, costs: Costs) -> Record:
    """The record of a setting, with cycles, area and energy as far as they are known."""
    where = record.conditions
    if "unit" not in where:
        return record
    cost = costs.of(parse_array(where["array"], parse_mac(where["unit"])))
    macs, cycles = (int(record.metrics[name].value) for name in ("macs", "cycles"))
    found = {"cycles_per_sample": Metric(round(cycles / where["samples"]), "cycle")}
    if cost.area_mm2 is not None:
        found["area"] = Metric(float(f"{cost.area_mm2:.4g}"), "mm2")
    energy = energy_uj(cost.energy_fj, macs, where["samples"])
    if energy is not None:
        found["energy_per_sample"] = Metric(float(f"{energy:.4g}"), "uJ")
    return replace(
        record,
        metrics={**record.metrics, **found},
        conditions={**where, "area_of": cost.measured_as, "library": cost.library},
    )


def answer(records: Sequence[Record]) -> Record:
    """Which setting of one network to take, of those in its ``records``.

    The cheapest that loses at most `LOSS` points of the metric, as `reports.advise` has it.
    """
    first, *settings = records
    name = first.conditions["metric"]
    reference = float(first.metrics[name].value)
    points = []
    for record in settings:
        values = {
            key: float(metric.value)
            for key, metric in record.metrics.items()
            if isinstance(metric.value, int | float)
        }
        points.append(
            Point(
                record.conditions["column"],
                record.conditions["accumulator"],
                values[name],
                round(values["cycles_per_sample"]),
                values.get("area"),
                values.get("energy_per_sample"),
            )
        )
    found = advise(points, Goal(name, "%", reference, reference - LOSS))
    conditions: dict[str, Any] = {
        "study": "answer",
        "loss": LOSS,
        "sentence": found.sentence,
        "reasons": found.reasons,
        "chosen": [found.chosen.column, found.chosen.accumulator],
        "front": [[point.column, point.accumulator] for point in found.front],
    }
    return Record(
        subject=first.subject,
        metrics={"settings": Metric(len(points), "setting")},
        conditions=conditions,
        provenance=first.provenance,
        not_done=("every format with every accumulator (reports.advise)",),
    )
