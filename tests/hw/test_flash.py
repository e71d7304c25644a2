# SPDX-License-Identifier: Apache-2.0
"""The command that flashes a board: what it builds and programs, and its errors."""

import json
import re

import pytest

from hw import flash
from hw.board.build import Built
from hw.board.design import design
from hw.board.families import FAMILIES
from hw.board.listing import NOTE, unplaced
from hw.board.platforms import BOARDS, board_named
from hw.board.tools import ToolError
from hw.spec import parse_array

KEYS = [board.key for board in BOARDS]
#: The smallest engine, so that building takes seconds.
SMALL = ["--mac", "int4", "--acc", "int12", "--array", "1x1", "--depths", "16x16x16"]


def run(capsys, *arguments):
    """Exit status, stdout and stderr of the command."""
    try:
        status = flash.main(arguments)
    except SystemExit as ended:
        status = ended.code
    return status, *capsys.readouterr()


@pytest.mark.parametrize("key", KEYS)
def test_design_of_every_board_has_clock_and_memories_of_its_own(key):
    made = design(board_named(key), parse_array("2x2", "int8"))
    words = FAMILIES[made.board.family].ram_words
    assert made.spec.gemm.depths == f"{words}x{words}x{words}"
    assert made.spec.clock_hz == made.pins.clock_hz
    assert made.pll is None
    other = design(
        board_named(key),
        parse_array("2x2", "int8"),
        depths="16x32x64",
        clock_mhz=30,
        baud=1_000_000,
    )
    assert other.spec.gemm.depths == "16x32x64"
    assert abs(other.spec.clock_hz - 30e6) < 1e6
    assert other.spec.clock_hz == other.pll.hz


@pytest.mark.parametrize(
    ("flow", "unit"),
    [
        ([], "os_int4_fx12_inferred_inferred"),
        (["--dataflow", "ws", "--acc-depth", "8"], "ws_int4_fx12_inferred_inferred_d8"),
    ],
)
def test_flash_builds_then_programs(flow, unit, monkeypatch, capsys, tmp_path):
    steps = []

    def build(sources, board, pins, **options):
        steps.append(("build", board.key, sorted(sources), options["dsp"], options["seed"]))
        raise ToolError("no further")

    monkeypatch.setattr("hw.board.build.build", build)
    monkeypatch.setattr(flash, "require_loader", lambda board: steps.append("loader"))
    status, out, err = run(capsys, "--board", "ulx3s_12f", *SMALL, "--no-dsp", "--seed", "5", *flow)
    name = f"board_1x1_{unit}_16x16x16_25000000hz_1000000bd.v"
    assert (status, out, err) == (1, "", "python -m hw.flash: error: no further\n")
    assert steps == ["loader", ("build", "ulx3s_12f", [name, "pinned.v"], False, 5)]


RANGE = (
    "at most 275 MHz, and within 5 % of a frequency that the PLL of "
    f"{FAMILIES['ice40'].name} can make from 12 MHz"
)
WRONG = [
    ([], "No board is given; add --board NAME (--list-boards lists the names)"),
    (
        ["--board", "icebreaker", "--build-only"],
        "No MAC is given; add --mac PAIR, for instance --mac e4m3",
    ),
    (["--board", "arty", "--mac", "int8"], f"Board must be one of {', '.join(KEYS)}, not 'arty'"),
    (["--board", "icebreaker", "--mac", "int9"], None),
    (
        ["--board", "icebreaker", "--mac", "int8", "--array", "4", "--build-only"],
        "Array size must be ROWSxCOLS, for instance 16x16, not '4'",
    ),
    (
        ["--board", "icebreaker", "--mac", "int8", "--acc-depth", "4", "--build-only"],
        "Array depth applies to dataflow ws only; leave it out, or choose dataflow ws",
    ),
    (
        ["--board", "icebreaker", "--mac", "int8", "--array", "64x64", "--build-only"],
        "Array sums must be at most 5,280 bits, the number of flip-flops of iCEBreaker, not 114688",
    ),
    (
        ["--board", "icebreaker", "--mac", "int8", "--depths", "4", "--build-only"],
        "GEMM depths must be AxBxC, for instance 1024x1024x1024, not '4'",
    ),
    (
        ["--board", "icebreaker", "--mac", "int8", "--clock-mhz", "fast", "--build-only"],
        "Board clock must be a number from 1 to 1000, not 'fast'",
    ),
    (
        ["--board", "icebreaker", "--mac", "int8", "--clock-mhz", "300", "--build-only"],
        f"Board clock must be {RANGE}, not '300 MHz'",
    ),
    (
        ["--board", "icebreaker", "--mac", "int8", "--baud", "0", "--build-only"],
        "Baud rate must be a whole number from 1 to 100000000, not '0'",
    ),
    (
        ["--board", "icebreaker", "--mac", "int8", "--baud", "9000000", "--build-only"],
        "Board baud must be from 184 to 3000000 at 12000000 Hz, not 9000000",
    ),
    (
        ["--board", "icebreaker", "--mac", "int8", "--seed", "-1", "--build-only"],
        "Seed must be a whole number from 1 to 2147483647, not '-1'",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_flash_wrong(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (2, "")
    assert list(tmp_path.iterdir()) == []
    if message is None:
        assert re.fullmatch(r"python -m hw\.flash: error: [^\n]+\n", err)
    else:
        assert err == f"python -m hw.flash: error: {message}\n"


def test_flash_without_a_loader_says_so_before_it_builds(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    status, out, err = run(capsys, "--board", "icebreaker", "--mac", "int8")
    assert (status, out) == (2, "")
    assert err == (
        "python -m hw.flash: error: Tool iceprog is not installed: "
        "run `apt install fpga-icestorm`\n"
    )


@pytest.fixture
def built(tmp_path, monkeypatch):
    """A fake build that returns a bitstream immediately."""
    file = tmp_path / "design.bin"
    file.write_bytes(b"bits")
    result = Built(
        bitstream=file,
        cells={"luts": 7},
        used={"ICESTORM_LC": (7, 5280)},
        clock_mhz=12.0,
        fmax_mhz=17.25,
        seconds={"synthesis": 1.5},
        cpu_seconds=1.0,
    )
    monkeypatch.setattr("hw.board.build.build", lambda *arguments, **options: result)
    return file


def loader(tmp_path, monkeypatch, script):
    """Put an iceprog that does as ``script`` says on PATH."""
    tool = tmp_path / "iceprog"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")


def test_flash_interrupted(monkeypatch, capsys):
    def build(*arguments, progress, **options):
        progress("place and route")
        raise KeyboardInterrupt

    monkeypatch.setattr("hw.board.build.build", build)
    assert run(capsys, "--board", "icebreaker", *SMALL, "--build-only") == (
        130,
        "",
        "python -m hw.flash: interrupted\n",
    )


def test_flash_programs_what_it_built(built, tmp_path, monkeypatch, capsys):
    loader(tmp_path, monkeypatch, f'cat "$1" > {tmp_path}/written')
    status, out, err = run(capsys, "--board", "icebreaker", *SMALL)
    assert (status, out) == (0, f"{built}\n")
    assert err == (
        "ICESTORM_LC: 7 of 5,280 (0.1 %)\nClock: 12 MHz, highest 17.25 MHz\n"
        "Time: synthesis 1.5 s\nNext: python -m hw.selftest --port /dev/ttyUSB1 "
        "--baud 1000000\n"
    )
    assert (tmp_path / "written").read_bytes() == b"bits"


@pytest.mark.parametrize(
    ("printed", "message"),
    [
        (
            "ABORT: LIBUSB_ERROR_ACCESS",
            (
                "This user may not access board icebreaker over USB; run `python -m hw.doctor` for "
                "the udev rule"
            ),
        ),
        (
            "Can't find iCE FTDI USB device",
            f"Board icebreaker was not found on USB. {board_named('icebreaker').hands}",
        ),
    ],
)
def test_flash_without_permission_or_board(printed, message, built, tmp_path, monkeypatch, capsys):
    loader(tmp_path, monkeypatch, f'echo "{printed}" >&2; exit 2')
    status, out, err = run(capsys, "--board", "icebreaker", *SMALL)
    assert (status, out) == (2, "")
    assert err == f"python -m hw.flash: error: {message}\n"


def test_array_too_large_for_the_board(tmp_path, monkeypatch, capsys):
    cells = {str(number): {"type": "SB_LUT4"} for number in range(5281)}
    monkeypatch.setattr(
        "hw.board.build.run_yosys",
        lambda script, cwd: (cwd / "design.json").write_text(
            json.dumps({"modules": {"pinned": {"cells": cells}}})
        ),
    )
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, "--board", "icebreaker", *SMALL, "--build-only")
    assert (status, out) == (2, "")
    assert err == (
        "python -m hw.flash: error: Design must have at most 5,280 "
        "look-up tables for iCEBreaker, not 5,281\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_list_names_every_board_with_its_cells(capsys):
    status, out, _ = run(capsys, "--list-boards")
    assert status == 0
    heading, *lines, note = out.splitlines()
    assert heading.startswith("board ")
    assert note == NOTE
    assert re.match(r"icebreaker .* 3x3\* \(2x2\)", lines[KEYS.index("icebreaker")])
    assert [line.split()[0] for line in lines] == KEYS
    assert re.match(r"ulx3s_85f +83,640 +156 +25 MHz", lines[3])
    status, out, _ = run(capsys, "--list-boards", "--json")
    first, *others = json.loads(out)
    assert len(others) == len(KEYS) - 1
    assert first["board"] == "ulx3s_12f"
    assert (first["luts"], first["dsps"], first["clock_mhz"]) == (24288, 28, 25)
    assert first["does_not_place"] == []


def test_arrays_that_could_not_be_placed():
    """On any board with the chip; every way in which it is mapped must have failed."""

    def record(array, dsp, *, fits=True, **where):
        return {
            "conditions": {"mac": "e4m3", "array": array, "dsp_blocks": dsp, **where},
            "metrics": {"fits": {"value": fits}, "array": {"value": array}},
        }

    room = [
        record("3x3", True, die="up5k"),
        record("3x3", False, die="up5k"),
        record("2x2", False, die="25k"),
    ]
    failed = [record("3x3", dsp, board="upduino_v3", fits=False) for dsp in (True, False)]
    assert unplaced(failed, room) == {("up5k", "e4m3")}
    assert unplaced(failed[:1], room) == unplaced([], room) == set()
    assert unplaced([*failed, record("3x3", False, board="icebreaker")], room) == set()
    other = [record("2x2", True, board="ulx3s_25f", fits=False)]
    assert unplaced([*failed, *other], room) == {("up5k", "e4m3")}
