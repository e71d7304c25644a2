# SPDX-License-Identifier: Apache-2.0
"""Requests over a line that may lose or corrupt bytes; each is repeated a few times if needed."""

import time
import zlib
from collections.abc import Callable, Iterator, Sequence
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
    """The board does not answer, or answers wrongly."""


class DeviceReset(DeviceError):
    """The board was reset after it was identified; data written before may be lost."""


class Refused(DeviceError):
    """The engine refused an access."""


#: Byte, and its replacement within a frame; the escape byte must come first.
_STUFFING = tuple((bytes([byte]), bytes([ESCAPE, byte ^ FLIP])) for byte in (ESCAPE, FLAG))
_CHECK_BYTES = CRC_BITS // 8
_HEAD_BYTES = 2
_FLAG = bytes([FLAG])


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer of a board; ``fresh``: the board was reset after the last IDENTIFY."""

    sequence: int
    code: int
    fresh: bool
    payload: bytes


def frame(sequence: int, command: int, payload: bytes = b"") -> bytes:
    """Bytes of a request, including the flags."""
    body = bytes([sequence, command]) + payload
    body += zlib.crc32(body).to_bytes(_CHECK_BYTES, "little")
    for byte, stuffed in _STUFFING:
        body = body.replace(byte, stuffed)
    return _FLAG + body + _FLAG


class Deframer:
    """Extracts replies from received bytes."""

    def __init__(self) -> None:
        self._rest = b""
        #: Number of corrupted frames.
        self.garbled = 0

    def push(self, data: bytes) -> list[Reply]:
        """Replies that these bytes complete; corrupted ones are counted."""
        *ended, self._rest = (self._rest + data).split(_FLAG)
        frames = [_unstuffed(stuffed) for stuffed in ended if stuffed]
        self.garbled += frames.count(None)
        return [reply for reply in frames if reply is not None]

    def clear(self) -> None:
        """Discard an incomplete frame."""
        self._rest = b""


def _unstuffed(stuffed: bytes) -> Reply | None:
    """Reply between two flags; None if it is corrupted."""
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


#: Attempts for a request.
TRIES = 8
#: Seconds of silence after which no more bytes will come; USB adapters hold bytes for 16 ms.
QUIET = 0.04
#: Longest wait for silence, in seconds.
NOISE = 2.0
#: Seconds to wait for a reply, beyond the time of its bytes: until the first answer, and later.
#: A simulated board is slow.
FIRST_PATIENCE, PATIENCE = 1.0, 2.0
#: Requests in a row without a single byte in reply, after which the board is given up.
SILENCES = 4
#: Bits per byte on the line, and factor by which the transfer may be slower.
BYTE_BITS, MARGIN = 10, 4

Words = npt.NDArray[np.uint32]


@dataclass(frozen=True, slots=True)
class _Part:
    """Words ``first`` to ``first + size - 1`` of a transfer, and their addresses."""

    address: int
    first: int
    size: int
    run: int
    stride: int

    @property
    def head(self) -> bytes:
        """First words of a request's payload."""
        return np.array([self.address, self.run | self.stride << 16], "<u4").tobytes()


def _parts(address: int, count: int, run: int, stride: int, room: int) -> Iterator[_Part]:
    """Parts of a transfer, at most ``room`` words each; only runs longer than that are cut."""
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
    """Connection that carries bytes."""

    baud: int

    def write(self, data: bytes) -> None:
        """Send bytes."""

    def read(self, seconds: float) -> bytes:
        """Received bytes, waiting for the first one for at most ``seconds``."""


class Exchange:
    """Sends one request at a time, with a number that the reply repeats.

    A late reply to an earlier attempt has another number and is dropped.

    Parameters
    ----------
    line
        Carries the bytes.
    waiting
        Called with a line of text when a request is sent again.
    """

    def __init__(self, line: Line, waiting: Callable[[str], None] = lambda text: None) -> None:
        self._line, self._deframer, self._waiting = line, Deframer(), waiting
        self._sequence, self._answered, self._heard = 0, False, False
        #: Number of requests that were sent again.
        self.repeated = 0

    def identify(self, *, tries: int = TRIES) -> Identity:
        """Identity of the board; after this, the board reports resets.

        Raises
        ------
        DeviceError
            If nothing answers.
        SpecError
            If the answer is not that of a board, or it has another protocol version.
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
        """Write words in runs of ``run`` words that start ``stride`` words apart."""
        data = np.asarray(words, "<u4").ravel()
        for part in _parts(address, data.size, run, stride, MAX_WORDS - WRITE_WORDS):
            self._ask(
                Command.WRITE,
                part.head + data[part.first : part.first + part.size].tobytes(),
                tries=tries,
            )

    def read(self, address: int, count: int, *, run: int = 1, stride: int = 1) -> Words:
        """Read words in runs of ``run`` words that start ``stride`` words apart."""
        words = []
        for part in _parts(address, count, run, stride, MAX_WORDS):
            head = part.head + part.size.to_bytes(WORD_BYTES, "little")
            payload = self._ask(Command.READ, head, reply_words=part.size)
            if len(payload) != part.size * WORD_BYTES:
                raise DeviceError(
                    f"Board answer must have {part.size * WORD_BYTES} bytes, not {len(payload)}"
                )
            words.append(np.frombuffer(payload, "<u4"))
        return np.concatenate(words)

    def _ask(
        self, command: Command, payload: bytes, *, reply_words: int = 0, tries: int = TRIES
    ) -> bytes:
        """Payload of the reply to a request."""
        silences = 0
        for attempt in range(tries):
            if attempt:
                self.repeated += 1
                self._waiting(f"no answer from the board: attempt {attempt + 1} of {tries}")
                self.settle()
            self._sequence = (self._sequence + 1) % 256
            sent = frame(self._sequence, command, payload)
            self._line.write(sent)
            reply = self._reply(len(sent) + reply_words * WORD_BYTES)
            silences = 0 if self._heard else silences + 1
            if silences == SILENCES:
                raise DeviceError(
                    f"The board is silent: {SILENCES} requests in a row had no answer; check its "
                    "power and cable, and load the bitstream again"
                )
            if reply is None or reply.code not in (Code.OK, Code.BUS):
                continue
            if reply.fresh and command is not Command.IDENTIFY:
                raise DeviceReset("The board was reset while it was in use")
            if reply.code == Code.BUS:
                raise Refused(f"The engine refused a {command.name}")
            return reply.payload
        raise DeviceError(f"The board did not answer {tries} requests")

    def _reply(self, size: int) -> Reply | None:
        """Reply to the last request; None if none arrives, or only a corrupted one."""
        wire = MARGIN * BYTE_BITS * size / self._line.baud
        end = time.monotonic() + (PATIENCE if self._answered else FIRST_PATIENCE) + wire
        garbled, self._heard = self._deframer.garbled, False
        while (left := end - time.monotonic()) > 0:
            data = self._line.read(left)
            self._heard |= bool(data)
            for reply in self._deframer.push(data):
                # In a report of a line error, the number may be corrupted too.
                self._answered = True
                if reply.sequence == self._sequence or reply.code not in (Code.OK, Code.BUS):
                    return reply
            if self._deframer.garbled != garbled:
                return None
        return None

    def settle(self) -> None:
        """End any open frame at the board, and drop received bytes until there is silence."""
        self._line.write(bytes([FLAG]))
        end = time.monotonic() + NOISE
        while self._line.read(QUIET) and time.monotonic() < end:
            pass
        self._deframer.clear()
