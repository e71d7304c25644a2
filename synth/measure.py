# SPDX-License-Identifier: Apache-2.0
"""Record of a unit: gates, cost, cells, timing, energy, blocks.

A metric is a function in `METRICS`: it gets a `Job` and gives a `Part`, and every table and record
has it from then on.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from hw.spec.errors import require
from synth import energy as energies
from synth.design import Design
from synth.energy import significant
from synth.flow import (
    BLOCK_STREAM,
    block_gates_of,
    blocks_of,
    cost_of,
    energy_of,
    gates_of,
    mapped_of,
    timing_of,
)
from synth.gates import recipe_passes
from synth.liberty import Library
from synth.mapping import Mapped
from synth.record import Metric, Record, provenance
from synth.streams import NEEDS, STREAMS
from synth.timing import CONDITIONS

__all__ = ["METRICS", "Job", "Part", "measure"]

NOT_DONE = ("placement", "routing", "clock tree", "memories")
GATE_RECIPES = ("default", "keep")
#: Streams on which a netlist is run with delays too, which takes longest.
WITH_GLITCHES = ("gaussian", "digits1")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is measured, on what: ``library`` None leaves cells and timing out.

    ``clock_ns`` is a clock period in ns that the slack is told for and that recipes with a clock
    target map for.
    """

    design: Design
    library: Library | None
    recipe: str = "keep"
    clock_ns: float | None = None

    @cached_property
    def mapped(self) -> Mapped | None:
        """The design in cells of the library."""
        if self.library is None:
            return None
        return mapped_of(self.design, self.library, self.recipe, clock_ns=self.clock_ns)

    @cached_property
    def element(self) -> Mapped | None:
        """The design's element in cells: the design itself, or an array's processing element."""
        if self.library is None or self.design.element == self.design.top:
            return self.mapped
        return mapped_of(self.design, self.library, self.recipe, clock_ns=self.clock_ns,
                         element=True)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Part of a record: ``tools`` are versions by name."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=dict)
    not_done: tuple[str, ...] = ()
    tools: dict[str, str] = field(default_factory=dict)


def gate_counts(job: Job) -> Part:
    """Two-input gates in both recipes."""
    metrics: dict[str, Metric] = {}
    for recipe in GATE_RECIPES:
        found = gates_of(job.design, recipe)
        metrics |= {f"two_input_gates_{recipe}": Metric(found.two_input, "gate"),
                    f"inverters_{recipe}": Metric(found.inverters, "gate"),
                    f"flip_flops_{recipe}": Metric(found.flip_flops, "flip-flop")}
    return Part(metrics=metrics)


def paper_cost(job: Job) -> Part:
    """The paper's cost, flip-flops included, and what register enables and resets come to."""
    found = cost_of(job.design, "keep")
    return Part(metrics={"paper_cost": Metric(found.total, "gate"),
                         "paper_cost_flip_flops": Metric(found.flip_flops, "gate"),
                         "paper_cost_enables_and_resets": Metric(found.control, "gate")})


def cells(job: Job) -> Part:
    """Area and leakage of the design in cells."""
    if job.mapped is None:
        return Part(not_done=("cells and area (no library)",))
    found = job.mapped
    return Part(metrics={
        "area": Metric(found.area_um2, "um2"),
        "sequential_area": Metric(found.sequential_area_um2, "um2"),
        "nand2_equivalents": Metric(round(found.nand2_equivalents, 2), "NAND2"),
        "cells": Metric(sum(found.cells.values()), "cell"),
        "leakage": Metric(found.leakage_nw, "nW")})


def clock(job: Job) -> Part:
    """Highest clock and critical path of the element, slack at the clock that was asked for."""
    if job.library is None or job.element is None:
        return Part(not_done=("timing (no library)",))
    found = timing_of(job.element, job.library)
    if found is None:
        return Part(not_done=("timing (OpenSTA is not installed)",))
    metrics = {"min_period": Metric(found.min_period_ns, "ns"),
               "max_clock": Metric(round(found.max_clock_mhz, 3), "MHz"),
               "critical_path_cells": Metric(len(found.path), "cell"),
               "setup": Metric(found.setup_ns, "ns"),
               "hold_slack": Metric(found.hold_slack_ns, "ns")}
    if job.clock_ns is not None:
        metrics["slack"] = Metric(found.slack_ns(job.clock_ns), "ns")
    path = " ".join([found.start, *found.path, found.end])
    apart = job.design.element != job.design.top
    return Part(metrics=metrics, tools={"opensta": found.sta},
                conditions={"timing": CONDITIONS | {"module": job.design.element},
                            "critical_path": path},
                not_done=("timing between processing elements",) if apart else ())


def energy(job: Job) -> Part:
    """Energy of a multiply-accumulation on each stream, the sums held to the model."""
    if job.mapped is None or job.library is None:
        return Part(not_done=("energy (no library)",))
    if job.design.mac is None:
        return Part(not_done=("energy (operands are known of single MACs only)",))
    part, sums = Part(conditions={"energy": energies.CONDITIONS}), 0
    for name in STREAMS:
        package = NEEDS.get(name)
        if package is not None and find_spec(package.module) is None:
            part = replace(part, not_done=(
                *part.not_done, f"energy on {name} ({package.name} is not installed)"))
            continue
        found = energy_of(job.mapped, job.library, job.design.mac, name,
                          glitches=name in WITH_GLITCHES)
        sums += found.sums
        part.metrics.update(found.metrics())
        part.tools.update({name: version(name) for name in
                           ("numpy", *([package.name] if package else []))})
    part.metrics["energy_sums_checked"] = Metric(sums, "sum")
    return part


def blocks(job: Job) -> Part:
    """Gates, area and energy of a MAC by block, each mapped on its own."""
    if job.design.mac is None:
        return Part(not_done=("blocks (of single MACs only)",))
    metrics = {f"gates_{name}": Metric(number, "gate")
               for name, number in block_gates_of(job.design, "keep").items()}
    if job.mapped is None or job.library is None:
        return Part(metrics=metrics, not_done=("area and energy of blocks (no library)",))
    found = blocks_of(job.design, job.mapped, job.library, job.clock_ns)
    metrics |= {f"area_{name}": Metric(area, "um2") for name, area in found["area"].items()}
    metrics |= {f"energy_{BLOCK_STREAM}_in_{name}": Metric(significant(joule * 1e15), "fJ")
                for name, joule in found["energy"].items()}
    metrics |= {f"{name}_added_by_cuts": Metric(round(100 * share, 2), "%")
                for name, share in found["added"].items()}
    return Part(metrics=metrics, conditions={
        "blocks": "each mapped on its own, cut at the wires of synth/blocks.toml; the energy of a "
                  "net is its driver's"})


METRICS: tuple[Callable[[Job], Part], ...] = (
    gate_counts, paper_cost, cells, clock, energy, blocks)


def measure(job: Job, command: str, *, only: Sequence[str] = (), progress: bool = False) -> Record:
    """Record of a job that ``command`` asked for.

    Parameters
    ----------
    job, command
        What is measured, and what asked for it.
    only
        Names of metrics in `METRICS`; all by default.
    progress
        Tell each metric on stderr.

    Raises
    ------
    SpecError
        If the design or the recipe is not fit for it, or there is no such metric.
    YosysError, StaError
        If a tool fails.
    """
    passes = recipe_passes(job.recipe, "cells")
    chosen, parts = _chosen(only), []
    for number, metric in enumerate(chosen, 1):
        if progress:
            print(f"[{number}/{len(chosen)}] {job.design.name}: {metric.__name__}", file=sys.stderr)
        parts.append(metric(job))
    parts.append(Part(not_done=tuple(f"{metric.__name__} (not asked for)" for metric in METRICS
                                     if metric not in chosen)))
    conditions: dict[str, Any] = dict(job.design.configuration)
    conditions |= {"recipe": job.recipe, "clock_ns": job.clock_ns,
                   "passes": passes}
    metrics: dict[str, Metric] = {}
    tools: dict[str, str] = {}
    for part in parts:
        metrics |= part.metrics
        conditions |= part.conditions
        tools |= part.tools
    origin = provenance(command, tools=("amaranth", "pyosys"),
                        library=None if job.library is None else job.library.to_json())
    return Record(subject=job.design.name, metrics=metrics, conditions=conditions,
                  provenance=replace(origin, tools=dict(origin.tools) | tools),
                  not_done=(*NOT_DONE, *(phrase for part in parts for phrase in part.not_done)))


def _chosen(only: Sequence[str]) -> tuple[Callable[[Job], Part], ...]:
    """Metrics by name, all if none is named."""
    known = {metric.__name__: metric for metric in METRICS}
    for name in only:
        require(name in known, "Metric", f"one of {', '.join(known)}", name)
    return tuple(known[name] for name in only or known)
