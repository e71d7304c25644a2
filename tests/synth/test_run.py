# SPDX-License-Identifier: Apache-2.0
"""One unit through the flow: record, cache, arrays by hierarchy, SystemVerilog, messages."""

import json
import re
import shutil
from pathlib import Path

import pytest

from hw.spec import parse_array, parse_mac
from synth import measure, run
from synth.flow import cache, osu018, timing
from synth.flow.design import of_unit
from synth.flow.gates import count
from synth.flow.liberty import read
from synth.power import energy
from synth.power.blocks import block_names
from synth.record import Record, read_records

SMALL = str(Path(__file__).parents[1] / "data" / "small.lib")
SOURCE = """
package sizes; localparam int WIDTH = 2; endpackage
module part import sizes::*; (input logic [WIDTH-1:0] a, output logic [WIDTH-1:0] y);
  assign y = ~a;
endmodule
"""
TOP = """
module whole import sizes::*; (input logic clock, input logic [WIDTH-1:0] a, output logic q);
  logic [WIDTH-1:0] y;
  part p(.a(a), .y(y));
  always_ff @(posedge clock) q <= ^y;
endmodule
"""
BOX = """module m(input a, output y); box b(.a(a), .y(y)); endmodule
(* blackbox *) module box(input a, output y); endmodule
"""

pytestmark = pytest.mark.synth
needs_sta = pytest.mark.skipif(shutil.which("sta") is None, reason="OpenSTA is not installed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    """A cache of the test's own; gives its folder."""
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "cache")
    return tmp_path / "cache"


@needs_sta
def test_run_writes_one_whole_record(tmp_path, capsys):
    out = tmp_path / "unit.json"
    arguments = [
        "--mac",
        "int4",
        "--acc",
        "int12",
        "--liberty",
        SMALL,
        "--clock",
        "50",
        "--out",
        str(out),
    ]
    assert run.main(arguments) == 0
    assert capsys.readouterr().out == f"{out}\n"
    (record,) = read_records(out)
    assert record.subject == parse_mac("int4,acc=int12").name
    assert record.conditions["unit"] == str(parse_mac("int4,acc=int12"))
    assert record.provenance.command == f"python -m synth.run {' '.join(arguments)}"
    assert record.provenance.tools.keys() == {
        "python",
        "amaranth",
        "pyosys",
        "opensta",
        "numpy",
        "scikit-learn",
    }
    assert record.provenance.library == read([SMALL]).to_json()
    assert set(measure.NOT_DONE) == set(record.not_done)
    values = {name: metric.value for name, metric in record.metrics.items()}
    assert values["slack"] == pytest.approx(50 - values["min_period"], abs=1e-3)
    assert values["nand2_equivalents"] == pytest.approx(values["area"] / 4)
    # 12 bits of sum and `valid`, in flip-flops of area 16.
    assert values["flip_flops_keep"] == 13
    assert values["sequential_area"] == 13 * 16
    assert 0 < values["energy_zeros"] < values["energy_gaussian"] < values["energy_uniform"]
    assert 0 < values["energy_digits1"]
    assert {name for name in values if name.endswith("_glitches")} == {
        "energy_gaussian_glitches",
        "energy_digits1_glitches",
    }
    assert sum(values[f"area_{name}"] for name in block_names()) == pytest.approx(
        values["area"], rel=0.1
    )
    assert sum(values[f"energy_gaussian_block_{name}"] for name in (*block_names(), "inputs")) == (
        pytest.approx(values["energy_gaussian"], rel=0.15)
    )
    assert values["gates_normalise"] == values["area_normalise"] == 0
    assert values["energy_sums_checked"] == 5 * energy.SUMS


def test_run_comes_from_the_cache_the_second_time(own_cache, capsys, monkeypatch):
    arguments = [
        "--mac",
        "int4",
        "--liberty",
        SMALL,
        "--json",
        "--metrics",
        "gate_counts",
        "paper_cost",
        "cells",
    ]
    assert run.main(arguments) == 0
    first = json.loads(capsys.readouterr().out)
    assert len(list(own_cache.iterdir())) >= 5
    monkeypatch.setattr("synth.flow.yosys.run_yosys", None)
    monkeypatch.setattr("synth.flow.design.build", None)
    assert run.main(arguments) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["metrics"] == first["metrics"]


def test_array_by_hierarchy_is_near_the_flat_one():
    spec, library = parse_array("2x3", parse_mac("int4,acc=int12")), read([SMALL])
    parts, flat = of_unit(spec), of_unit(spec, flat=True)
    assert (len(parts.keep), flat.keep) == (3, ())
    areas = [
        measure.Job(design=design, library=library).mapped.area_um2 for design in (parts, flat)
    ]
    # What the last column and the first row do not use goes only if the array is flat.
    assert 1.0 <= areas[0] / areas[1] < 1.25, areas
    element = measure.Job(design=parts, library=library).element
    assert element.top == parts.element
    assert 6 * element.area_um2 < areas[0] < 12 * element.area_um2
    counts = [
        count(design.verilog, design.top, "keep", keep=design.keep) for design in (parts, flat)
    ]
    assert 1.0 <= counts[0].flip_flops / counts[1].flip_flops < 1.25, counts


@needs_sta
def test_system_verilog_of_users_is_measured_in_the_same_way(tmp_path, capsys):
    for name, text in (("part.sv", SOURCE), ("whole.sv", TOP)):
        (tmp_path / name).write_text(text)
    files = [str(tmp_path / "part.sv"), str(tmp_path / "whole.sv")]
    assert run.main(["--verilog", *files, "--top", "whole", "--liberty", SMALL, "--json"]) == 0
    record = Record.from_json(json.loads(capsys.readouterr().out))
    assert record.subject == "whole"
    assert record.conditions["files"] == ["part.sv", "whole.sv"]
    # The inverters cancel: one XOR2 in front of one register.
    assert record.metrics["two_input_gates_keep"].value == 1
    assert record.metrics["area"].value == 16 + 8
    assert record.metrics["min_period"].value == pytest.approx(0.52 + 0.42 + 0.1, abs=1e-4)


def test_without_library_and_sta_the_rest_is_measured(capsys, monkeypatch):
    monkeypatch.setattr(osu018, "find", lambda: None)
    assert run.main(["--mac", "int4", "--json"]) == 0
    out, err = capsys.readouterr()
    assert err.startswith("The OSU018 cell library is missing (run `make library`): no cells, no ")
    record = Record.from_json(json.loads(out))
    assert record.not_done == (
        *measure.NOT_DONE,
        "cells and area (no library)",
        "timing (no library)",
        "energy (no library)",
        "area and energy of blocks (no library)",
    )
    assert {"two_input_gates_keep", "paper_cost"} < record.metrics.keys()
    monkeypatch.setattr(timing.shutil, "which", lambda name: None)
    assert (
        run.main(["--mac", "int4", "--liberty", SMALL, "--metrics", "cells", "clock", "--verbose"])
        == 0
    )
    out = capsys.readouterr().out
    summary = out.partition("\n\n")[0].splitlines()
    assert [line[:10].rstrip() for line in summary] == [
        "unit",
        "gates",
        "area",
        "timing",
        "energy",
        "not done",
    ]
    assert summary[1] == "gates     not measured"
    assert re.search(r"^area +\d", out, re.MULTILINE)
    assert "memories, timing (OpenSTA is not installed), " in out
    assert "energy (not asked for)" in out


def test_run_measures_output_stages(tmp_path):
    """Alone, and in an array, where each column has one."""
    out, found = tmp_path / "stages.json", {}
    for unit in (
        "--from fp16 --out-format e4m3",
        "--mac int4 --array 1x3",
        "--mac int4 --array 1x3 --out-format uint8 --out-scale pow2",
    ):
        assert run.main([*unit.split(), "--metrics", "gate_counts", "--out", str(out)]) == 0
        (record,) = read_records(out)
        found[record.subject] = record
    alone, plain, drained = found.values()
    assert list(found) == [
        "out_fp16_e4m3",
        "array_1x3_os_int4_fx20",
        "array_1x3_os_int4_fx20_out_uint8_pow2",
    ]
    assert alone.metrics["flip_flops_default"].value == 8 + 1
    assert {
        part for part in drained.conditions["parts"] if part not in plain.conditions["parts"]
    } >= {"out_fx20_uint8_pow2_en"}
    more = drained.metrics["flip_flops_default"].value - plain.metrics["flip_flops_default"].value
    # A code a column, and once whether there is a row and whether it is the last one.
    assert more == 3 * 8 + 2


WRONG = [
    ([], "There is no unit to measure: give --spec, --mac, --from or --verilog"),
    (
        ["--mac", "int4", "--verilog", "x.v"],
        "A generated unit and --verilog cannot be combined: give only one of them",
    ),
    (
        ["--mac", "int4", "--out-format", "e4m3"],
        "A single MAC cannot have an output stage; add --array ROWSxCOLS, or generate ",
    ),
    (["--mac", "int4", "--top", "m"], "--top is for --verilog: leave it out for a generated unit"),
    (["--verilog", "box.sv"], "--verilog needs the name of the top module: give --top MODULE"),
    (
        ["--mac", "int4", "--unresolved"],
        "Unresolved unit must be a MAC with the adder carry-save, not 'int4,acc=fx20'",
    ),
    (
        ["--mac", "int4", "--array", "2x2", "--always-valid"],
        "Always-valid unit must be a MAC, not 'int4,acc=fx20,array=2x2,dataflow=os'",
    ),
    (
        ["--verilog", "box.sv", "--top", "m", "--always-valid"],
        "--unresolved and --always-valid need --mac: leave them out with --verilog",
    ),
    (["--verilog", "box.sv", "--top", "a; b"], "Top must be the name of a module, not 'a; b'"),
    (["--verilog", "none.sv", "--top", "m"], "Verilog file must be a readable file, not 'none.sv'"),
    (
        ["--verilog", "box.sv", "--top", "m"],
        "Cells of m must be two-input gates, inverters, flip-flops and latches, not 'box'",
    ),
    (["--verilog", "box.sv", "--top", "other"], "'other' is not a valid top-level module"),
    (["--verilog", "whole.sv", "--top", "whole"], "whole.sv:2: ERROR: unknown package 'sizes'"),
    (["--mac", "int4", "--clock", "0"], "Clock must be a number of ns above 0, not '0'"),
    (["--mac", "int4", "--clock", "-1"], "Clock must be a number of ns above 0, not '-1'"),
    (["--mac", "int4", "--clock", "nan"], "Clock must be a number of ns above 0, not 'nan'"),
    (["--mac", "int4", "--clock", "fast"], "Clock must be a number of ns above 0, not 'fast'"),
    (
        ["--mac", "int4", "--liberty", "none.lib"],
        "Liberty file must be a readable file, not 'none.lib'",
    ),
    (["--mac", "int4", "--metrics", "price"], "Metric must be one of gate_counts, "),
    (["--mac", "int4", "--recipe", "best"], "Recipe must be one of "),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_run_wrong(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "box.sv").write_text(BOX)
    (tmp_path / "whole.sv").write_text(TOP)
    (tmp_path / "old.json").write_text("kept")
    with pytest.raises(SystemExit) as ended:
        run.main(
            [
                *arguments,
                "--out",
                "old.json",
                *([] if "--liberty" in arguments else ["--liberty", SMALL]),
            ]
        )
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith(f"python -m synth.run: error: {message}")
    assert all(line.startswith("[") for line in err.splitlines()[:-1])
    assert (tmp_path / "old.json").read_text() == "kept"


def test_netlist_that_computes_something_else_is_reported(monkeypatch, capsys):
    monkeypatch.setattr(energy.sim, "dot_with_flags", lambda a, b, spec: (1, 0))
    assert run.main(["--mac", "int4", "--liberty", SMALL]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(
        r"python -m synth\.run: error: Netlist of mac_int4_fx20 must give \(1,\) "
        r"for sum 0 of stream uniform, not \(\d+,\)",
        err.splitlines()[-1],
    )
