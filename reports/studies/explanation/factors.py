# SPDX-License-Identifier: Apache-2.0
"""What moves the cost of FP8 over INT8: a picture and a sentence for each factor, from records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from reports.plots import bars, stacks
from reports.studies.explanation import arrays as array_factors
from reports.studies.explanation import fronts
from reports.studies.explanation import sweeps as sweeps
from reports.studies.explanation.silicon import (
    ACCUMULATORS,
    COMPARED,
    FORMATS,
    Units,
    over,
    unit_of,
)

__all__ = ["FACTORS", "Factor"]

Sources = Mapping[str, Units]
GATES = "two_input_gates_keep"
E4M3 = FORMATS["E4M3"]


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor: its records, the picture, and what it shows in one sentence.

    ``metrics`` is the beginning of the metrics that each of its sources must have.
    """

    name: str
    title: str
    sources: tuple[str, ...]
    plot: Callable[[Sources], str]
    sentence: Callable[[Sources], str]
    metrics: str = ""

    def is_ready(self, units: Sources) -> bool:
        """Whether its records are there."""
        return all(units[name] and units[name].has(self.metrics) for name in self.sources)


def _figure_plot(units: Sources) -> str:
    paper = units["paper"]
    groups = [f"{pair}\n{name}" for pair in FORMATS for name in ACCUMULATORS]
    found = {metric: [paper.value(metric, **unit_of(spelling, acc))
                      for spelling in FORMATS.values() for acc in ACCUMULATORS.values()]
             for metric in ("paper_cost", "hand_total", "figure_low")}
    return bars("Netlists beside the paper's figure 3", unit="the paper's gates, with flip-flops",
                groups=groups, series={
                    "this project's netlists": found["paper_cost"],
                    "hand count of appendix B": found["hand_total"],
                    "figure 3 of the paper": found["figure_low"]})


def _figure_sentence(units: Sources) -> str:
    paper = units["paper"]
    parts = []
    for name, acc in ACCUMULATORS.items():
        own, theirs = (over(paper.value(metric, **unit_of(E4M3, acc)),
                             paper.value(metric, **unit_of("int8", "fx")))
                       for metric in ("paper_cost", "figure_low"))
        parts.append(f"{own} with {name} (the paper: {theirs})")
    return ("In the paper's own measure E4M3 costs, against INT8 with a 27-bit sum, "
            f"{', '.join(parts)}.")


def _blocks_plot(units: Sources) -> str:
    paper = units["paper"]
    whole = {f"{pair}\n{name}": unit_of(spelling, acc) for pair, spelling in FORMATS.items()
             for name, acc in ACCUMULATORS.items()}
    known = {group: unit for group, unit in whole.items()
             if paper.value(f"area_{paper.blocks[0]}", **unit) is not None}
    return stacks("Where the area goes", unit="cell area [um2], each block mapped on its own",
                  groups=list(known), parts={
                      block.replace("_", " "): [paper.value(f"area_{block}", **unit) or 0
                                                for unit in known.values()]
                      for block in paper.blocks})


def _blocks_sentence(units: Sources) -> str:
    paper, parts = units["paper"], []
    for name, unit in COMPARED.items():
        areas = {block: paper.value(f"area_{block}", **unit_of(*unit)) or 0
                 for block in paper.blocks}
        total = sum(areas.values())
        shares = ", ".join(f"{block.replace('_', ' ')} {100 * area / total:.0f} %"
                           for block, area in areas.items() if total and area)
        parts.append(f"{name} {shares}")
    return ("The narrow multiplier of E4M3 saves less than alignment, addition and normalisation "
            f"cost; the area of {'; of '.join(parts)}.")


def _alike_plot(units: Sources) -> str:
    return bars("The same accumulator on both sides", unit="two-input gates, no flip-flops",
                groups=list(ACCUMULATORS), series={
                    pair: [units["paper"].value(GATES, **unit_of(spelling, acc))
                           for acc in ACCUMULATORS.values()]
                    for pair, spelling in FORMATS.items()})


def _alike_sentence(units: Sources) -> str:
    found = {name: [units["paper"].value(GATES, **unit_of(spelling, acc))
                    for spelling in (E4M3, "int8")] for name, acc in ACCUMULATORS.items()}
    listed = ", ".join(f"{over(*pair)} with {name}" for name, pair in found.items())
    return (f"With the same accumulator on both sides E4M3 takes {listed} gates than INT8, whose "
            "products are wider.")


def _recipe_plot(units: Sources) -> str:
    groups = {"INT8 as `acc + a * b`": None, "INT8/27": ("int8", "fx"), "E4M3 exact": (E4M3, "fx"),
              "E4M3 to FP16": (E4M3, "fp16"), "E4M3 to FP32": (E4M3, "fp32")}
    series: dict[str, Sequence[float | None]] = {}
    for recipe in ("default", "keep"):
        series[recipe] = [_plain_int8(units, recipe) if unit is None else units["paper"].value(
            f"two_input_gates_{recipe}", **unit_of(*unit)) for unit in groups.values()]
    return bars("What the recipe alone does", unit="two-input gates, no flip-flops",
                groups=[name.replace("`", "") for name in groups], series=series)


def _plain_int8(units: Sources, recipe: str) -> float | None:
    """Gates of the naive INT8 unit."""
    return units["gates"].value("two_input_gates", recipe=recipe, subject="int8_plain")


def _recipe_sentence(units: Sources) -> str:
    paper = units["paper"]
    fair, fp8 = (paper.value("two_input_gates_default", **unit_of(pair, "fx"))
                 for pair in ("int8", E4M3))
    plain = _plain_int8(units, "default")
    return ("A naive INT8 unit would turn the answer round: under Yosys's default recipe E4M3 with "
            f"an exact sum takes {over(fp8, plain)} gates than that, but {over(fp8, fair)} than an "
            "INT8 unit at its best.")


def _energy(paper: Units, unit: tuple[str, str], stream: str) -> float | None:
    """Energy of a multiply-accumulation in pJ."""
    value = paper.value(f"energy_{stream}", **unit_of(*unit))
    return None if value is None else value / 1000


def _energy_plot(units: Sources) -> str:
    paper = units["paper"]
    return bars("Energy by operands", unit="energy a multiply-accumulation [pJ]",
                groups=paper.streams, series={
                    name: [_energy(paper, unit, stream) for stream in paper.streams]
                    for name, unit in COMPARED.items()})


def _energy_sentence(units: Sources) -> str:
    paper = units["paper"]
    (_, base), *others = COMPARED.items()
    parts = []
    for name, unit in others:
        found = [value / reference for stream in paper.streams
                 if (value := _energy(paper, unit, stream)) is not None
                 and (reference := _energy(paper, base, stream)) is not None]
        if found:
            parts.append(f"{name} {min(found):.2f} to {max(found):.2f} times")
    return ("Energy depends on the operands too: over the streams measured it is, against INT8/27 "
            f"on the same stream, for {', '.join(parts)}.")


#: Energy that has a figure with glitches beside it.
GLITCHES = "energy_gaussian_glitches"


def _with_glitches(paper: Units, unit: tuple[str, str]) -> tuple[float, float] | None:
    """Energy in pJ without and with glitches."""
    calm = _energy(paper, unit, "gaussian")
    added = paper.value(GLITCHES, **unit_of(*unit))
    return None if calm is None or added is None else (calm, calm + added / 1000)


def _glitch_plot(units: Sources) -> str:
    found = {name: _with_glitches(units["paper"], unit)
             for name, unit in COMPARED.items()}
    return bars("What glitches add", unit="energy a multiply-accumulation [pJ]",
                groups=list(found), series={
                    side: [None if pair is None else pair[place] for pair in found.values()]
                    for place, side in enumerate(("without delays", "with glitches"))})


def _glitch_sentence(units: Sources) -> str:
    found = {name: _with_glitches(units["paper"], unit)
             for name, unit in COMPARED.items()}
    (base, reference), *others = found.items()
    parts = [f"{name} {pair[0] / reference[0]:.2f} times without and "
             f"{pair[1] / reference[1]:.2f} times with them"
             for name, pair in others if pair is not None and reference is not None]
    return ("A unit that computes everything in one cycle pays for glitches too, and units differ "
            f"in how many they have. On Gaussian operands, against {base}: {', '.join(parts)}.")


FACTORS = (
    Factor("paper_units", "The paper's 15 units", ("paper",), _figure_plot, _figure_sentence),
    Factor("split", "Block by block", ("paper",), _blocks_plot, _blocks_sentence,
           metrics="area_"),
    Factor("alike", "Like for like", ("paper",), _alike_plot, _alike_sentence),
    Factor("guards", "Accumulator width and guard bits", ("factors",), sweeps.guards_plot,
           sweeps.guards_sentence),
    Factor("equal_clock", "Equal clock", ("fronts",), fronts.clock_plot, fronts.clock_sentence),
    Factor("lanes", "Lanes and tensor-core sums", ("factors",), sweeps.lanes_plot,
           sweeps.lanes_sentence),
    Factor("array_level", "In an array", ("arrays", "paper"), array_factors.arrays_plot,
           array_factors.arrays_sentence),
    Factor("array_energy", "Energy in an array", ("arrays", "paper"),
           array_factors.arrays_energy_plot, array_factors.arrays_energy_sentence,
           metrics=array_factors.ENERGY),
    Factor("node", "Process", ("nodes",), sweeps.nodes_plot, sweeps.nodes_sentence),
    Factor("node_energy", "Process and energy", ("nodes",), sweeps.node_energy_plot,
           sweeps.node_energy_sentence, metrics=GLITCHES),
    Factor("recipe", "Recipe", ("paper", "gates"), _recipe_plot, _recipe_sentence),
    Factor("operands", "Operand statistics", ("paper",), _energy_plot, _energy_sentence,
           metrics="energy_"),
    Factor("glitches", "Glitches", ("paper",), _glitch_plot, _glitch_sentence, metrics=GLITCHES),
)
