# SPDX-License-Identifier: Apache-2.0
"""Mapping to library cells: counts and areas of a design that can be counted by hand, messages."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from hw.build import verilog
from hw.spec import SpecError, parse_mac
from synth.flow import gates, osu018
from synth.flow.liberty import read
from synth.flow.mapping import map_to_cells
from synth.flow.timing import time_netlist
from synth.flow.yosys import YosysError

SMALL = Path(__file__).parents[1] / "data" / "small.lib"
TINY = """
module tiny(input clk, input a, input b, input c, output x, output reg y);
  assign x = ~a;
  always @(posedge clk) y <= a & b ^ c;
endmodule
"""
#: A cell of no library, which no pass may quietly drop.
BOXED = TINY.replace("assign x = ~a;", "box i(.a(a), .z(x));")

pytestmark = pytest.mark.synth


TIMED = [name for name, passes in gates.recipes("cells").items() if "{clock_ps}" in str(passes)]


def uses_old_mapper(recipe):
    """Whether a recipe has ABC's `map`, which needs another delay model than that of `SMALL`."""
    return ";map," in str(gates.recipes("cells")[recipe])


@pytest.mark.parametrize(
    "recipe", [name for name in gates.recipes("cells") if not uses_old_mapper(name)]
)
def test_mapping_of_a_tiny_design_is_known(recipe):
    mapped = map_to_cells(
        {"tiny.v": TINY}, "tiny", read([SMALL]), recipe, clock_ns=2 if recipe in TIMED else None
    )
    # a & b ^ c is (a NAND b) XOR (NOT c); AND2 would be smaller, but the library forbids it.
    assert mapped.cells == {"DFF": 1, "INV": 2, "NAND2": 1, "XOR2": 1}
    assert (mapped.area_um2, mapped.sequential_area_um2) == (16 + 2 * 2 + 4 + 8, 16)
    assert (mapped.nand2_equivalents, mapped.leakage_nw) == (32 / 4, 8 + 2 * 1 + 2 + 4)
    placed = re.findall(r"^  (\w+) \S+ \(", mapped.verilog, re.MULTILINE)
    assert sorted(placed) == ["DFF", "INV", "INV", "NAND2", "XOR2"]
    assert mapped.verilog.startswith("module tiny(clk, a, b, c, x, y);\n")


@pytest.mark.skipif(osu018.find() is None, reason="no OSU018 library: `make library` gets it")
def test_mapping_for_speed_is_faster_and_larger():
    library, spec = read([osu018.find()]), parse_mac("int8,acc=int27")
    found = {
        recipe: map_to_cells(
            {"mac.v": verilog(spec)},
            spec.name,
            library,
            recipe,
            clock_ns=1 if recipe in TIMED else None,
        )
        for recipe in ("keep", "speed")
    }
    assert found["speed"].area_um2 > found["keep"].area_um2
    periods = {recipe: time_netlist(mapped, library) for recipe, mapped in found.items()}
    if None in periods.values():
        pytest.skip("OpenSTA is not installed")
    assert periods["speed"].min_period_ns < periods["keep"].min_period_ns


def test_mapping_leaves_out_cells_that_only_we_exclude(tmp_path):
    cell = "sky130_fd_sc_hd__lpflow_and"
    text = SMALL.read_text().replace("dont_use : true;", "")
    text = text.replace("cell (AND2)", f"cell ({cell})")
    used = {}
    for name in ("small", "sky130_fd_sc_hd"):
        file = tmp_path / f"{name}.lib"
        file.write_text(text.replace("library (small)", f"library ({name})"))
        used[name] = map_to_cells({"tiny.v": TINY}, "tiny", read([file])).cells
    assert cell in used["small"]
    assert cell not in used["sky130_fd_sc_hd"]


def test_mapping_depends_on_content_only(tmp_path):
    library = read([SMALL])
    source = tmp_path / "any_name.v"
    source.write_text(TINY)
    assert map_to_cells([source], "tiny", library) == map_to_cells({"x": TINY}, "tiny", library)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"recipe": "best"},
            f"Recipe must be one of {', '.join(gates.recipes('cells'))}, not 'best'",
        ),
        (
            {"recipe": "booth"},
            f"Recipe must be one of {', '.join(gates.recipes('cells'))}, not 'booth'",
        ),
        ({"recipe": TIMED[0]}, f"Clock of recipe {TIMED[0]} must be given in ns, not None"),
        ({"clock_ns": 0}, "Clock must be above 0 ns, not 0"),
        ({"clock_ns": -1.5}, "Clock must be above 0 ns, not -1.5"),
        ({"verilog": ["none.v"]}, "Verilog file must be a readable file, not 'none.v'"),
        (
            {"verilog": {"x": BOXED + "(* blackbox *) module box(input a, output z); endmodule"}},
            "Cells of tiny must be cells of the library small, not 'box'",
        ),
        (
            {"library": replace(read([SMALL]), cells={"DFF": read([SMALL]).cells["DFF"]})},
            "Cells of tiny must be cells of the library small, not 'INV, NAND2, XOR2'",
        ),
    ],
)
def test_mapping_wrong(changes, message):
    arguments = {"verilog": {"x": TINY}, "top": "tiny", "library": read([SMALL])} | changes
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        map_to_cells(**arguments)


@pytest.mark.parametrize(
    ("verilog", "top", "message"),
    [
        (TINY, "other", r"Module `other' not found!"),
        (BOXED, "tiny", r"Module `\\box' .* is not part of the design"),
        (TINY.replace("always @(posedge clk)", "always @* if (clk)"), "tiny", "D latches are not"),
    ],
)
def test_mapping_passes_on_what_yosys_says(verilog, top, message):
    with pytest.raises(YosysError, match=message):
        map_to_cells({"x": verilog}, top, read([SMALL]))
