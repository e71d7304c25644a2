# SPDX-License-Identifier: Apache-2.0
"""Area over clock period: fronts of whole units and of their loops, the same clock, and goals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from reports.plots import Curve, curves
from reports.studies.explanation.silicon import FORMATS, Units, percent
from reports.tables import MISSING, Table

__all__ = ["clock_plot", "clock_sentence", "goals"]

Sources = Mapping[str, Units]

#: Clock periods in ns at which units are compared.
PERIODS = (3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
SHOWN = {"INT8, 27 bits": FORMATS["INT8"], "E4M3, 49 bits": FORMATS["E4M3"],
         "E5M2, 79 bits": FORMATS["E5M2"]}


class Netlist(NamedTuple):
    """Clock period in ns and area in um2 of a mapped unit, and how it came about."""

    period: float
    area: float
    adder: str
    recipe: str
    target: float | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """What the loop of an exact unit is to come to: area in um2 at a clock period in ns.

    ``units`` are the beginnings of spellings by name.
    """

    units: Mapping[str, str]
    area: float
    period: float


GOALS = (
    Goal(units={"INT8/27": "int8"}, area=17_600, period=3.1),
    Goal(units={"E4M3/49": "e4m3:none", "E4M3/49, one NaN code": FORMATS["E4M3"]},
         area=26_400, period=2.6),
    Goal(units={"E5M2/79": "e5m2:none", "E5M2/79, one NaN code": FORMATS["E5M2"]},
         area=39_500, period=2.5),
)


def _netlists(units: Units, pair: str, *, loop: bool = False) -> list[Netlist]:
    """Netlists of an exact unit, whole or its loop alone."""
    found = units.find(unit=lambda unit: isinstance(unit, str)
                       and unit.startswith(f"{pair},acc=fx"), resolve=False if loop else None)
    return [_netlist(record) for record in found
            if {"min_period", "area"} <= record["metrics"].keys()]


def _netlist(record: dict[str, Any]) -> Netlist:
    conditions, metrics = record["conditions"], record["metrics"]
    return Netlist(metrics["min_period"]["value"], metrics["area"]["value"],
                   conditions["unit"].partition("adder=")[2].partition(",")[0] or "ripple",
                   conditions["recipe"], conditions.get("clock_ns"))


def _front(netlists: list[Netlist]) -> list[Netlist]:
    """Netlists than which no other is both smaller and faster, the fastest first."""
    front: list[Netlist] = []
    for netlist in sorted(netlists):
        if not front or netlist.area < front[-1].area:
            front.append(netlist)
    return front


def _smallest(netlists: list[Netlist], period: float) -> Netlist | None:
    """Smallest netlist that reaches a period, None if there is none."""
    return min((netlist for netlist in netlists if netlist.period <= period),
               key=lambda netlist: netlist.area, default=None)


def clock_plot(units: Sources) -> str:
    """Picture of the fronts, those of loops dashed."""
    shown = []
    for place, (name, pair) in enumerate(SHOWN.items()):
        front = _front(_netlists(units["fronts"], pair))
        # An adder is named where it is met first.
        marks = ["" if index and front[index - 1].adder == netlist.adder else netlist.adder
                 for index, netlist in enumerate(front)]
        shown.append(Curve(name, [netlist[:2] for netlist in front], marks, colour=place))
    for place, (name, pair) in enumerate(SHOWN.items()):
        loops = _front(_netlists(units["fronts"], pair, loop=True))
        shown.append(Curve(f"{name}, loop alone", [netlist[:2] for netlist in loops], dashed=True,
                           colour=place))
    return curves("Area over clock period", x="clock period [ns]", y="cell area [um2]",
                  shown=[curve for curve in shown if curve.points], log_x=True)


def clock_sentence(units: Sources) -> str:
    """E4M3 against INT8 at each clock that both reach."""
    int8, fp8 = (_netlists(units["fronts"], SHOWN[name])
                 for name in ("INT8, 27 bits", "E4M3, 49 bits"))
    parts = []
    for period in PERIODS:
        pair = _smallest(fp8, period), _smallest(int8, period)
        if pair[0] is not None and pair[1] is not None:
            parts.append(f"{percent(pair[0].area, pair[1].area)} at {period:g} ns")
    return ("Area without a clock flatters wide sums; each unit by its smallest netlist that "
            f"reaches the clock, whatever its adder, E4M3 takes, in area, {', '.join(parts)}. "
            "In an array a carry-save unit is its loop alone, as its sum is resolved behind the "
            "drain.")


def goals(units: Units) -> Table:
    """Loops beside their goals: the smallest netlist at the goal's clock, else the fastest."""
    rows = []
    for goal in GOALS:
        for name, pair in goal.units.items():
            netlists = _netlists(units, pair, loop=True)
            if netlists:
                rows.append([name, f"{goal.area:,.0f} at {goal.period:g}",
                             *_against(netlists, goal)])
    return Table(["loop", "goal [um2 at ns]", "area [um2]", "period [ns]", "recipe", "target [ns]",
                  "area against the goal", "netlists that reach it"], rows, [])


def _against(netlists: list[Netlist], goal: Goal) -> list[str]:
    """Cells of a row: the best netlist, and how many of them reach the goal."""
    best = _smallest(netlists, goal.period)
    missed = "" if best else f"; {min(netlists).period - goal.period:.3f} ns too slow"
    best = best or min(netlists)
    reached = sum(netlist.period <= goal.period and netlist.area <= goal.area
                  for netlist in netlists)
    return [f"{best.area:,.0f}", f"{best.period:.3f}", best.recipe,
            MISSING if best.target is None else f"{best.target:g}",
            f"{best.area - goal.area:+,.0f} um2{missed}", f"{reached} of {len(netlists)}"]
