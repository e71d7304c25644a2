# SPDX-License-Identifier: Apache-2.0
"""A serial line to a compiled model: bytes in and out, bit by bit, 8 data bits and a stop bit."""

import ctypes
import time

import numpy as np

from hw.spec.board import BoardSpec
from hw.spec.errors import require
from sim.rtl.model import Model

#: Most bytes that one call brings back.
ROOM = 1 << 16
#: Cycles in which nothing is going on on a board, after which nothing will.
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
    """Both ends of a line; time passes only in `exchange`.

    Parameters
    ----------
    model
        Design with the ports ``rx`` and ``tx``; it is reset, the line idle.
    divider
        Clock cycles of a bit.
    busy
        Output of the design that is high while an answer is to be waited for.
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
        """Reset the design, the line idle; what was on its way is gone."""
        idle = np.ones(cycles + 1, np.uint64)
        # A run leaves the inputs as they were in its last cycle.
        self._model.run({"rst": np.arange(cycles, -1, -1) > 0, "rx": idle}, outputs=())
        for name in ("send_left", "send_count", "take_left", "take_count"):
            setattr(self._line, name, 0)

    def disturb(self, chance: float, *, seed: int = 0) -> None:
        """From now on, invert the line going in during a cycle with this chance."""
        require(0 <= chance < 1, "Line chance", "from 0 to below 1", chance)
        self._line.noise, self._line.random = int(chance * 2**32), seed

    @property
    def wrong(self) -> int:
        """Bytes that came back without a stop bit."""
        return int(self._line.wrong)

    def exchange(self, data: bytes, *, idle: int, cycles: int = 1 << 40) -> bytes:
        """Send ``data``; gives what came back until nothing was busy for ``idle`` cycles.

        At the latest after ``cycles`` it ends, what has not been sent is dropped then.
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
    """A compiled board as the line that a driver talks over, without a port between them.

    Its time passes while bytes are on their way.

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
        received, self._waiting = self._waiting, b""
        if not received:
            time.sleep(0)
        return received
