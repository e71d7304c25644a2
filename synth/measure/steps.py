# SPDX-License-Identifier: Apache-2.0
"""The steps of the flow on a design, each from the cache where it has been done before."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from hw.emit.yosys import yosys_version
from hw.spec import ArraySpec, MacSpec
from synth.flow import mapping
from synth.flow.cache import cached, digest_of_files
from synth.flow.cost import GENLIB, Cost, price
from synth.flow.design import Design
from synth.flow.gates import Gates, count, recipe_passes
from synth.flow.liberty import Library
from synth.flow.mapping import Mapped, map_to_cells
from synth.flow.timing import Timing, sta_version, time_netlist
from synth.power import blocks
from synth.power.array_energy import ArrayEnergy, measure_array_energy
from synth.power.energy import Energy, measure_energy
from synth.record import ROOT

__all__ = ["BLOCK_STREAM", "array_energy_of", "block_areas_of", "block_energies_of",
           "block_gates_of", "cost_of", "energy_of", "gates_of", "mapped_of", "timing_of"]

#: Code that a result depends on.
_CODE = tuple(Path(__file__).parents[1] / "flow" / f"{name}.py" for name in (
    "yosys", "gates", "cost", "handcount", "liberty", "liberty_text", "cells", "functions",
    "mapping", "netlists", "plain", "timing"))
_ENERGY_CODE = tuple(Path(__file__).parents[1] / "power" / f"{name}.py" for name in (
    "graph", "activity", "tables", "delays", "glitches", "power", "streams", "energy", "blocks"))
#: Stream on which the energy of blocks is measured.
BLOCK_STREAM = "gaussian"


def gates_of(design: Design, recipe: str) -> Gates:
    """Two-input gates of a design; see `synth.flow.gates.count`."""
    inputs = _inputs(design, recipe_passes(recipe))
    data = cached("gates", inputs, lambda: count(
        design.verilog, design.top, recipe, keep=design.keep, reader=design.reader).to_json())
    return Gates(**data)


def cost_of(design: Design, recipe: str) -> Cost:
    """The paper's cost of a design; see `synth.flow.cost.price`."""
    genlib = GENLIB.read_text(encoding="utf-8")
    inputs = _inputs(design, recipe_passes(recipe, "cost"), genlib=genlib)
    data = cached("cost", inputs, lambda: price(
        design.verilog, design.top, recipe, keep=design.keep, reader=design.reader).to_json())
    return Cost(**data)


def mapped_of(design: Design, library: Library, recipe: str, *, clock_ns: float | None = None,
              element: bool = False) -> Mapped:
    """Netlist of a design, or of its element alone; see `synth.flow.mapping.map_to_cells`."""
    top, keep = (design.element, ()) if element else (design.top, design.keep)
    passes = mapping.passes(recipe, library, clock_ns)
    inputs = _inputs(design, passes, library=library.sha256, of=top)
    data = cached("cells", inputs, lambda: map_to_cells(
        design.verilog, top, library, recipe, clock_ns=clock_ns, keep=keep,
        reader=design.reader).to_json())
    return Mapped(**data)


def timing_of(mapped: Mapped, library: Library) -> Timing | None:
    """Timing of a netlist, None without OpenSTA; see `synth.flow.timing.time_netlist`."""
    inputs = {"verilog": mapped.verilog, "library": library.sha256, "sta": sta_version(),
              "code": digest_of_files(_CODE)}
    data = cached("timing", inputs, lambda: _plain(time_netlist(mapped, library)))
    return None if data is None else Timing(**data | {"path": tuple(data["path"])})


def energy_of(mapped: Mapped, library: Library, spec: MacSpec, stream: str, *, glitches: bool
              ) -> Energy:
    """Energy of a mapped MAC on a stream; see `synth.power.energy.measure_energy`."""
    sources = (*_CODE, *_ENERGY_CODE, *sorted((ROOT / "sim").rglob("*.py")))
    inputs = {"verilog": mapped.verilog, "library": library.sha256, "spec": repr(spec),
              "stream": stream, "glitches": glitches, "numpy": version("numpy"),
              "code": digest_of_files(sources)}
    return Energy(**cached("energy", inputs, lambda: measure_energy(
        mapped, spec, library, stream, glitches=glitches).to_json()))


def array_energy_of(mapped: Mapped, library: Library, spec: ArraySpec, stream: str) -> ArrayEnergy:
    """Energy of a mapped array on a stream; see `synth.power.array_energy.measure_array_energy`."""
    sources = (*_CODE, *_ENERGY_CODE, Path(__file__).parents[1] / "power" / "array_energy.py",
               *sorted((ROOT / "sim").rglob("*.py")))
    inputs = {"verilog": mapped.verilog, "library": library.sha256, "spec": repr(spec),
              "stream": stream, "numpy": version("numpy"), "code": digest_of_files(sources)}
    return ArrayEnergy(**cached("array-energy", inputs, lambda: measure_array_energy(
        mapped, spec, library, stream).to_json()))


def block_gates_of(design: Design, recipe: str) -> dict[str, int]:
    """Two-input gates of a MAC by block; see `synth.power.blocks.block_gates`."""
    inputs = _inputs(design, recipe_passes(recipe), cut=_block_code())
    found: dict[str, int] = cached("block-gates", inputs, lambda: blocks.block_gates(
        design.verilog, design.top, recipe))
    return found


def block_areas_of(design: Design, whole: Mapped, library: Library, clock_ns: float | None
                   ) -> dict[str, float]:
    """Area in um2 of a MAC by block; see `synth.power.blocks.split`."""
    inputs = _block_inputs(design, whole, library, clock_ns)
    found: dict[str, float] = cached("block-areas", inputs, lambda: dict(
        blocks.split(design.verilog, whole, library, clock_ns).areas))
    return found


def block_energies_of(design: Design, whole: Mapped, library: Library, clock_ns: float | None
                      ) -> dict[str, float]:
    """Energy in joule of a MAC by block; see `synth.power.blocks.energy_by_block`."""
    assert design.mac is not None
    spec = design.mac
    inputs = _block_inputs(design, whole, library, clock_ns) | {
        "spec": repr(spec), "numpy": version("numpy")}
    found: dict[str, float] = cached("block-energies", inputs, lambda: blocks.energy_by_block(
        measure_energy(blocks.split(design.verilog, whole, library, clock_ns).mapped, spec, library,
                       BLOCK_STREAM, glitches=False)))
    return found


def _block_inputs(design: Design, whole: Mapped, library: Library, clock_ns: float | None
                  ) -> dict[str, Any]:
    """What the blocks of a netlist depend on."""
    return _inputs(design, mapping.passes(whole.recipe, library, clock_ns), cut=_block_code(),
                   library=library.sha256)


def _block_code() -> str:
    """Digest of what decides about blocks, beside the flow."""
    return digest_of_files((*_ENERGY_CODE, blocks.BLOCKS, *sorted((ROOT / "sim").rglob("*.py"))))


def _plain(timing: Timing | None) -> dict[str, Any] | None:
    """The result as plain data."""
    return None if timing is None else timing.to_json()


def _inputs(design: Design, passes: list[str], **more: Any) -> dict[str, Any]:
    """What a step on a design depends on."""
    return {"verilog": list(design.verilog.values()), "top": design.top, "keep": design.keep,
            "reader": design.reader, "passes": passes, "yosys": yosys_version(),
            "code": digest_of_files(_CODE)} | more
