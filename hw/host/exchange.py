# SPDX-License-Identifier: Apache-2.0
"""Requests over a line that may lose or garble anything, tried again a bounded number of times."""

import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hw.spec.board import (
    CRC_BITS,
    ESCAPE,
    FLAG,
    FLIP,
    FRESH,
    MAX_WORDS,
    WORD_BYTES,
    WRITE_WORDS,
    Code,
    Command,
    Identity,
)


class DeviceError(RuntimeError):
    """The board does not answer, or not as its engine must."""


class DeviceReset(DeviceError):
    """The board has been reset since it was identified: what was written may be gone."""


class Refused(DeviceError):
    """The engine refused an access."""


#: Byte, and what stands for it within a frame; the escape itself goes first.
_STUFFING = tuple((bytes([byte]), bytes([ESCAPE, byte ^ FLIP])) for byte in (ESCAPE, FLAG))
_CHECK_BYTES = CRC_BITS // 8
_HEAD_BYTES = 2
_FLAG = bytes([FLAG])


@dataclass(frozen=True, slots=True)
class Reply:
    """What a board answered; ``fresh`` tells that it has been reset since the last IDENTIFY."""

    sequence: int
    code: int
    fresh: bool
    payload: bytes


def frame(sequence: int, command: int, payload: bytes = b"") -> bytes:
    """A request, flags included."""
    body = bytes([sequence, command]) + payload
    body += zlib.crc32(body).to_bytes(_CHECK_BYTES, "little")
    for byte, stuffed in _STUFFING:
        body = body.replace(byte, stuffed)
    return _FLAG + body + _FLAG


class Deframer:
    """Replies out of bytes as they come."""

    def __init__(self) -> None:
        self._rest = b""
        #: Frames that were garbled.
        self.garbled = 0

    def push(self, data: bytes) -> list[Reply]:
        """Replies that these bytes complete; garbled ones are counted."""
        *ended, self._rest = (self._rest + data).split(_FLAG)
        frames = [_unstuffed(stuffed) for stuffed in ended if stuffed]
        self.garbled += frames.count(None)
        return [reply for reply in frames if reply is not None]

    def clear(self) -> None:
        """Forget the frame that has begun."""
        self._rest = b""


def _unstuffed(stuffed: bytes) -> Reply | None:
    """What is between two flags, unless it is garbled."""
    body = stuffed
    for byte, pair in reversed(_STUFFING):
        body = body.replace(pair, byte)
    if len(body) < _HEAD_BYTES + _CHECK_BYTES:
        return None
    body, check = body[:-_CHECK_BYTES], body[-_CHECK_BYTES:]
    if zlib.crc32(body).to_bytes(_CHECK_BYTES, "little") != check:
        return None
    code = body[1]
    return Reply(body[0], code & ~FRESH, bool(code & FRESH), body[_HEAD_BYTES:])


#: Times that a request is sent before the line counts as dead.
TRIES = 8
#: Seconds of silence after which nothing more is on its way: USB adapters hold bytes for 16 ms.
QUIET = 0.04
#: Seconds for which silence is waited for: a board that never stops is none.
NOISE = 2.0
#: Seconds for a reply beyond the time that its bytes take, before anything has answered and then:
#: a simulated board takes its time.
FIRST_PATIENCE, PATIENCE = 1.0, 10.0
#: Bits of a byte on the line, and how much longer than needed it may all take.
BYTE_BITS, MARGIN = 10, 4

Words = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class _Part:
    """Words ``first`` to ``first + size - 1`` of a transfer, and where they lie."""

    address: int
    first: int
    size: int
    run: int
    stride: int

    @property
    def head(self) -> bytes:
        """Start of a request's payload."""
        return np.array([self.address, self.run | self.stride << 16], "<u4").tobytes()


def _parts(address: int, count: int, run: int, stride: int, room: int) -> Iterator[_Part]:
    """A transfer in parts of at most ``room`` words; only a run that is longer is cut."""
    for line in range(0, count, run * max(1, room // run)):
        place = address + WORD_BYTES * stride * (line // run)
        if run <= room:
            yield _Part(place, line, min(room // run * run, count - line), run, stride)
            continue
        for first in range(line, min(line + run, count), room):
            yield _Part(
                place + WORD_BYTES * (first - line),
                first,
                min(room, line + run - first, count - first),
                1,
                1,
            )


class Line(Protocol):
    """What carries bytes."""

    baud: int

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self, seconds: float) -> bytes:
        """Whatever has come, waiting for the first byte for at most ``seconds``."""


class Exchange:
    """One request at a time, each with a number that its reply repeats.

    A reply to an earlier try, which comes late, has another number and is dropped.

    Parameters
    ----------
    line
        Carries the bytes.
    """

    def __init__(self, line: Line) -> None:
        self._line, self._deframer = line, Deframer()
        self._sequence, self._answered = 0, False
        #: Requests that were sent again.
        self.repeated = 0

    def identify(self, *, tries: int = TRIES) -> Identity:
        """What the board says of itself; from now on a reset is told.

        Raises
        ------
        DeviceError
            If nothing answers.
        SpecError
            If what answers is no board, or one with another protocol.
        """
        return Identity.from_bytes(
            self._ask(Command.IDENTIFY, b"", reply_words=MAX_WORDS, tries=tries)
        )

    def write(
        self,
        address: int,
        words: Sequence[int] | Words,
        *,
        run: int = 1,
        stride: int = 1,
        tries: int = TRIES,
    ) -> None:
        """Write words, ``run`` of them in a row, then on from ``stride`` words further."""
        data = np.asarray(words, "<u4").ravel()
        for part in _parts(address, data.size, run, stride, MAX_WORDS - WRITE_WORDS):
            self._ask(
                Command.WRITE,
                part.head + data[part.first : part.first + part.size].tobytes(),
                tries=tries,
            )

    def read(self, address: int, count: int, *, run: int = 1, stride: int = 1) -> Words:
        """Read words, ``run`` of them in a row, then on from ``stride`` words further."""
        words = []
        for part in _parts(address, count, run, stride, MAX_WORDS):
            head = part.head + part.size.to_bytes(WORD_BYTES, "little")
            payload = self._ask(Command.READ, head, reply_words=part.size)
            if len(payload) != part.size * WORD_BYTES:
                raise DeviceError(
                    f"Board must answer with {part.size * WORD_BYTES} bytes, not {len(payload)}"
                )
            words.append(np.frombuffer(payload, "<u4"))
        return np.concatenate(words)

    def _ask(
        self, command: Command, payload: bytes, *, reply_words: int = 0, tries: int = TRIES
    ) -> bytes:
        """Payload of the reply to a request."""
        for attempt in range(tries):
            if attempt:
                self.repeated += 1
                self.settle()
            self._sequence = (self._sequence + 1) % 256
            sent = frame(self._sequence, command, payload)
            self._line.write(sent)
            reply = self._reply(len(sent) + reply_words * WORD_BYTES)
            if reply is None or reply.code not in (Code.OK, Code.BUS):
                continue
            if reply.fresh and command is not Command.IDENTIFY:
                raise DeviceReset("Board must not be reset while it is used, and was")
            if reply.code == Code.BUS:
                raise Refused(f"Engine must take a {command.name}, and refuses it")
            return reply.payload
        raise DeviceError(f"Board must answer one of {tries} requests, and does not")

    def _reply(self, size: int) -> Reply | None:
        """The reply that is waited for; None if it does not come whole or tells of a wrong line."""
        wire = MARGIN * BYTE_BITS * size / self._line.baud
        end = time.monotonic() + (PATIENCE if self._answered else FIRST_PATIENCE) + wire
        garbled = self._deframer.garbled
        while (left := end - time.monotonic()) > 0:
            for reply in self._deframer.push(self._line.read(left)):
                # What is wrong with the line may have hit the number too.
                self._answered = True
                if reply.sequence == self._sequence or reply.code not in (Code.OK, Code.BUS):
                    return reply
            if self._deframer.garbled != garbled:
                return None
        return None

    def settle(self) -> None:
        """End whatever the board still waits for, and drop what comes until nothing does."""
        self._line.write(bytes([FLAG]))
        end = time.monotonic() + NOISE
        while self._line.read(QUIET) and time.monotonic() < end:
            pass
        self._deframer.clear()
