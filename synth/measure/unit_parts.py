# SPDX-License-Identifier: Apache-2.0
"""Parts of a record that need to know what a unit computes: energy, and what its blocks come to."""

from dataclasses import replace
from importlib.metadata import version
from importlib.util import find_spec

from hw.spec import ArraySpec
from synth.measure.job import Job, Part
from synth.measure.steps import (
    BLOCK_STREAM,
    array_energy_of,
    block_areas_of,
    block_energies_of,
    block_gates_of,
    energy_of,
)
from synth.power import array_energy
from synth.power import energy as energies
from synth.power.energy import significant
from synth.power.streams import NEEDS, STREAMS
from synth.record import Metric

__all__ = ["blocks", "energy"]

#: Streams on which a netlist is run with delays too, which takes longest.
WITH_GLITCHES = ("gaussian", "digits1")


def energy(job: Job) -> Part:
    """Energy of a multiply-accumulation on each stream, the sums held to the model."""
    if job.mapped is None or job.library is None:
        return Part(not_done=("energy (no library)",))
    if job.design.array is not None:
        return _array_energy(job, job.design.array)
    if job.design.mac is None:
        return Part(not_done=("energy (operands are known of whole MACs and of arrays only)",))
    sized, sums = job.sized, 0
    assert sized.mapped is not None
    part = Part(conditions={"energy": energies.CONDITIONS | {
        "recipe": sized.recipe, "clock_ns": sized.clock_ns}})
    for name in STREAMS:
        package = NEEDS.get(name)
        if package is not None and find_spec(package.module) is None:
            part = replace(part, not_done=(
                *part.not_done, f"energy on {name} ({package.name} is not installed)"))
            continue
        found = energy_of(sized.mapped, job.library, job.design.mac, name,
                          glitches=name in WITH_GLITCHES)
        sums += found.sums
        part.metrics.update(found.metrics())
        part.tools.update({name: version(name) for name in
                           ("numpy", *([package.name] if package else []))})
    part.metrics.update({"energy_sums_checked": Metric(sums, "sum"),
                         "energy_area": Metric(sized.mapped.area_um2, "um2")})
    return part


def _array_energy(job: Job, spec: ArraySpec) -> Part:
    """Energy of a multiply-accumulation in an array at full use."""
    if not array_energy.has_array_energy(spec):
        return Part(not_done=("energy (of output-stationary arrays that give sums only)",))
    sized, results = job.sized, 0
    assert sized.mapped is not None
    assert job.library is not None
    part = Part(conditions={"energy": array_energy.CONDITIONS | {
        "recipe": sized.recipe, "clock_ns": sized.clock_ns}},
        tools={"numpy": version("numpy")}, not_done=("glitches of arrays",))
    for name in array_energy.STREAMS:
        found = array_energy_of(sized.mapped, job.library, spec, name)
        results += found.results
        part.metrics.update(found.metrics())
    part.metrics.update({"energy_results_checked": Metric(results, "result"),
                         "energy_area": Metric(sized.mapped.area_um2, "um2")})
    return part


def blocks(job: Job) -> Part:
    """Gates, area and energy of a MAC by block, each mapped on its own."""
    if job.design.mac is None:
        return Part(not_done=("blocks (of whole MACs only)",))
    metrics = {f"gates_{name}": Metric(number, "gate")
               for name, number in block_gates_of(job.design, "keep").items()}
    if job.mapped is None or job.library is None:
        return Part(metrics=metrics, not_done=("area and energy of blocks (no library)",))
    sized = job.sized
    assert sized.mapped is not None
    areas = block_areas_of(job.design, job.mapped, job.library, job.clock_ns)
    joules = block_energies_of(job.design, sized.mapped, job.library, sized.clock_ns)
    metrics |= {f"area_{name}": Metric(area, "um2") for name, area in areas.items()}
    metrics |= {f"energy_{BLOCK_STREAM}_block_{name}": Metric(significant(joule * 1e15), "fJ")
                for name, joule in joules.items()}
    return Part(metrics=metrics, conditions={
        "blocks": "each mapped on its own, cut at the wires of synth/power/blocks.toml; the energy of a "
                  "net is its driver's; netlists of area and of energy as without cuts"})
