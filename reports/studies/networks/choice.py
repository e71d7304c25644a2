# SPDX-License-Identifier: Apache-2.0
"""The choice among formats and accumulators: Pareto front, recommendation and reasons."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import le

#: Settings without costs that are named; more are counted.
NAMED = 3

#: Names of metrics on pages, where the record's name is not plain enough.
METRICS = {"retrieval_top1": "top-1 retrieval", "top1_agreement": "top-1 agreement"}


def metric_name(name: str) -> str:
    """Name of a metric for people."""
    return METRICS.get(name, name.replace("_", " "))


@dataclass(frozen=True, slots=True)
class Goal:
    """The measure that decides; higher is better.

    Attributes
    ----------
    name, unit
        A metric of the task, or the SQNR of the output.
    reference
        Value in FP32; None for an SQNR.
    least
        Lowest acceptable value.
    """

    name: str
    unit: str
    reference: float | None
    least: float


@dataclass(frozen=True, slots=True)
class Point:
    """A format with an accumulator: its quality and its costs; None if not measured."""

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
    """Points on the Pareto front, the recommended one, and the reasons as sentences."""

    front: list[Point]
    chosen: Point
    sentence: str
    reasons: list[str]


def figure(value: float) -> str:
    """At least three digits, with thousands separators, never a power of ten."""
    if value == 0:
        return "0"
    places = max(0, 2 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if places else text


def front(points: Sequence[Point]) -> list[Point]:
    """Points that no other point dominates in value, cycles, area and energy."""
    known = [(point, (-point.value, *point.costs)) for point in points if point.costs]
    return [
        point
        for point, ours in known
        if not any(theirs != ours and all(map(le, theirs, ours)) for _, theirs in known)
    ]


def advise(points: Sequence[Point], goal: Goal) -> Advice:
    """The cheapest point that is good enough, or the best one if none is.

    The price is the product of area, cycles and energy. If no costs are known, the best value wins.
    The reasons compare the choice with its neighbours.
    """
    best = front(points)
    enough = [point for point in best if point.value >= goal.least]
    chosen = (
        min(enough, key=_price) if enough else max(best or points, key=lambda point: point.value)
    )
    kept = f"{metric_name(goal.name)} {_shown(chosen.value, goal)}"
    if goal.reference is not None:
        kept += f" (FP32: {_shown(goal.reference, goal)})"
    why = (
        f"the cheapest setting with at least {_shown(goal.least, goal)}"
        if enough
        else "the best setting"
    )
    if chosen.value < goal.least:
        why += f", but none reaches {_shown(goal.least, goal)}"
    reasons = []
    if chosen.costs:
        cycles, area, energy = chosen.costs
        reasons.append(f"It needs {cycles:,} cycles, {figure(area)} mm2 and {figure(energy)} uJ.")
    cheaper = [
        point
        for point in best
        if point.value < goal.least <= chosen.value and _price(point) < _price(chosen)
    ]
    if cheaper:
        worst = max(cheaper, key=lambda point: point.value)
        reasons.append(f"{worst.name} is cheaper but reaches only {_shown(worst.value, goal)}.")
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
            f"{nearest.name} is at least as good ({_shown(nearest.value, goal)}) but costs "
            f"{_price(nearest) / _price(chosen):.3g} times as much (cycles x area x energy)."
        )
    unknown = [point.name for point in points if not point.costs]
    if unknown:
        named = ", ".join(unknown) if len(unknown) <= NAMED else f"{len(unknown)} settings"
        reasons.append(f"No costs were measured for {named}.")
    return Advice(best, chosen, f"Recommended: {chosen.name}; {kept}, {why}.", reasons)


def _price(point: Point) -> float:
    """Product of cycles, area and energy."""
    return math.prod(point.costs or (0.0,))


def _shown(value: float, goal: Goal) -> str:
    return f"{value:.2f} {goal.unit}"
