# SPDX-License-Identifier: Apache-2.0
"""Units cut into blocks: gates, area and energy add up, the cut netlist computes the same."""

import fnmatch
import re
import tomllib

import pytest

from hw.build import verilog
from hw.spec import parse_mac
from synth.flow.gates import count
from synth.flow.liberty import read
from synth.flow.mapping import map_to_cells
from synth.power.blocks import BLOCKS, REST, block_gates, block_names, energy_by_block, split
from synth.power.energy import measure_energy
from tests.support.cell_libraries import TINY
from tests.support.tiers import tiers

LIBRARY = read([TINY])
UNITS = ["int4,acc=int12", "e2m3", "e2m1,acc=fp16", "int4,acc=fp16", "e2m1,lanes=2"]

pytestmark = pytest.mark.synth


def texts(spec):
    return {"unit.v": verilog(spec)}


@pytest.mark.parametrize("text", tiers(UNITS, ["int4,acc=int12", "e2m1,acc=fp16", "e2m1,lanes=2"]))
def test_blocks_add_up_and_compute_the_same(text):
    spec = parse_mac(text)
    gates = block_gates(texts(spec), spec.name)
    whole = count(texts(spec), spec.name, "keep").two_input
    assert list(gates) == block_names() == ["multiply", "align_add", "normalise", REST]
    assert 0.95 * whole <= sum(gates.values()) <= 1.08 * whole, (gates, whole)
    has_float = "fp16" in text
    assert gates["multiply"] > 10
    assert gates["align_add"] > 20
    assert (gates["normalise"] > 20) == has_float, gates
    mapped = map_to_cells(texts(spec), spec.name, LIBRARY)
    cut = split(texts(spec), mapped, LIBRARY)
    assert sum(cut.areas.values()) == pytest.approx(cut.mapped.area_um2)
    assert cut.areas[REST] == pytest.approx(cut.mapped.sequential_area_um2)
    assert gates[REST] == 0
    assert (cut.areas["normalise"] > 0) == has_float
    assert -0.05 < cut.excess < 0.15, cut.excess
    # Raises if a sum differs from the model.
    energy = measure_energy(cut.mapped, spec, LIBRARY, "uniform", sums=6, glitches=False)
    parts = energy_by_block(energy)
    assert sum(parts.values()) == pytest.approx(energy.per_mac, rel=1e-9, abs=0)
    assert all(joule > 0 for name, joule in parts.items() if name != "normalise" or has_float)


def test_every_end_of_a_block_is_a_wire_of_some_unit():
    units = [
        parse_mac(text)
        for text in (*UNITS, "e4m3,acc=fp32", "e4m3", "int8,acc=int27", "e4m3,acc=aligned:13")
    ]
    wires = {
        name
        for spec in units
        for name in re.findall(r"^\s+wire (?:\[\d+:0\] )?(\w+)[ ;]", verilog(spec), re.MULTILINE)
    }
    ends = [end for entry in tomllib.loads(BLOCKS.read_text()).values() for end in entry["ends"]]
    assert len(ends) >= 15
    assert [end for end in ends if not fnmatch.filter(wires, end)] == []


def test_multiplier_does_not_depend_on_what_follows():
    counts = [
        block_gates(texts(spec), spec.name)["multiply"]
        for spec in (parse_mac("e4m3"), parse_mac("e4m3,acc=fp32"))
    ]
    assert max(counts) <= 1.3 * min(counts), counts
