# SPDX-License-Identifier: Apache-2.0
"""Record of a unit: gates, cost, cells, timing, energy, blocks.

A metric is a function in `METRICS`: it gets a `Job` and gives a `Part`, and every table and record
has it from then on.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from hw.spec.errors import require
from synth.flow.gates import recipe_passes
from synth.flow.timing import CONDITIONS
from synth.measure.engine_parts import engine_parts
from synth.measure.job import Job, Part
from synth.measure.steps import cost_of, gates_of, timing_of
from synth.measure.unit_parts import blocks, energy
from synth.record import Metric, Record, provenance

__all__ = ["METRICS", "Job", "Part", "measure"]

NOT_DONE = ("placement", "routing", "clock tree", "memories")
GATE_RECIPES = ("default", "keep")


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
    """Area and leakage of the design in cells; those of an engine by part."""
    if job.mapped is None or job.library is None:
        return Part(not_done=("cells and area (no library)",))
    found = job.mapped
    gemm = job.design.gemm
    part = engine_parts(job.design, gemm, found, job.library) if gemm else Part()
    return replace(part, metrics={
        "area": Metric(found.area_um2, "um2"),
        "sequential_area": Metric(found.sequential_area_um2, "um2"),
        "nand2_equivalents": Metric(round(found.nand2_equivalents, 2), "NAND2"),
        "cells": Metric(sum(found.cells.values()), "cell"),
        "leakage": Metric(found.leakage_nw, "nW"), **part.metrics})


def clock(job: Job) -> Part:
    """Highest clock and critical path of the element, slack at the clock that was asked for."""
    if job.library is None or job.element is None:
        return Part(not_done=("timing (no library)",))
    if job.design.gemm is not None and job.design.keep:
        return Part(not_done=("timing (of engines mapped as a whole only)",))
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
