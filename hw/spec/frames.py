# SPDX-License-Identifier: Apache-2.0
"""The protocol between a host and an engine on a board: framing, commands, error codes, identity.

Framing is that of RFC 1662 (PPP in HDLC-like framing): a frame lies between two flags, a flag or
an escape inside it becomes an escape and the byte with bit 5 inverted, and the last four bytes are
the 32-bit frame check sequence, low byte first. A flag ends whatever was going on, so that a
receiver is in step again after any garbage without a clock of its own. Of garbled frames one in
2**32 passes as good; with 16 bits it would be one in 65,536.

==========  =========================================================================
request     sequence, command, payload, check
reply       sequence of the request, code, payload, check; code has `FRESH` on top of it
==========  =========================================================================

A payload is at most `MAX_WORDS` words of 32 bits, low byte first:

==========  ================================  ============================
command     request                           payload of a good reply
==========  ================================  ============================
IDENTIFY    none                              an `Identity`
WRITE       address, run and stride, data...  none
READ        address, run and stride, count    that many words
==========  ================================  ============================

The address counts bytes. Words go to or come from ``run`` addresses in a row (low half of the word
"run and stride"), then go on ``stride`` words (high half) behind the first of them. A write is done
when the whole frame has been checked. Whoever asks has one request under way at a time.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

from hw.spec.errors import require

__all__ = ["CRC_BITS", "CRC_POLYNOMIAL", "ESCAPE", "FLAG", "FLIP", "FRESH", "MAX_WORDS",
           "PROTOCOL_VERSION", "READ_WORDS", "WORD_BYTES", "WRITE_WORDS", "Code", "Command",
           "Identity"]

FLAG, ESCAPE, FLIP = 0x7E, 0x7D, 0x20
#: Frame check sequence of RFC 1662, which is that of Ethernet and of zlib.
CRC_BITS, CRC_POLYNOMIAL = 32, 0x04C11DB7
WORD_BYTES = 4
#: Words of a payload; with the check they fill the buffer of 256 words.
MAX_WORDS = 255
#: Words before the data of a WRITE, and of a whole READ.
WRITE_WORDS, READ_WORDS = 2, 3
#: Grows with each change that a host has to know.
PROTOCOL_VERSION = 1
#: Bit of a reply's code: a reset has happened since the last IDENTIFY.
FRESH = 0x80

_MAGIC = b"BMAC"
_HEAD = struct.Struct("<4sHHII32sI")


class Command(IntEnum):
    """What is asked for."""

    IDENTIFY = 1
    WRITE = 2
    READ = 3


class Code(IntEnum):
    """How it went; of whatever is not OK nothing counts, and the payload is empty."""

    OK = 0
    CHECK = 1  #: The frame's check does not fit; nor does that of a frame which is too long.
    FRAMING = 2  #: A byte had no stop bit.
    LENGTH = 3  #: No whole words, or not as many as the command takes.
    OVERRUN = 4  #: Bytes came while a request was under way, and were dropped.
    COMMAND = 5  #: There is no such command.
    BUS = 6  #: The engine refused an access; those before it were done.


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What a board says of itself.

    Parameters
    ----------
    spelling
        Of the engine, as `str` of its spec gives it.
    clock_hz, baud
        Clock of the engine and bits a second of the line.
    digest
        SHA-256 of the spelling.
    version, max_words
        Of the protocol, and of a payload.
    """

    spelling: str
    clock_hz: int
    baud: int
    digest: bytes
    version: int = PROTOCOL_VERSION
    max_words: int = MAX_WORDS

    @classmethod
    def of(cls, spelling: str, clock_hz: int, baud: int) -> "Identity":
        """Identity of an engine of this spelling."""
        digest = hashlib.sha256(spelling.encode()).digest()
        return cls(spelling=spelling, clock_hz=clock_hz, baud=baud, digest=digest)

    def to_bytes(self) -> bytes:
        """Payload of a reply, whole words."""
        text = self.spelling.encode()
        head = _HEAD.pack(_MAGIC, self.version, self.max_words, self.clock_hz, self.baud,
                          self.digest, len(text))
        return head + text + bytes(-len(text) % WORD_BYTES)

    @classmethod
    def from_bytes(cls, payload: bytes) -> "Identity":
        """Identity in the payload of a reply.

        Raises
        ------
        SpecError
            If that is none, or its digest is not that of its spelling.
        """
        require(len(payload) >= _HEAD.size and payload.startswith(_MAGIC), "Identity",
                f"one that starts with {_MAGIC.decode()}", payload[:len(_MAGIC)])
        _, version, max_words, clock_hz, baud, digest, length = _HEAD.unpack_from(payload)
        require(version == PROTOCOL_VERSION, "Protocol version", str(PROTOCOL_VERSION), version)
        text = payload[_HEAD.size:_HEAD.size + length]
        require(hashlib.sha256(text).digest() == digest, "Identity digest",
                "that of its spelling", digest.hex())
        return cls(spelling=text.decode(), clock_hz=clock_hz, baud=baud, digest=digest,
                   version=version, max_words=max_words)
