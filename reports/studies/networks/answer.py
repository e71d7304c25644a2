# SPDX-License-Identifier: Apache-2.0
"""Silicon beside accuracy: what each measured setting of a network costs, and which to take."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from hw.spec import parse_array, parse_mac
from reports.studies.networks.advice import Measure, Point, advise
from reports.studies.networks.costs import Costs
from synth.record import Metric, Record

__all__ = ["LOSS", "answer", "energy_uj", "with_costs"]

#: Points of the metric that may be lost unless told otherwise.
LOSS = 1.0


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
    return replace(record, metrics={**record.metrics, **found}, conditions={
        **where, "area_of": cost.measured_as, "library": cost.library})


def answer(records: Sequence[Record]) -> Record:
    """Which setting of one network to take, of those in its ``records``.

    The cheapest that loses at most `LOSS` points of the metric, as `reports.advise` has it.
    """
    first, *settings = records
    name = first.conditions["metric"]
    reference = float(first.metrics[name].value)
    points = [_point(record, name) for record in settings]
    found = advise(points, Measure(name, "%", reference, reference - LOSS))
    conditions: dict[str, Any] = {
        "study": "answer", "loss": LOSS, "sentence": found.sentence, "reasons": found.reasons,
        "chosen": [found.chosen.column, found.chosen.accumulator],
        "front": [[point.column, point.accumulator] for point in found.front]}
    return Record(subject=first.subject, metrics={"settings": Metric(len(points), "setting")},
                  conditions=conditions, provenance=first.provenance,
                  not_done=("every format with every accumulator (reports.advise)",))


def _point(record: Record, name: str) -> Point:
    """Value and costs of a record."""
    values = {key: float(metric.value) for key, metric in record.metrics.items()
              if isinstance(metric.value, int | float)}
    return Point(record.conditions["column"], record.conditions["accumulator"], values[name],
                 round(values["cycles_per_sample"]), values.get("area"),
                 values.get("energy_per_sample"))
