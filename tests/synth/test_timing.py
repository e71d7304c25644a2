# SPDX-License-Identifier: Apache-2.0
"""Static timing of a path that is added up by hand, and messages if timing is not available."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hw.spec import SpecError
from synth.flow import osu018, timing
from synth.flow.clocks import find_clock
from synth.flow.liberty import read
from synth.flow.mapping import map_to_cells
from synth.flow.netlists import instances, modules, plain, ports, repeated
from synth.flow.timing import StaError, sta_version, time_netlist

SMALL = Path(__file__).parents[1] / "data" / "small.lib"
TINY = """
module tiny(input clock, input signed [1:0] a, input b, input c, output x, output reg y);
  assign x = ~a[0];
  always @(posedge clock) y <= a[1] & b ^ c;
endmodule
"""

pytestmark = pytest.mark.synth
needs_sta = pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not installed")


@pytest.fixture(scope="module")
def small():
    """The library, and `TINY` mapped to it."""
    library = read([SMALL])
    return library, map_to_cells({"tiny.v": TINY}, "tiny", library)


def test_netlist_reads_back_its_ports_and_cells(small):
    library, mapped = small
    assert list(modules(mapped.verilog)) == ["tiny"]
    found = ports(mapped.verilog)
    assert [(port.name, port.direction, port.width) for port in found] == [
        ("clock", "input", 1),
        ("a", "input", 2),
        ("b", "input", 1),
        ("c", "input", 1),
        ("x", "output", 1),
        ("y", "output", 1),
    ]
    assert found[1].bits() == ["a[0]", "a[1]"]
    cells = instances(mapped.verilog)
    assert {cell: [c.cell for c in cells].count(cell) for cell in mapped.cells} == mapped.cells
    assert sum(len(cell.nets) for cell in cells) == 3 + 2 * 2 + 3 + 3
    assert find_clock(mapped.verilog, library).port == "clock"


def test_modules_placed_twice_are_repeated():
    texts = [
        f"module {name}(clk);\n{body}\nendmodule\n"
        for name, body in {
            "top": "  row r0 (.clk(clk));\n  row r1 (.clk(clk));\n  edge e (.clk(clk));",
            "row": "  pe \\p.0 (\n    .clk(clk)\n  );\n  pe p1 (\n    .clk(clk)\n  );",
            "edge": "",
            "pe": "",
        }.items()
    ]
    assert repeated("".join(texts)) == ["row", "pe"]


def test_plain_netlist_assigns_bit_by_bit():
    text = """module t(a, b, c);
  input signed [2:0] a;
  output [0:1] b;
  output c;
  wire \\x.y ;
  assign { b, c } = { a[2:1], \\x.y  };
  assign \\x.y  = 1'h0;
  assign { c, b[0] } = 2'b10;
endmodule
"""
    lines = plain(text).splitlines()
    assert lines[1] == "  input [2:0] a;"
    assert lines[5:11] == [
        "  assign b[0] = a[2];",
        "  assign b[1] = a[1];",
        "  assign c = \\x.y ;",
        "  assign \\x.y  = 1'b0;",
        "  assign c = 1'b1;",
        "  assign b[0] = 1'b0;",
    ]


@needs_sta
def test_timing_is_the_sum_along_the_path(small):
    library, mapped = small
    found = time_netlist(mapped, library, clock_ns=2)
    # A register drives NAND2 (0.02 pF), that the XOR2, that a register, which has a setup time.
    assert found.min_period_ns == pytest.approx(0.52 + 0.22 + 0.42 + 0.1, abs=2e-4)
    assert found.slack_ns == pytest.approx(2 - 1.26, abs=2e-4)
    # The register y drives the register at the output of that name.
    assert found.hold_slack_ns == pytest.approx(0.52 - 0.05, abs=2e-4)
    assert found.setup_ns == pytest.approx(0.1)
    assert (found.end, found.path) == ("y", ("NAND2", "XOR2"))
    assert found.start in ("a[1]", "b")
    assert found.max_clock_mhz == pytest.approx(1000 / 1.26, rel=1e-3)
    assert found.sta == sta_version()


@needs_sta
def test_timing_of_picosecond_libraries_is_in_nanoseconds(small, tmp_path):
    file = tmp_path / "ps.lib"
    text = SMALL.read_text().replace('time_unit : "1ns"', 'time_unit : "1ps"')
    file.write_text(text)
    library, mapped = read([file]), small[1]
    assert time_netlist(mapped, library).min_period_ns == pytest.approx(1.26e-3, abs=5e-5)


@needs_sta
def test_timing_of_a_design_without_registers_is_from_pins_to_pins(small):
    library = small[0]
    text = "module g(input a, b, output y); assign y = ~(a & b); endmodule"
    found = time_netlist(map_to_cells({"x": text}, "g", library), library)
    assert (found.end, found.path) == ("y", ("NAND2",))
    assert found.min_period_ns == pytest.approx(0.52 + 0.22 + 0.1, abs=2e-4)


def test_timing_without_sta_is_none(small, monkeypatch):
    monkeypatch.setattr(timing.shutil, "which", lambda name: None)
    assert sta_version() is None
    assert time_netlist(small[1], small[0]) is None


@needs_sta
@pytest.mark.parametrize("clock", [0, -2.5])
def test_timing_wrong_clock(small, clock):
    with pytest.raises(SpecError, match=f"^Clock must be above 0 ns, not {re.escape(str(clock))}$"):
        time_netlist(small[1], small[0], clock_ns=clock)


@needs_sta
def test_timing_of_a_broken_netlist_is_an_error(small):
    library, mapped = small
    with pytest.raises(StaError, match=r"^Error: .*netlist\.v"):
        time_netlist(
            replace(mapped, verilog=mapped.verilog.replace("NAND2 ", "NAND2 NAND2 ")), library
        )


def test_library_is_fetched_without_being_installed(tmp_path, monkeypatch, capsys):
    calls = []

    def run(command, cwd, **_):
        calls.append(command[0])
        if "download" in command:
            (cwd / "any.deb").write_text("")
        if command[0] == "dpkg-deb":
            file = cwd / "unpacked" / osu018.INSIDE
            file.parent.mkdir(parents=True)
            file.write_text("library")
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(osu018.subprocess, "run", run)
    monkeypatch.setattr(osu018, "find", lambda folder: None)
    path = osu018.fetch(tmp_path / "osu")
    assert (path.read_text(), calls) == ("library", ["apt-get", "dpkg-deb"])


def test_library_that_cannot_be_downloaded_is_one_line(tmp_path, monkeypatch, capsys):
    def run(command, **_):
        return subprocess.CompletedProcess(command, 100, "", "E: no network\n")

    monkeypatch.setattr(osu018.subprocess, "run", run)
    monkeypatch.setattr(osu018, "find", lambda folder: None)
    monkeypatch.setattr(osu018.fetch, "__defaults__", (tmp_path / "osu",))
    assert osu018.main([]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"python -m synth\.flow\.osu018: error: OSU018 cell library is missing: "
        r"(sudo -n )?apt-get -qq update failed "
        r"\(E: no network\)\. Gate counts and hand counts work without it\.\n",
        err,
    )
    assert not list(tmp_path.iterdir())
