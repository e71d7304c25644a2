# SPDX-License-Identifier: Apache-2.0
"""Measure a unit and make its record: gates, cost, cells, timing, energy, blocks.

A metric is a function in `METRICS` that takes a `Job` and returns a `Part`. All records and tables
then include it. Results are cached.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from hw.progress import Progress
from hw.spec import ArraySpec, GemmSpec
from hw.spec.errors import SpecError, require
from synth.flow.cache import cached_step
from synth.flow.cost import price
from synth.flow.design import Design
from synth.flow.gates import count, recipe_passes, recipes
from synth.flow.liberty import Library
from synth.flow.mapping import Mapped, map_to_cells, measures
from synth.flow.netlists import instances, modules, placed
from synth.flow.timing import CONDITIONS, sta_version, time_netlist
from synth.power import blocks as block
from synth.power import energy as energies
from synth.power.energy import (
    measure_array_energy,
    measure_energy,
    measure_stimulus,
    significant,
)
from synth.power.stimulus import StimulusFile
from synth.power.streams import NEEDS, STREAMS
from synth.record import Metric, NotDone, Record, provenance

NOT_DONE = ("placement", "routing", "clock tree", "memories")
GATE_RECIPES = ("default", "keep")
#: Clock period in ns, long enough that no cell is enlarged.
SLOW_NS = 1000.0
#: Streams that are also simulated with delays, which takes longest.
WITH_GLITCHES = ("gaussian", "digits1")
#: Stream for the energy of blocks.
BLOCK_STREAM = "gaussian"

_count = cached_step(count)
_price = cached_step(price)
_map = cached_step(map_to_cells)
_time = cached_step(time_netlist, tools=sta_version)
_energy = cached_step(measure_energy)
_energy_of_array = cached_step(measure_array_energy)
_energy_of_stimulus = cached_step(measure_stimulus)
_gates_by_block = cached_step(block.block_gates)
_split = cached_step(block.split)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A design to measure and how to map it. Without a ``library``, there are no cells or timing.

    ``clock_ns`` is the clock period in ns for the slack and for recipes that map for a clock.
    ``stimulus`` gives values of the inputs for the energy.
    """

    design: Design
    library: Library | None
    recipe: str = "keep"
    clock_ns: float | None = None
    stimulus: StimulusFile | None = None

    @cached_property
    def mapped(self) -> Mapped | None:
        """The design, mapped to cells of the library."""
        if self.library is None:
            return None
        return self._mapped(self.library, self.design.top, self.design.keep)

    @property
    def sized(self) -> "Job":
        """The job with the ``-sized`` version of its recipe, which buffers wide fan-outs, if any.

        Without buffers, slews exceed the library's tables and energies are wrong. Without a given
        clock, the period is so long that cells stay small.
        """
        recipe = f"{self.recipe}-sized"
        if recipe not in recipes("cells"):
            return self
        return replace(self, recipe=recipe, clock_ns=self.clock_ns or SLOW_NS)

    @cached_property
    def element(self) -> Mapped | None:
        """The element, mapped to cells: the design itself, or an array's processing element."""
        if self.library is None or self.design.element == self.design.top:
            return self.mapped
        return self._mapped(self.library, self.design.element)

    def _mapped(self, library: Library, top: str, keep: tuple[str, ...] = ()) -> Mapped:
        return _map(
            self.design.verilog,
            top,
            library,
            self.recipe,
            clock_ns=self.clock_ns,
            keep=keep,
            reader=self.design.reader,
        )


@dataclass(frozen=True, kw_only=True)
class Part:
    """Part of a record. ``tools`` holds versions by name."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=dict)
    not_done: tuple[str, ...] = ()
    tools: dict[str, str] = field(default_factory=dict)


def gate_counts(job: Job) -> Part:
    """Two-input gates in both recipes."""
    metrics: dict[str, Metric] = {}
    design = job.design
    for recipe in GATE_RECIPES:
        gates = _count(design.verilog, design.top, recipe, keep=design.keep, reader=design.reader)
        metrics |= {
            f"two_input_gates_{recipe}": Metric(gates.two_input, "gate"),
            f"inverters_{recipe}": Metric(gates.inverters, "gate"),
            f"flip_flops_{recipe}": Metric(gates.flip_flops, "flip-flop"),
        }
        if gates.latches:
            metrics[f"latches_{recipe}"] = Metric(gates.latches, "latch")
    return Part(metrics=metrics)


def paper_cost(job: Job) -> Part:
    """Cost as in the paper, including flip-flops, and the cost of register enables and resets."""
    cost = _price(
        job.design.verilog, job.design.top, "keep", keep=job.design.keep, reader=job.design.reader
    )
    return Part(
        metrics={
            "paper_cost": Metric(cost.total, "gate"),
            "paper_cost_flip_flops": Metric(cost.flip_flops, "gate"),
            "paper_cost_enables_and_resets": Metric(cost.control, "gate"),
        }
    )


def cells(job: Job) -> Part:
    """Area and leakage of the mapped design; for an engine, by part."""
    if job.mapped is None or job.library is None:
        return Part(not_done=("cells and area (no library)",))
    mapped, gemm = job.mapped, job.design.gemm
    part = _engine_parts(job.design, gemm, mapped, job.library) if gemm else Part()
    bare = sorted(name for name in mapped.cells if not job.library.cells[name].area)
    without = ", ".join(f"{mapped.cells[name]} {name}" for name in bare)
    warnings = [f"the library gives no area of {without}: they count as 0"] if bare else []
    return replace(
        part,
        conditions=part.conditions | ({"area_warnings": warnings} if bare else {}),
        metrics={
            "area": Metric(mapped.area_um2, "um2"),
            "sequential_area": Metric(mapped.sequential_area_um2, "um2"),
            "nand2_equivalents": Metric(round(mapped.nand2_equivalents, 2), "NAND2"),
            "cells": Metric(sum(mapped.cells.values()), "cell"),
            "leakage": Metric(mapped.leakage_nw, "nW"),
            **part.metrics,
        },
    )


def clock(job: Job) -> Part:
    """Highest clock and critical path of the element, and slack at the given clock."""
    if job.library is None or job.element is None:
        return Part(not_done=("timing (no library)",))
    if job.design.gemm is not None and job.design.keep:
        return Part(not_done=("timing (of engines mapped as a whole only)",))
    timing = _time(
        job.element, job.library, clock_ns=job.clock_ns, clock_port=job.design.clock_port
    )
    if timing is None:
        return Part(not_done=("timing (OpenSTA is not installed)",))
    metrics = {
        "min_period": Metric(timing.min_period_ns, "ns"),
        "max_clock": Metric(round(timing.max_clock_mhz, 3), "MHz"),
        "critical_path_cells": Metric(len(timing.path), "cell"),
        "setup": Metric(timing.setup_ns, "ns"),
        "hold_slack": Metric(timing.hold_slack_ns, "ns"),
    }
    others = {
        "slack": timing.slack_ns,
        "max_delay": None if timing.clock else timing.delay_ns,
        "recovery_slack": timing.recovery_slack_ns,
        "removal_slack": timing.removal_slack_ns,
        "clock_gating_slack": timing.gating_slack_ns,
    }
    metrics |= {name: Metric(value, "ns") for name, value in others.items() if value is not None}
    path = " ".join([timing.start, *timing.path, timing.end])
    apart = job.design.element != job.design.top
    conditions = {"timing": CONDITIONS | {"module": job.design.element}, "critical_path": path}
    if timing.warnings:
        conditions["timing_warnings"] = list(timing.warnings)
    return Part(
        metrics=metrics,
        tools={"opensta": timing.sta},
        conditions=conditions,
        not_done=("timing between processing elements",) if apart else (),
    )


def _engine_parts(design: Design, spec: GemmSpec, mapped: Mapped, library: Library) -> Part:
    """Flip-flops, memory bits, and area by part. A part is an instance in the top module."""
    texts = modules(mapped.verilog)
    metrics = {
        "flip_flops": Metric(
            sum(number for name, number in mapped.cells.items() if library.cells[name].flip_flop),
            "flip-flop",
        ),
        "memory_bits": Metric(
            spec.depth_a * spec.a_width + spec.depth_b * spec.b_width + spec.depth_c * spec.c_width,
            "bit",
        ),
    }
    if design.keep:
        parts = placed(design.verilog[f"{design.top}.v"], design.top) | {"rest": design.top}
        for name, module in parts.items():
            cells = Counter(
                cell.cell for cell in instances(texts[module]) if cell.cell not in texts
            )
            metrics[f"area_{name}"] = Metric(measures(cells, library)["area_um2"], "um2")
    return Part(
        metrics=metrics,
        conditions={
            "bus": spec.bus.value,
            "depths": spec.depths,
            "dataflow": spec.array.dataflow.value,
            "array": spec.array.size,
        },
        not_done=("cells of the array",),
    )


def energy(job: Job) -> Part:
    """Energy per multiply-accumulate on each stream. Sums are checked against the model."""
    if job.mapped is None or job.library is None:
        return Part(not_done=("energy (no library)",))
    if job.library.voltage is None:
        return Part(not_done=("energy (the library gives no voltage)",))
    if job.stimulus is not None:
        return _energy_on(job, job.stimulus, job.library)
    if job.design.array is not None:
        return _energy_in_array(job, job.design.array)
    if job.design.is_foreign:
        return Part(not_done=("energy (give a stimulus: --vcd FILE or --stimulus FILE)",))
    if job.design.mac is None:
        return Part(not_done=("energy (operands are known of whole MACs and of arrays only)",))
    sized, sums = job.sized, 0
    assert sized.mapped is not None
    part = Part(
        conditions={
            "energy": energies.CONDITIONS | {"recipe": sized.recipe, "clock_ns": sized.clock_ns}
        }
    )
    for name in STREAMS:
        package = NEEDS.get(name)
        if package is not None and find_spec(package.module) is None:
            part = replace(
                part,
                not_done=(*part.not_done, f"energy on {name} ({package.name} is not installed)"),
            )
            continue
        measured = _energy(
            sized.mapped, job.design.mac, job.library, name, glitches=name in WITH_GLITCHES
        )
        sums += measured.sums
        part.metrics.update(measured.metrics())
        part.tools.update(
            {name: version(name) for name in ("numpy", *([package.name] if package else []))}
        )
    part.metrics.update(
        {
            "energy_sums_checked": Metric(sums, "sum"),
            "energy_area": Metric(sized.mapped.area_um2, "um2"),
        }
    )
    return part


def _energy_on(job: Job, stimulus: StimulusFile, library: Library) -> Part:
    """Energy on a stimulus of the user."""
    sized = job.sized
    assert sized.mapped is not None
    found = _energy_of_stimulus(sized.mapped, library, stimulus, job.design.clock_port)
    per = "cycle" if stimulus.operations is None else f"operation ({stimulus.operations} in all)"
    about = {
        "unit": f"{per}, leakage apart",
        "stream": f"{stimulus.path.name}, {found.cycles} cycles",
        "sha256": stimulus.cache_key[0],
        "scope": stimulus.scope or "",
        "recipe": sized.recipe,
        "clock_ns": sized.clock_ns,
    }
    conditions: dict[str, Any] = {"energy": energies.CONDITIONS | about}
    if found.differing:
        warning = (
            f"{found.differing} of {found.outputs} values of outputs differ from those in "
            f"{stimulus.path.name}, first {found.first}"
        )
        conditions["stimulus_warnings"] = [warning]
    return Part(
        metrics=found.metrics() | {"energy_area": Metric(sized.mapped.area_um2, "um2")},
        conditions=conditions,
        tools={"numpy": version("numpy")},
    )


def _energy_in_array(job: Job, spec: ArraySpec) -> Part:
    """Energy per multiply-accumulate in a fully used array."""
    if not energies.has_array_energy(spec):
        return Part(not_done=("energy (of output-stationary arrays that give sums only)",))
    sized, results = job.sized, 0
    assert sized.mapped is not None
    assert job.library is not None
    part = Part(
        conditions={
            "energy": energies.ARRAY_CONDITIONS
            | {"recipe": sized.recipe, "clock_ns": sized.clock_ns}
        },
        tools={"numpy": version("numpy")},
        not_done=("glitches of arrays",),
    )
    for name in energies.ARRAY_STREAMS:
        measured = _energy_of_array(sized.mapped, spec, job.library, name)
        results += measured.results
        part.metrics.update(measured.metrics())
    part.metrics.update(
        {
            "energy_results_checked": Metric(results, "result"),
            "energy_area": Metric(sized.mapped.area_um2, "um2"),
        }
    )
    return part


def blocks(job: Job) -> Part:
    """Gates, area and energy of a MAC by block, with each block mapped separately."""
    if job.design.mac is None:
        return Part(not_done=("blocks (of whole MACs only)",))
    metrics = {
        f"gates_{name}": Metric(number, "gate")
        for name, number in _gates_by_block(job.design.verilog, job.design.top, "keep").items()
    }
    if job.mapped is None or job.library is None:
        return Part(metrics=metrics, not_done=("area and energy of blocks (no library)",))
    if job.library.voltage is None:
        return Part(metrics=metrics, not_done=("blocks (the library gives no voltage)",))
    sized = job.sized
    assert sized.mapped is not None
    areas = _split(job.design.verilog, job.mapped, job.library, job.clock_ns).areas
    cut = _split(job.design.verilog, sized.mapped, job.library, sized.clock_ns)
    joules = block.energy_by_block(
        _energy(cut.mapped, job.design.mac, job.library, BLOCK_STREAM, glitches=False)
    )
    metrics |= {f"area_{name}": Metric(area, "um2") for name, area in areas.items()}
    metrics |= {
        f"energy_{BLOCK_STREAM}_block_{name}": Metric(significant(joule * 1e15), "fJ")
        for name, joule in joules.items()
    }
    return Part(
        metrics=metrics,
        conditions={
            "blocks": (
                "each mapped on its own, cut at the wires of synth/power/blocks.toml; the energy "
                "of a net is its driver's; netlists of area and of energy as without cuts"
            )
        },
    )


METRICS: tuple[Callable[[Job], Part], ...] = (gate_counts, paper_cost, cells, clock, energy, blocks)
#: Readable names of metrics, if they differ from the name of the function.
NAMES = {"clock": "timing", "paper_cost": "cost of the paper"}


def measure(job: Job, command: str, *, only: Sequence[str] = (), progress: bool = False) -> Record:
    """Measure a job and return its record.

    Parameters
    ----------
    job, command
        What to measure, and the command for the provenance.
    only
        Names of metrics in `METRICS`; by default all.
    progress
        Report each metric on stderr.

    Raises
    ------
    SpecError
        If the design or the recipe is not supported, or there is no such metric.
    YosysError, StaError
        If a tool fails.
    """
    passes = recipe_passes(job.recipe, "cells")
    chosen, parts = _chosen(only), []
    report = Progress()
    for number, metric in enumerate(chosen, 1):
        if progress:
            report.at_once(f"[{number}/{len(chosen)}] {job.design.name}: {metric.__name__}")
        parts.append(_part(metric, job))
    report.done()
    parts.append(
        Part(
            not_done=tuple(
                f"{metric.__name__} (not asked for)" for metric in METRICS if metric not in chosen
            )
        )
    )
    conditions: dict[str, Any] = dict(job.design.configuration)
    conditions |= {"recipe": job.recipe, "clock_ns": job.clock_ns, "passes": passes}
    metrics: dict[str, Metric] = {}
    tools: dict[str, str] = {}
    for part in parts:
        metrics |= part.metrics
        conditions |= part.conditions
        tools |= part.tools
    if not metrics:
        reasons = ", ".join(phrase for part in parts[:-1] for phrase in part.not_done)
        raise SpecError(f"Nothing of {job.design.name} can be measured: {reasons}")
    origin = provenance(
        command,
        tools=("amaranth", "pyosys"),
        library=None if job.library is None else job.library.to_json(),
    )
    return Record(
        subject=job.design.name,
        metrics=metrics,
        conditions=conditions,
        provenance=replace(origin, tools=dict(origin.tools) | tools),
        not_done=(*NOT_DONE, *(phrase for part in parts for phrase in part.not_done)),
    )


def _part(metric: Callable[[Job], Part], job: Job) -> Part:
    """Part of a record, or the reason why a design of a user has no such part."""
    try:
        return metric(job)
    except NotDone as reason:
        return Part(not_done=(f"{NAMES.get(metric.__name__, metric.__name__)} ({reason})",))


def _chosen(only: Sequence[str]) -> tuple[Callable[[Job], Part], ...]:
    """Metrics by name; all if no name is given."""
    known = {metric.__name__: metric for metric in METRICS}
    for name in only:
        require(name in known, "Metric", f"one of {', '.join(known)}", name)
    return tuple(known[name] for name in only or known)
