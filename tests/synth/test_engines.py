# SPDX-License-Identifier: Apache-2.0
"""What an engine adds around its array: the same modules as in the engine, all of them counted."""

import re
from pathlib import Path

import pytest

from hw.emit.verilog import to_verilog
from hw.gemm import engine
from hw.gemm.shell import Shell
from hw.spec import SpecError, parse_array, parse_gemm
from synth.flow.design import of_unit
from synth.flow.liberty import read
from synth.flow.netlists import modules, placed
from synth.measure import Job, measure
from synth.sweep import Point

pytestmark = pytest.mark.synth

SMALL = str(Path(__file__).parents[1] / "data" / "small.lib")
#: Names that Yosys makes by counting.
NUMBERED = re.compile(r"\\\$\S+")
#: By dataflow: an engine, and what it places.
PARTS = ("axi4lite", "space", "registers", "limits", "gemm", "writer", "operands", "results")
ENGINES = {"os": (parse_gemm(parse_array("2x3", "int4"), depths="8x16x32"), ("feeder",)),
           "ws": (parse_gemm(parse_array("2x3", "e2m1xint4,acc=bf16", dataflow="ws", depth=4),
                             depths="8x16x32"), ("row", "weight"))}


def _lines(module):
    """Lines of a module in an order of their own, without what was counted."""
    return sorted(NUMBERED.sub("number", line) for line in module.splitlines())


@pytest.mark.parametrize("flow", ENGINES)
def test_shell_is_the_engine_without_array_and_memories(flow):
    spec, feeders = ENGINES[flow]
    whole, shell = (modules(to_verilog(engine(spec, *kind))) for kind in ((), (Shell,)))
    assert {name.split("_")[0] for name in placed("\n".join(shell.values()), spec.name).values()
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
    flat, parts = (measure(Job(design=of_unit(spec, flat=flat), library=read([SMALL])), "test",
                           only=["cells"]).metrics for flat in (True, False))
    assert abs(flat["area"].value / parts["area"].value - 1) < 0.1
    assert 0.9 < flat["flip_flops"].value / parts["flip_flops"].value <= 1


def test_points_name_engines():
    point = Point(mac="int8", array="4x4", dataflow="ws", depth=8, bus="wishbone",
                  depths="16x16x16")
    assert str(point) == "int8 4x4 ws wishbone keep osu018"
    assert str(point.unit()) == ("int8,acc=fx28,array=4x4,dataflow=ws,depth=8,depths=16x16x16,"
                                 "bus=wishbone")
    with pytest.raises(SpecError, match=r"^Grid bus must be given with an array, not 'wishbone'$"):
        Point(mac="int8", bus="wishbone").unit()
