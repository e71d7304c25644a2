# SPDX-License-Identifier: Apache-2.0
"""Is FP8 50 to 180 % less efficient than INT8? One factor after the other, from records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.registry import Page, Records
from reports.studies.explanation.page_factors import FACTORS, Factor
from reports.studies.explanation.page_units import (
    ACCUMULATORS,
    FORMATS,
    Netlist,
    Units,
    netlists_of,
    ratio,
    smallest,
    unit_of,
)
from reports.tables import MISSING, Record, Table, cell, text, value

SOURCES = ("paper", "factors", "fronts", "arrays", "nodes", "gates")
GATES = "two_input_gates_keep"
#: What is compared, by metric.
MEASURES = {GATES: "two-input gates, no flip-flops",
            "paper_cost": "the paper's gates, flip-flops included",
            "area": "cell area",
            "energy_gaussian": "energy on Gaussian operands"}
#: What an operation takes with the changes that delays cause, on Gaussian operands.
ENERGY = ("energy_gaussian", "energy_gaussian_glitches")
#: Both ends of the figure's bar, in one cell.
FIGURE = "figure"
#: Headings of the table of the paper's units by metric.
COLUMNS = {
    "two_input_gates_keep": "gates (keep)", "two_input_gates_default": "gates (default)",
    "paper_cost": "paper's cost", FIGURE: "figure 3", "hand_total": "hand count",
    "area": "area [um2]", "min_period": "period [ns]", "energy_gaussian": "energy [fJ]",
    "netlist_pairs": "pairs", "netlist_states": "states", "netlist_mismatches": "differ"}


@dataclass(frozen=True, slots=True)
class Shown:
    """A factor on the page: title, name of its picture and of its macro, numbers for that."""

    title: str
    figure: str
    numbers: Any


def explanation_page(records: Records) -> dict[str, Any]:
    """What the template ``page.md.j2`` shows."""
    units = _units(records)
    return {"bars": extract(records), "ratios": ratios(records), "missed": _missed(units["paper"]),
            "goals": goals(units["fronts"]),
            "factors": [Shown(factor.title, factor.name, factor.numbers(units))
                        for factor in _ready(units)]}


def plots(records: Records) -> dict[str, Callable[[], str]]:
    """Pictures of the factors that have their records, by name."""
    units = _units(records)
    return {factor.name: lambda factor=factor: factor.plot(units)  # type: ignore[misc]
            for factor in _ready(units)}


def _units(records: Records) -> dict[str, Units]:
    return {name: Units(records.get(name, ())) for name in SOURCES}


def _ready(units: Mapping[str, Units]) -> list[Factor]:
    """Factors whose records are there."""
    return [factor for factor in FACTORS if factor.is_ready(units)]


def answer(records: Records) -> dict[str, Any]:
    """E4M3 over INT8 with each accumulator: by what is counted, each with the paper's wide sum of
    INT8, then in gates with the same accumulator on both sides.
    """
    paper = _units(records)["paper"]
    claims = [(name, [_over_int8(paper, metrics, acc, "fx") for acc in ACCUMULATORS.values()])
              for name, metrics in (("cell area", ("area",)), ("gates", (GATES,)),
                                    ("energy, glitches included", ENERGY))]
    return {"claims": [(name, found) for name, found in claims if None not in found],
            "same": [(name, acc, _over_int8(paper, (GATES,), acc, acc))
                     for name, acc in ACCUMULATORS.items()]}


def _over_int8(paper: Units, metrics: Sequence[str], acc: str, int8_acc: str) -> float | None:
    """Sum of some metrics of E4M3 with an accumulator over that of an INT8 unit."""
    fp8, int8 = ([paper.value(metric, **unit_of(*unit)) for metric in metrics]
                 for unit in ((FORMATS["E4M3"], acc), (FORMATS["INT8"], int8_acc)))
    if None in fp8 or None in int8:
        return None
    return sum(filter(None, fp8)) / sum(filter(None, int8))


def extract(records: Records) -> Table:
    """The 15 units beside the paper's figure and its hand count."""
    paper = Units(records.get("paper", ()))
    rows = []
    for pair, spelling in FORMATS.items():
        for name, acc in ACCUMULATORS.items():
            found = paper.find(**unit_of(spelling, acc))
            if found:
                rows.append([pair, name, *(_figure(found[0]) if metric == FIGURE
                                           else cell(found[0], metric) for metric in COLUMNS)])
    return Table(["operands", "accumulator", *COLUMNS.values()], rows, [])


def _figure(record: Record) -> str:
    """Lowest and highest reading of the paper's bar."""
    low, high = (value(record, f"figure_{end}") for end in ("low", "high"))
    return f"{text(low)}-{text(high)}"


def ratios(records: Records) -> Table:
    """Each unit over INT8 with a 27-bit sum, by measure, and the paper's own ratio."""
    paper, rows = Units(records.get("paper", ())), []
    for pair, spelling in FORMATS.items():
        for name, acc in ACCUMULATORS.items():
            cells = [_ratio(paper, metric, spelling, acc) for metric in MEASURES]
            rows.append([pair, name, *cells, _ratio(paper, "figure_low", spelling, acc)])
    return Table(["operands", "accumulator", *MEASURES.values(),
                  "the paper's figure 3"], rows, [])


def _ratio(paper: Units, metric: str, spelling: str, acc: str) -> str:
    over = ratio(paper.value(metric, **unit_of(spelling, acc)),
                 paper.value(metric, **unit_of("int8", "fx")))
    return MISSING if over is None else f"{over:.2f}"


def _missed(paper: Units) -> list[tuple[str, str, float, float]]:
    """Units that take more gates than the paper's ratio allows them: operands, accumulator, gates,
    and how many there may be.
    """
    found = []
    for pair, spelling in FORMATS.items():
        for name, acc in ACCUMULATORS.items():
            gates, bar = (paper.value(metric, **unit_of(spelling, acc))
                          for metric in (GATES, "gates_at_paper_ratio"))
            if gates is not None and bar is not None and gates > bar:
                found.append((pair, name, gates, bar))
    return found


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


def goals(units: Units) -> Table:
    """Loops beside their goals: the smallest netlist at the goal's clock, else the fastest."""
    rows = []
    for goal in GOALS:
        for name, pair in goal.units.items():
            netlists = netlists_of(units, pair, loop=True)
            if netlists:
                rows.append([name, f"{goal.area:,.0f} at {goal.period:g}",
                             *_against(netlists, goal)])
    return Table(["loop", "goal [um2 at ns]", "area [um2]", "period [ns]", "recipe", "target [ns]",
                  "area against the goal", "netlists that reach it"], rows, [])


def _against(netlists: list[Netlist], goal: Goal) -> list[str]:
    """Cells of a row: the best netlist, and how many of them reach the goal."""
    best = smallest(netlists, goal.period)
    missed = "" if best else f"; {min(netlists).period - goal.period:.3f} ns too slow"
    best = best or min(netlists)
    reached = sum(netlist.period <= goal.period and netlist.area <= goal.area
                  for netlist in netlists)
    return [f"{best.area:,.0f}", f"{best.period:.3f}", best.recipe,
            MISSING if best.target is None else f"{best.target:g}",
            f"{best.area - goal.area:+,.0f} um2{missed}", f"{reached} of {len(netlists)}"]


PAGE = Page(values=explanation_page, file="fp8-vs-int8", answer=answer, extract=extract,
            plots=plots, short=ratios)
