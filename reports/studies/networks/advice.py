# SPDX-License-Identifier: Apache-2.0
"""Costs of arrays for networks, and the recommended setting of a network as a record."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hw.spec import ArraySpec, folders, parse_array, parse_mac
from reports.studies.networks.choice import Goal, Point, advise
from sim.network.results import SOURCES, product_fj
from synth.record import Metric, Record, read_records

#: File of more arrays.
ARRAYS = "arrays"
PREFIX = "array_"
#: Points of the metric that the recommended setting may lose, by default.
LOSS = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of an array and its source.

    Attributes
    ----------
    area_mm2
        Cell area of the array; None if no array of this kind was measured.
    energy_fj
        Energy of one multiply-accumulation with glitches; None if not measured.
    measured_as
        Array of the area: this one, or one whose area per processing element was used.
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
    def of_project(cls, folder: Path = folders.RECORDS) -> "Costs":
        """Costs from the files that exist."""
        paths = [folder / f"{name}.json" for name in (*SOURCES, ARRAYS)]
        return cls(record for path in paths if path.exists() for record in read_records(path))

    def of(self, array: ArraySpec) -> Cost:
        """Cost of ``array``; None where nothing was measured.

        The area is that of the array itself, or is scaled by processing elements from another size.
        The energy includes glitches.
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


def energy_uj(energy_fj: float | None, macs: int, samples: int) -> float | None:
    """Energy of a sample in uJ, from that of one multiply-accumulation in fJ."""
    return None if energy_fj is None else energy_fj * 1e-9 * macs / samples


def with_costs(record: Record, costs: Costs) -> Record:
    """The record of a setting with its cycles, and with area and energy if they are known."""
    where = record.conditions
    if "unit" not in where:
        return record
    cost = costs.of(parse_array(where["array"], parse_mac(where["unit"])))
    macs, cycles = (int(record.metrics[name].value) for name in ("macs", "cycles"))
    metrics = {"cycles_per_sample": Metric(round(cycles / where["samples"]), "cycle")}
    if cost.area_mm2 is not None:
        metrics["area"] = Metric(float(f"{cost.area_mm2:.4g}"), "mm2")
    energy = energy_uj(cost.energy_fj, macs, where["samples"])
    if energy is not None:
        metrics["energy_per_sample"] = Metric(float(f"{energy:.4g}"), "uJ")
    return replace(
        record,
        metrics={**record.metrics, **metrics},
        conditions={**where, "area_of": cost.measured_as, "library": cost.library},
    )


def answer(records: Sequence[Record]) -> Record:
    """Recommended setting of one network, from its ``records``.

    It is the cheapest that loses at most `LOSS` points of the metric, as in `reports.advise`.
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
    advised = advise(points, Goal(name, "%", reference, reference - LOSS))
    conditions: dict[str, Any] = {
        "study": "answer",
        "loss": LOSS,
        "sentence": advised.sentence,
        "reasons": advised.reasons,
        "chosen": [advised.chosen.column, advised.chosen.accumulator],
        "front": [[point.column, point.accumulator] for point in advised.front],
    }
    return Record(
        subject=first.subject,
        metrics={"settings": Metric(len(points), "setting")},
        conditions=conditions,
        provenance=first.provenance,
        not_done=("every format with every accumulator (reports.advise)",),
    )
