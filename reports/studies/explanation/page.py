# SPDX-License-Identifier: Apache-2.0
"""Is FP8 50 to 180 % less efficient than INT8? One factor at a time, from records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from reports.registry import Figure, Page, Records
from reports.studies.explanation.page_factors import FACTORS
from reports.studies.explanation.page_units import (
    ACCUMULATORS,
    FORMATS,
    PAPER_UNITS,
    Units,
    netlists_of,
    ratio,
    smallest,
    unit_of,
)
from reports.tables import MISSING, Table, cell, text, value

SOURCES = ("paper", "factors", "fronts", "arrays", "nodes", "gates")
GATES = "two_input_gates_keep"
#: Measures to compare, by metric.
MEASURES = {
    GATES: "two-input gates, without flip-flops",
    "paper_cost": "the paper's gates, with flip-flops",
    "area": "cell area",
    "energy_gaussian": "energy on Gaussian operands",
}
#: Energy per operation on Gaussian operands: without glitches, and what glitches add.
ENERGY = ("energy_gaussian", "energy_gaussian_glitches")
#: Both ends of the figure's bar, in one cell.
FIGURE = "figure"
#: Headings of the table of the paper's units by metric.
COLUMNS = {
    "two_input_gates_keep": "gates (keep)",
    "two_input_gates_default": "gates (default)",
    "paper_cost": "paper's cost",
    FIGURE: "figure 3",
    "hand_total": "hand count",
    "area": "area [um2]",
    "min_period": "period [ns]",
    "energy_gaussian": "energy [fJ]",
    "netlist_pairs": "pairs",
    "netlist_states": "states",
    "netlist_mismatches": "differ",
}


def explanation_page(records: Records) -> dict[str, Any]:
    """Values for the template ``page.md.j2``."""
    units = _units(records)
    return {
        "bars": extract(records),
        "ratios": ratios(records),
        "missed": _missed(units["paper"]),
        "goals": goals(units["fronts"]),
        "factors": [
            {"title": factor.title, "figure": factor.name, "numbers": factor.numbers(units)}
            for factor in FACTORS
            if factor.is_ready(units)
        ],
    }


def plots(records: Records) -> dict[str, Callable[[], str]]:
    """Plots of the factors whose records exist, by name."""
    units = _units(records)
    return {
        factor.name: partial(factor.plot, units) for factor in FACTORS if factor.is_ready(units)
    }


def _units(records: Records) -> dict[str, Units]:
    return {name: Units(records.get(name, ())) for name in SOURCES}


def answer(records: Records) -> dict[str, Any]:
    """Ratios of E4M3 to INT8 for each accumulator of E4M3: first by measure, with INT8 on its wide
    sum; then in gates, with the same accumulator on both sides.
    """
    paper = _units(records)["paper"]
    claims = [
        (name, [_over_int8(paper, metrics, acc, "fx") for acc in ACCUMULATORS.values()])
        for name, metrics in (
            ("cell area", ("area",)),
            ("gates", (GATES,)),
            ("energy", ENERGY),
        )
    ]
    return {
        "claims": [(name, found) for name, found in claims if None not in found],
        "same": [
            (name, acc, _over_int8(paper, (GATES,), acc, acc)) for name, acc in ACCUMULATORS.items()
        ],
    }


def _over_int8(
    paper: Units, metrics: Sequence[str], acc: str, int8_acc: str, fp8: str = "E4M3"
) -> float | None:
    """Sum of some metrics of a format with an accumulator over that of an INT8 unit."""
    unit, int8 = (
        [paper.of(metric, FORMATS[name], sum_) for metric in metrics]
        for name, sum_ in ((fp8, acc), ("INT8", int8_acc))
    )
    if None in unit or None in int8:
        return None
    return sum(filter(None, unit)) / sum(filter(None, int8))


def extract(records: Records) -> Table:
    """The 15 units with the paper's figure and hand count."""
    paper, rows = Units(records.get("paper", ())), []
    for names, unit in PAPER_UNITS.items():
        for record in paper.find(**unit_of(*unit))[:1]:
            low, high = (text(value(record, f"figure_{end}")) for end in ("low", "high"))
            rows.append(
                [
                    *names,
                    *(
                        f"{low}-{high}" if metric == FIGURE else cell(record, metric)
                        for metric in COLUMNS
                    ),
                ]
            )
    return Table(["operands", "accumulator", *COLUMNS.values()], rows, [])


def ratios(records: Records) -> Table:
    """Each unit relative to INT8 with a 27-bit sum, by measure, and the paper's own ratio."""
    paper = Units(records.get("paper", ()))
    columns = MEASURES | {"figure_low": "the paper's figure 3"}
    int8 = {metric: paper.of(metric, "int8", "fx") for metric in columns}
    rows = [
        [
            *names,
            *(
                MISSING if (over := ratio(paper.of(metric, *unit), base)) is None else f"{over:.2f}"
                for metric, base in int8.items()
            ),
        ]
        for names, unit in PAPER_UNITS.items()
    ]
    return Table(["operands", "accumulator", *columns.values()], rows, [])


#: Accumulators in words.
SUMS = {"FX+12": "exact sum", "FP16": "FP16 sum", "FP32": "FP32 sum"}


def brief(records: Records) -> dict[str, Any]:
    """The units over INT8 with a 27-bit sum, a row for each operand format, and E4M3 over INT8 with
    the same sum on both sides.
    """
    paper = _units(records)["paper"]
    shown = [("area", ("area",), acc) for acc in SUMS] + [
        ("energy", ENERGY, acc) for acc in ("FX+12", "FP32")
    ]
    rows = []
    for name in FORMATS:
        found = [
            _over_int8(paper, metrics, ACCUMULATORS[acc], "fx", fp8=name)
            for _, metrics, acc in shown
        ]
        rows.append([name, *(MISSING if over is None else f"{over:.2f}" for over in found)])
    headings = ["operands", *(f"{what}, {SUMS[acc]}" for what, _, acc in shown)]
    return {
        "ratios": Table(headings, rows, []),
        "same": [
            (SUMS[name], _over_int8(paper, ("area",), acc, acc))
            for name, acc in ACCUMULATORS.items()
        ],
        "alt": ANSWER.alt,
    }


#: Sizes of the picture of the answer.
WIDTH, LEFT, RIGHT, TOP, PITCH, BAR = 660, 92, 24, 64, 17, 12


def _answer_bars(records: Records) -> dict[str, Any] | None:
    """Bars of areas over that of INT8 with a 27-bit sum, in groups by accumulator, each with the
    ratio of the paper's figure 3 as a tick.
    """
    paper, y = _units(records)["paper"], TOP
    groups, highest = [], 1.0
    for sums, acc in ACCUMULATORS.items():
        bars = []
        for name in FORMATS:
            over, theirs = (
                _over_int8(paper, (metric,), acc, "fx", fp8=name)
                for metric in ("area", "figure_low")
            )
            if over is not None:
                bars.append({"name": name, "over": over, "theirs": theirs, "y": y})
                highest = max(highest, over, theirs or 0)
                y += PITCH
        groups.append({"name": SUMS[sums], "bars": bars})
        y += PITCH
    if not any(group["bars"] for group in groups):
        return None
    scale = (WIDTH - LEFT - RIGHT) / (highest * 1.08)
    return {
        "groups": groups,
        "width": WIDTH,
        "left": LEFT,
        "top": TOP,
        "bar_height": BAR,
        "foot": y - PITCH + 4,
        "height": y + 46,
        "scale": scale,
        "steps": [step / 2 for step in range(int(2 * highest * 1.08) + 1)],
    }


ANSWER = Figure(
    "answer",
    "Cell area of multiply-accumulate units in INT8 and four FP8 formats with an exact, an FP16 "
    "and an FP32 sum, relative to INT8 with an exact sum, with the ratios of the paper",
    _answer_bars,
)


def _missed(paper: Units) -> list[tuple[str, str, float, float]]:
    """Units with more gates than the paper's ratio allows: operands, accumulator, gates, and the
    number allowed.
    """
    return [
        (*names, gates, bar)
        for names, unit in PAPER_UNITS.items()
        if (gates := paper.of(GATES, *unit)) is not None
        and (bar := paper.of("gates_at_paper_ratio", *unit)) is not None
        and gates > bar
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """Goal for the loop of an exact unit: area in um2 at a clock period in ns.

    ``units`` has the start of each unit's spelling by name.
    """

    units: Mapping[str, str]
    area: float
    period: float


GOALS = (
    Goal(units={"INT8/27": "int8"}, area=17_600, period=3.1),
    Goal(
        units={"E4M3/49": "e4m3:none", "E4M3/49, one NaN code": FORMATS["E4M3"]},
        area=26_400,
        period=2.6,
    ),
    Goal(
        units={"E5M2/79": "e5m2:none", "E5M2/79, one NaN code": FORMATS["E5M2"]},
        area=39_500,
        period=2.5,
    ),
)


def goals(units: Units) -> Table:
    """Loops and their goals: the smallest netlist at the goal's clock, else the fastest."""
    rows = []
    for goal in GOALS:
        for name, pair in goal.units.items():
            netlists = netlists_of(units, pair, loop=True)
            if not netlists:
                continue
            fastest = min(netlists)
            best = smallest(netlists, goal.period) or fastest
            slow = fastest.period - goal.period
            reached = sum(
                netlist.period <= goal.period and netlist.area <= goal.area for netlist in netlists
            )
            rows.append(
                [
                    name,
                    f"{goal.area:,.0f} at {goal.period:g}",
                    f"{best.area:,.0f}",
                    f"{best.period:.3f}",
                    best.recipe,
                    MISSING if best.target is None else f"{best.target:g}",
                    f"{best.area - goal.area:+,.0f} um2"
                    + (f"; {slow:.3f} ns too slow" if slow > 0 else ""),
                    f"{reached} of {len(netlists)}",
                ]
            )
    return Table(
        [
            "loop",
            "goal [um2 at ns]",
            "area [um2]",
            "period [ns]",
            "recipe",
            "target [ns]",
            "area minus goal",
            "netlists that reach the goal",
        ],
        rows,
        [],
    )


PAGE = Page(
    values=explanation_page,
    file="fp8-vs-int8",
    answer=answer,
    plots=plots,
    short=ratios,
    brief=brief,
    figures=(ANSWER,),
)
