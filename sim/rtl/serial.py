# SPDX-License-Identifier: Apache-2.0
"""Serial line to a compiled model, simulated bit by bit: 8 data bits, 1 stop bit."""

import ctypes
import time

import numpy as np

from hw.spec.board import BoardSpec
from hw.spec.errors import require
from sim.rtl.model import Model

#: Most bytes that one call returns.
ROOM = 1 << 16
#: Idle cycles after which a board sends nothing more.
IDLE = 64


class _Line(ctypes.Structure):
    """Layout of ``struct Line`` in harness.cpp."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            "rx",
            "tx",
            "busy",
            "divider",
            "sending",
            "send_left",
            "send_count",
            "taking",
            "take_left",
            "take_count",
            "wrong",
            "pad",
        )
    ] + [("noise", ctypes.c_uint64), ("random", ctypes.c_uint64)]


class SerialLine:
    """Both ends of a line. Time passes only in `exchange`.

    Parameters
    ----------
    model
        Design with the ports ``rx`` and ``tx``. It is reset, with the line idle.
    divider
        Clock cycles per bit.
    busy
        Output of the design that is high while it works on an answer.
    """

    def __init__(self, model: Model, divider: int, *, busy: str) -> None:
        require(divider >= 2, "Line divider", "2 or more", divider)
        self.cycles = 0
        self._line = _Line(
            divider=divider, rx=model.index["rx"], tx=model.index["tx"], busy=model.index[busy]
        )
        self._model = model
        self.reset()

    def reset(self, cycles: int = 4) -> None:
        """Reset the design with the line idle. Bytes in transit are lost."""
        idle = np.ones(cycles + 1, np.uint64)
        # A run leaves the inputs as in its last cycle.
        self._model.run({"rst": np.arange(cycles, -1, -1) > 0, "rx": idle}, outputs=())
        for name in ("send_left", "send_count", "take_left", "take_count"):
            setattr(self._line, name, 0)

    def disturb(self, chance: float, *, seed: int = 0) -> None:
        """From now on, invert the input line in each cycle with this probability."""
        require(0 <= chance < 1, "Line chance", "from 0 to below 1", chance)
        self._line.noise, self._line.random = int(chance * 2**32), seed

    @property
    def wrong(self) -> int:
        """Number of received bytes without a stop bit."""
        return int(self._line.wrong)

    def exchange(self, data: bytes, *, idle: int, cycles: int = 1 << 40) -> bytes:
        """Send ``data``. Returns the bytes received until all was idle for ``idle`` cycles.

        Ends after ``cycles`` at the latest; bytes that are not sent by then are dropped.
        """
        room = ctypes.create_string_buffer(ROOM)
        sent, received = ctypes.c_int64(0), b""
        while True:
            taken = ctypes.c_int64(0)
            ran = self._model.code.bench_line(
                self._model.bench,
                ctypes.byref(self._line),
                data,
                ctypes.c_int64(len(data)),
                ctypes.byref(sent),
                room,
                ctypes.c_int64(ROOM),
                ctypes.byref(taken),
                ctypes.c_int64(idle),
                ctypes.c_int64(cycles),
            )
            self.cycles += ran
            cycles -= ran
            received += room.raw[: taken.value]
            if taken.value < ROOM:
                return received


class BoardLine:
    """A compiled board as the serial line of a driver, without a real port.

    Time passes only while bytes are in transit.

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
        """Bytes received so far; no more will come."""
        received, self._waiting = self._waiting, b""
        if not received:
            time.sleep(0)
        return received
