# SPDX-License-Identifier: Apache-2.0
"""A compiled board as the line that a driver talks over, without a port between them."""

import time

from hw.spec.board import BoardSpec
from sim.rtl.line import SerialLine
from sim.rtl.model import Model

__all__ = ["BoardLine"]

#: Cycles in which nothing is going on, after which nothing will.
IDLE = 64


class BoardLine:
    """Bytes to the board and back; its time passes while bytes are on their way.

    Parameters
    ----------
    model
        Compiled board.
    spec
        What it was generated from.
    """

    def __init__(self, model: Model, spec: BoardSpec) -> None:
        self.baud = spec.baud
        self.serial = SerialLine(model, spec.divider, busy="active")
        self._waiting = b""

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._waiting += self.serial.exchange(data, idle=IDLE)

    def read(self, seconds: float) -> bytes:
        """Whatever has come; nothing comes later."""
        found, self._waiting = self._waiting, b""
        if not found:
            time.sleep(0)
        return found
