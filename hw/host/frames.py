# SPDX-License-Identifier: Apache-2.0
"""Frames as bytes, on the host's side; see `hw.spec.board`."""

import zlib
from dataclasses import dataclass

from hw.spec.board import CRC_BITS, ESCAPE, FLAG, FLIP, FRESH

__all__ = ["Deframer", "Reply", "frame"]

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
        found = [_reply(stuffed) for stuffed in ended if stuffed]
        self.garbled += found.count(None)
        return [reply for reply in found if reply is not None]

    def clear(self) -> None:
        """Forget the frame that has begun."""
        self._rest = b""


def _reply(stuffed: bytes) -> Reply | None:
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
