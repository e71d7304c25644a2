# SPDX-License-Identifier: Apache-2.0
"""Gate counts: statistics of Yosys, the fair and the unfair INT8, records and messages."""

import json
import re
from pathlib import Path

import pytest

from hw.spec import SpecError, parse_mac
from reports.studies.gates import measure as points
from synth.flow import design, gates, yosys

ROOT = Path(__file__).parents[2]
PLAIN = ROOT / "reports" / "studies" / "gates" / "int8_plain.v"
#: Statistics that Yosys wrote for `PLAIN` in the recipe booth.
STORED = ROOT / "tests" / "data" / "yosys_stat_int8_plain_booth.json"

TINY = """
module tiny(input clk, input a, input b, input c, output x, output reg y);
  assign x = ~a;
  always @(posedge clk) y <= a & b ^ c;
endmodule
"""


def test_stored_statistics_are_sorted_by_kind():
    cells = yosys.cells(json.loads(STORED.read_text()), "int8_plain")
    found = gates.sort_cells(cells, "int8_plain", "booth")
    assert (found.two_input, found.inverters, found.flip_flops) == (482, 3, 48)
    assert sum(found.by_type.values()) == 482 + 3 + 48
    message = "Netlist must be one with the module other, not 'int8_plain'"
    with pytest.raises(SpecError, match=f"^{message}$"):
        yosys.cells(json.loads(STORED.read_text()), "other")


def test_cell_of_no_known_kind_is_an_error():
    message = (
        "Cells of top must be two-input gates, inverters, flip-flops and latches, not '$_MUX_'"
    )
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        gates.sort_cells({"$_AND_": 1, "$_MUX_": 2, "$scopeinfo": 1}, "top", "default")


@pytest.mark.parametrize("recipe", sorted(gates.recipes()))
def test_count_of_a_tiny_design_is_known(tmp_path, recipe):
    source = tmp_path / "tiny.v"
    source.write_text(TINY)
    found = gates.count([source], "tiny", recipe)
    assert (found.two_input, found.inverters, found.flip_flops) == (2, 1, 1)
    assert found.yosys == yosys.yosys_version()


@pytest.mark.synth
def test_plain_int8_costs_more_than_it_should():
    plain = gates.count([PLAIN], "int8_plain", "default").two_input
    booth = gates.count([PLAIN], "int8_plain", "booth").two_input
    unit = design.count_mac(parse_mac("int8", acc="int32")).two_input
    assert 1.6 <= plain / booth <= 2.0, (plain, booth)
    assert 1.6 <= plain / unit <= 2.2, (plain, unit)


#: Two-input gates in the recipe keep, registers not counted; a sticky NaN flag may add 17.
BARS = {
    "int8,acc=int27": 410,
    "e2m5:none": 440,
    "e3m4:none": 470,
    "e4m3:none": 555,
    "e5m2:none": 770,
    "binary8p6": 457,
    "binary8p5": 487,
    "binary8p4": 572,
    "binary8p3": 787,
    "e4m3,acc=fp16": 800,
    "e4m3,acc=fp32": 1336,
}


@pytest.mark.slow
@pytest.mark.synth
@pytest.mark.parametrize(("spelling", "most"), BARS.items())
def test_unit_has_not_grown(spelling, most):
    found = design.count_mac(parse_mac(spelling), "keep").two_input
    assert most * 0.8 < found <= most


@pytest.mark.synth
def test_fair_int8_has_at_most_500_gates():
    spec = parse_mac("int8", acc="int27")
    counts = {recipe: design.count_mac(spec, recipe) for recipe in ("default", "keep")}
    assert all(100 < found.two_input <= 500 for found in counts.values()), counts
    assert all(found.flip_flops >= spec.acc.width for found in counts.values()), counts
    again = design.count_mac(spec, "keep")
    assert again == counts["keep"]


@pytest.mark.synth
def test_points_become_records(tmp_path, capsys):
    table = tmp_path / "points.toml"
    table.write_text(
        '[[mac]]\nmacs = ["int4"]\nrecipes = ["keep"]\n'
        f'[[baseline]]\nfile = "{PLAIN}"\ntop = "int8_plain"\nrecipes = ["booth"]\n'
    )
    unit, baseline = points.measure_points(table, "make study NAME=gates")
    assert unit.subject == parse_mac("int4").name
    assert unit.conditions["recipe"] == "keep"
    assert unit.conditions["passes"] == gates.recipes()["keep"]
    assert baseline.metrics["two_input_gates"].value == 482
    assert baseline.provenance.tools["pyosys"] == yosys.yosys_version()
    assert "[2/2] int8_plain booth: 482 gates" in capsys.readouterr().err


def test_count_wrong(tmp_path):
    with pytest.raises(SpecError, match=r"^Verilog file must be a readable file, not 'none\.v'$"):
        gates.count(["none.v"], "none")
    with pytest.raises(
        SpecError, match=f"^Recipe must be one of {', '.join(gates.recipes())}, not 'best'$"
    ):
        design.count_mac(parse_mac("int4"), "best")
    source = tmp_path / "tiny.v"
    source.write_text(TINY)
    with pytest.raises(yosys.YosysError, match=r"Module `other' not found!$"):
        gates.count([source], "other")
