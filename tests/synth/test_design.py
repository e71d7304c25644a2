# SPDX-License-Identifier: Apache-2.0
"""Parts of units alone: the loop of a carry-save MAC, and an engine without its array."""

import re
from pathlib import Path

import numpy as np
import pytest

import sim
from hw.emit.verilog import to_verilog
from hw.gemm import engine
from hw.gemm.shell import Shell
from hw.mac.carry_save import carry_save_state
from hw.spec import SpecError, parse_array, parse_gemm, parse_mac
from synth import run
from synth.flow import cache
from synth.flow.design import of_unit
from synth.flow.liberty import read
from synth.flow.netlists import modules, placed
from synth.measure import Job, measure
from synth.points import Point
from synth.power.activity import read_netlist, simulate
from synth.power.streams import make_stream
from synth.record import read_records

SMALL = str(Path(__file__).parents[1] / "data" / "small.lib")

pytestmark = pytest.mark.synth


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "cache")


def test_run_measures_the_loop_of_a_carry_save_unit_alone(tmp_path):
    out, found = tmp_path / "loop.json", {}
    for options in ("", "--unresolved", "--unresolved --always-valid"):
        assert (
            run.main(
                [
                    *"--mac int4 --acc int12 --adder carry-save --liberty".split(),
                    SMALL,
                    *options.split(),
                    "--metrics",
                    "gate_counts",
                    "cells",
                    "energy",
                    "--out",
                    str(out),
                ]
            )
            == 0
        )
        (record,) = read_records(out)
        found[record.subject] = record
    whole, loop, always = found.values()
    spec = parse_mac("int4,acc=int12,adder=carry-save")
    assert list(found) == [spec.name, f"{spec.name}_kept", f"{spec.name}_kept_always_valid"]
    assert not {"resolve", "always_valid"} & whole.conditions.keys()
    assert [
        (record.conditions["resolve"], record.conditions["always_valid"])
        for record in (loop, always)
    ] == [(False, False), (False, True)]
    # The resolver has a register a bit of the sum, and one for o_valid.
    registers = [record.metrics["flip_flops_keep"].value for record in (whole, loop, always)]
    assert registers == [registers[1] + spec.acc.width + 1, registers[1], registers[1]]
    for record in (loop, always):
        assert "energy (operands are known of whole MACs and of arrays only)" in record.not_done
    areas = [record.metrics["area"].value for record in (whole, loop, always)]
    assert areas == sorted(areas, reverse=True), areas
    assert len(set(areas)) == 3, areas


@pytest.mark.parametrize("text", ["int4,acc=int12", "e2m1:none", "int4,lanes=2,acc=int14"])
def test_loop_alone_keeps_the_sums(text):
    """Every step of random sums, a pair in every cycle, from the mapped netlist."""
    spec, library, depth = parse_mac(text, adder="carry-save"), read([SMALL]), 8
    mapped = Job(design=of_unit(spec, resolve=False, always_valid=True), library=library).mapped
    netlist = read_netlist(mapped.verilog, mapped.top, library)
    assert "i_valid" not in netlist.inputs
    stream = make_stream("uniform", spec, 8)
    a, b = (codes.reshape(-1, spec.lanes) for codes in (stream.a, stream.b))
    bits = {
        f"i_{name}": (codes[..., None] >> np.arange(fmt.width) & 1).reshape(len(codes), -1)
        for name, codes, fmt in (("a", a.astype(int), spec.a), ("b", b.astype(int), spec.b))
    }
    first = np.arange(len(a)) % depth == 0
    trace = simulate(netlist, bits | {"i_first": first[:, None]})
    saved, got = carry_save_state(spec), trace.port("o_data")[1:]
    kept = [int(sum(int(bit) << place for place, bit in enumerate(row))) for row in got]
    total = [_resolved(saved, value) for value in kept]
    wanted = [
        int(sim.dot(a[start:stop].reshape(-1), b[start:stop].reshape(-1), spec))
        % (1 << saved.width)
        for stop in range(1, len(kept) + 1)
        for start in [(stop - 1) // depth * depth]
    ]
    assert len(total) == len(a) - 1 >= 500
    assert total == wanted


def _resolved(saved, kept):
    """Sum of the stored bits, with the layout of `CarrySaveState`."""
    carries = kept >> saved.width & (1 << saved.top - saved.start) - 1
    up, down = kept >> saved.bits - 2 & 1, kept >> saved.bits - 1
    return (kept % (1 << saved.width) + (carries << saved.start) + (up - down << saved.top)) % (
        1 << saved.width
    )


#: Names that Yosys makes by counting.
NUMBERED = re.compile(r"\\\$\S+")
#: By dataflow: an engine, and what it places.
PARTS = ("axi4lite", "space", "registers", "limits", "gemm", "writer", "operands", "results")
ENGINES = {
    "os": (parse_gemm(parse_array("2x3", "int4"), depths="8x16x32"), ("feeder",)),
    "ws": (
        parse_gemm(
            parse_array("2x3", "e2m1xint4,acc=bf16", dataflow="ws", depth=4), depths="8x16x32"
        ),
        ("row", "weight"),
    ),
}


def _lines(module):
    """Lines of a module in an order of their own, without what was counted."""
    return sorted(NUMBERED.sub("number", line) for line in module.splitlines())


@pytest.mark.parametrize("flow", ENGINES)
def test_shell_is_the_engine_without_array_and_memories(flow):
    spec, feeders = ENGINES[flow]
    whole, shell = (modules(to_verilog(engine(spec, *kind))) for kind in ((), (Shell,)))
    assert {
        name.split("_")[0] for name in placed("\n".join(shell.values()), spec.name).values()
    } == {*PARTS, *feeders}
    changed = {name.split("_")[0] for name in shell if _lines(shell[name]) != _lines(whole[name])}
    assert changed == {"gemm", "operands", "results"}
    assert not any(name.startswith(("array_", "pe_")) for name in shell)
    kept = [name for name in whole if " words [" in whole[name]]
    assert kept
    assert not any(" words [" in text for text in shell.values())
    for name in kept:
        assert "words_q" in shell[name]


@pytest.mark.parametrize("flow", [pytest.param("os", marks=pytest.mark.slow), "ws"])
def test_parts_add_up_to_the_whole(flow):
    spec, feeders = ENGINES[flow]
    found = measure(Job(design=of_unit(spec), library=read([SMALL])), "test", only=["cells"])
    values = {name: metric.value for name, metric in found.metrics.items()}
    areas = [value for name, value in values.items() if name.startswith("area_")]
    assert sum(areas) == pytest.approx(values["area"], abs=1e-3)
    assert len(areas) == 9 + 1 + len(feeders)
    # C has 3 slots of whole bytes: int4 sums have 20 bits, bf16 ones 16.
    slots = {"os": 3 * 24, "ws": 3 * 16}[flow]
    assert values["memory_bits"] == 8 * 2 * 4 + 16 * 3 * 4 + 32 * slots


@pytest.mark.slow
def test_parts_are_near_the_engine_mapped_as_a_whole():
    spec, _ = ENGINES["os"]
    flat, parts = (
        measure(
            Job(design=of_unit(spec, flat=flat), library=read([SMALL])), "test", only=["cells"]
        ).metrics
        for flat in (True, False)
    )
    assert abs(flat["area"].value / parts["area"].value - 1) < 0.1
    assert 0.9 < flat["flip_flops"].value / parts["flip_flops"].value <= 1


def test_points_name_engines():
    point = Point(
        mac="int8", array="4x4", dataflow="ws", depth=8, bus="wishbone", depths="16x16x16"
    )
    assert str(point) == "int8 4x4 ws wishbone keep osu018"
    assert str(point.unit()) == (
        "int8,acc=fx28,array=4x4,dataflow=ws,depth=8,depths=16x16x16,bus=wishbone"
    )
    with pytest.raises(SpecError, match=r"^Grid bus needs an array$"):
        Point(mac="int8", bus="wishbone").unit()
