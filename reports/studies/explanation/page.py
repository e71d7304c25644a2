# SPDX-License-Identifier: Apache-2.0
"""Is FP8 50 to 180 % less efficient than INT8? One factor after the other, from records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reports.registry import Page
from reports.studies.explanation.factors import FACTORS, Factor
from reports.studies.explanation.fronts import goals
from reports.studies.explanation.silicon import ACCUMULATORS, FORMATS, Units, percent, unit_of
from reports.tables import MISSING, Table, text

__all__ = ["SOURCES", "answer", "explanation_page", "extract", "plots", "ratios"]

Records = Mapping[str, Sequence[dict[str, Any]]]

SOURCES = ("paper", "factors", "fronts", "arrays", "nodes", "gates")
#: What is compared, by metric.
MEASURES = {"two_input_gates_keep": "two-input gates, no flip-flops",
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
    """A factor on the page: title, name of its picture, one sentence."""

    title: str
    figure: str
    sentence: str


def explanation_page(records: Records) -> dict[str, Any]:
    """What the template ``page.md.j2`` shows."""
    units = _units(records)
    return {"verdict": answer(records), "bars": extract(records),
            "ratios": ratios(records), "missed": _missed(units["paper"]),
            "goals": goals(units["fronts"]),
            "factors": [Shown(factor.title, factor.name, factor.sentence(units))
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


def answer(records: Records) -> str:
    """The verdict in a few sentences."""
    paper = _units(records)["paper"]
    claims = [_claim(name, [_measured(paper, measure, acc) for acc in ACCUMULATORS.values()])
              for name, measure in (("cell area", ("area",)),
                                    ("gates", ("two_input_gates_keep",)),
                                    ("energy, glitches included", ENERGY))]
    said = "; ".join(filter(None, claims))
    if not said:
        return ""
    return (f"One E4M3 multiply-accumulate unit takes, against INT8 with a 27-bit sum, {said}. "
            f"{_same_accumulator(paper)}")


def _measured(paper: Units, metrics: Sequence[str], acc: str) -> tuple[float, float] | None:
    """Sum of some metrics of E4M3 with an accumulator, and of the INT8 unit."""
    found = [[paper.value(metric, **unit_of(*unit)) for metric in metrics]
             for unit in ((FORMATS["E4M3"], acc), ("int8", "fx"))]
    fp8, int8 = ([value for value in values if value is not None] for values in found)
    return (sum(fp8), sum(int8)) if len(fp8) == len(int8) == len(metrics) else None


def _claim(name: str, pairs: Sequence[tuple[float, float] | None]) -> str:
    """What E4M3 takes more with each accumulator; empty if a figure is missing."""
    known = [percent(*pair) for pair in pairs if pair is not None]
    if len(known) < len(pairs):
        return ""
    exact, half, single = known
    return f"in {name} {exact} with an exact sum, {half} with FP16 and {single} with FP32"


def _same_accumulator(paper: Units) -> str:
    """E4M3 against INT8 with each accumulator, in two-input gates."""
    parts, cheaper = [], True
    for name, acc in ACCUMULATORS.items():
        fp8, int8 = (paper.value("two_input_gates_keep", **unit_of(FORMATS[pair], acc))
                     for pair in ("E4M3", "INT8"))
        if fp8 is None or int8 is None:
            return ""
        parts.append(f"{percent(fp8, int8)} with {name}")
        cheaper = cheaper and (acc == "fx" or fp8 < int8)
    cause = ("So the published 50 to 180 % are the price of floating-point sums, not of FP8 "
             "operands: " if cheaper else "")
    return (f"{cause}with the same accumulator on both sides E4M3 takes, in gates, "
            f"{', '.join(parts)}.")


def extract(records: Records) -> Table:
    """The 15 units beside the paper's figure and its hand count."""
    paper = Units(records.get("paper", ()))
    rows = []
    for pair, spelling in FORMATS.items():
        for name, acc in ACCUMULATORS.items():
            found = paper.find(**unit_of(spelling, acc))
            if found:
                rows.append([pair, name, *(_figure(found[0]) if metric == FIGURE
                                           else _value(found[0], metric) for metric in COLUMNS)])
    return Table(["operands", "accumulator", *COLUMNS.values()], rows, [])


def _value(record: dict[str, Any], metric: str) -> str:
    known = record["metrics"].get(metric)
    return MISSING if known is None else text(known["value"])


def _figure(record: dict[str, Any]) -> str:
    """Lowest and highest reading of the paper's bar."""
    low, high = (record["metrics"][f"figure_{end}"]["value"] for end in ("low", "high"))
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
    base = paper.value(metric, **unit_of("int8", "fx"))
    value = paper.value(metric, **unit_of(spelling, acc))
    return MISSING if base is None or value is None else f"{value / base:.2f}"


def _missed(paper: Units) -> list[str]:
    """Units that take more gates than the paper's ratio allows them, and by how much."""
    found = []
    for pair, spelling in FORMATS.items():
        for name, acc in ACCUMULATORS.items():
            gates, bar = (paper.value(metric, **unit_of(spelling, acc))
                          for metric in ("two_input_gates_keep", "gates_at_paper_ratio"))
            if gates is not None and bar is not None and gates > bar:
                found.append(f"{pair} to {name}: {gates:,.0f} gates, {gates - bar:,.0f} more than "
                             f"{bar:,.0f}")
    return found


PAGE = Page(values=explanation_page, file="fp8-vs-int8", answer=answer, extract=extract,
            plots=plots, short=ratios)
