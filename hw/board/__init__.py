# SPDX-License-Identifier: Apache-2.0
"""FPGA boards: what is on them, and the way from Verilog to a bitstream on one.

What goes onto one is `hw.board.top.BoardTop`. Nothing here needs Amaranth until it is asked for
hardware, so that what is missing can be told.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from hw.spec import GemmSpec

if TYPE_CHECKING:
    from hw.board.emission import Emitted

__all__ = ["emit"]


def emit(spec: GemmSpec, clock_hz: int, baud: int, out: str | Path) -> "Emitted":
    """Write the Verilog of a board into the folder ``out``, see `hw.board.emission.emit`."""
    from hw.board import emission

    return emission.emit(spec, clock_hz, baud, out)
