# SPDX-License-Identifier: Apache-2.0
"""Writes a bitstream to a board, and says in one line why that did not work."""

import shutil
import tempfile
from pathlib import Path

from hw.board.platforms import Board
from hw.board.tools import ToolError, call, required
from hw.spec.errors import SpecError

__all__ = ["program", "require_loader"]

#: What loaders print when the system does not let them, when there is no board, and when they are
#: too old for it or without its interface.
_REFUSED = ("LIBUSB_ERROR_ACCESS", "usb_open() failed", "Permission denied")
_ABSENT = ("device not found", "Can't find iCE FTDI USB device", "No device found",
           "No DFU capable USB device")
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
                call([part.format(bitstream=copy) for part in command.split()],
                     install=board.loader)
            except ToolError as error:
                raise _explained(board, error) from error


def _explained(board: Board, error: ToolError) -> Exception:
    """What a person can do about it, if that is known."""
    def says(*signs: str) -> bool:
        return any(sign in error.printed for sign in signs)

    if says(*_REFUSED):
        return SpecError(f"Board {board.key} must be open to this user, not refused: "
                         "`python -m hw.doctor` gives the USB rule")
    if says(*_UNKNOWN):
        return SpecError(f"Tool {error.tool} must know the board {board.key} "
                         f"(`{board.loader}`), not be without it")
    if says(*_ABSENT):
        return SpecError(f"Board {board.key} must be connected and ready, not missing on USB: "
                         f"{board.hands}")
    return error
