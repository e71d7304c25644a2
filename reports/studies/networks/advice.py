# SPDX-License-Identifier: Apache-2.0
"""Which format and accumulator for a network: what each costs, which are best, and why."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Advice", "Measure", "Point", "advise", "figure", "front"]

#: Settings without costs that are named; more are counted.
NAMED = 3


@dataclass(frozen=True, slots=True)
class Measure:
    """What is compared: higher is better.

    Attributes
    ----------
    name, unit
        Of the measure: a metric of the task, or the SQNR of the output.
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
    known = [point for point in points if point.costs]
    return [point for point in known if not any(_beats(other, point) for other in known)]


def _beats(other: Point, point: Point) -> bool:
    theirs, ours = ((-each.value, *(each.costs or ())) for each in (other, point))
    return theirs != ours and all(a <= b for a, b in zip(theirs, ours, strict=True))


def advise(points: Sequence[Point], measure: Measure) -> Advice:
    """Cheapest point that is good enough, or the best one if none is.

    Cheap is what has the least product of area, cycles and energy. If no point's costs are known,
    the best value wins.
    """
    best = front(points)
    enough = [point for point in best if point.value >= measure.least]
    if enough:
        chosen = min(enough, key=_price)
    else:
        chosen = max(best or points, key=lambda point: point.value)
    return Advice(best, chosen, _sentence(chosen, measure, bool(enough)),
                  _reasons(points, best, chosen, measure))


def _price(point: Point) -> float:
    """Product of cycles, area and energy."""
    cycles, area, energy = point.costs or (0.0, 0.0, 0.0)
    return cycles * area * energy


def _shown(value: float, measure: Measure) -> str:
    return f"{value:.2f} {measure.unit}"


def _sentence(chosen: Point, measure: Measure, enough: bool) -> str:
    """The recommendation in one sentence."""
    kept = f"{measure.name.replace('_', ' ')} {_shown(chosen.value, measure)}"
    if measure.reference is not None:
        kept += f" (FP32: {_shown(measure.reference, measure)})"
    why = (f"the cheapest of those with at least {_shown(measure.least, measure)}" if enough else
           f"the best, though none reaches {_shown(measure.least, measure)}")
    return f"Take {chosen.name}: {kept}, {why}."


def _reasons(points: Sequence[Point], best: Sequence[Point], chosen: Point, measure: Measure
             ) -> list[str]:
    """What the others lack."""
    reasons = []
    if chosen.costs:
        cycles, area, energy = chosen.costs
        reasons.append(f"It takes {cycles:,} cycles, {figure(area)} mm2 and {figure(energy)} uJ.")
    cheaper = [point for point in best if point.value < measure.least <= chosen.value
               and _price(point) < _price(chosen)]
    if cheaper:
        worst = max(cheaper, key=lambda point: point.value)
        reasons.append(f"{worst.name} is cheaper, but has only {_shown(worst.value, measure)}.")
    dearer = [point for point in points if point.costs and point.value >= chosen.value
              and point != chosen and _price(point) > _price(chosen)]
    if dearer:
        nearest = min(dearer, key=_price)
        reasons.append(f"{nearest.name} is as good or better ({_shown(nearest.value, measure)}) at "
                       f"{_price(nearest) / _price(chosen):.3g} times the price, the product of "
                       "cycles, area and energy.")
    unknown = [point.name for point in points if not point.costs]
    if unknown:
        named = ", ".join(unknown) if len(unknown) <= NAMED else f"{len(unknown)} settings"
        reasons.append(f"No record tells the cost of {named}.")
    return reasons
