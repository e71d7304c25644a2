# SPDX-License-Identifier: Apache-2.0
"""What is on a board: a GEMM engine, the serial line that it is reached over, and the protocol.

The protocol between a host and an engine on a board: framing, commands, error codes, identity.

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

from hw.spec.errors import require, require_int
from hw.spec.gemm import Bus, GemmSpec
from hw.spec.settings import Described, Setting

__all__ = [
    "CRC_BITS",
    "CRC_POLYNOMIAL",
    "DEFAULT_BAUD",
    "ESCAPE",
    "FLAG",
    "FLIP",
    "FRESH",
    "MAX_WORDS",
    "MIN_DIVIDER",
    "PROTOCOL_VERSION",
    "READ_WORDS",
    "WORD_BYTES",
    "WRITE_WORDS",
    "BoardSpec",
    "Code",
    "Command",
    "Identity",
]

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
        head = _HEAD.pack(
            _MAGIC, self.version, self.max_words, self.clock_hz, self.baud, self.digest, len(text)
        )
        return head + text + bytes(-len(text) % WORD_BYTES)

    @classmethod
    def from_bytes(cls, payload: bytes) -> "Identity":
        """Identity in the payload of a reply.

        Raises
        ------
        SpecError
            If that is none, or its digest is not that of its spelling.
        """
        require(
            len(payload) >= _HEAD.size and payload.startswith(_MAGIC),
            "Identity",
            f"one that starts with {_MAGIC.decode()}",
            payload[: len(_MAGIC)],
        )
        _, version, max_words, clock_hz, baud, digest, length = _HEAD.unpack_from(payload)
        require(version == PROTOCOL_VERSION, "Protocol version", str(PROTOCOL_VERSION), version)
        text = payload[_HEAD.size : _HEAD.size + length]
        require(
            hashlib.sha256(text).digest() == digest,
            "Identity digest",
            "that of its spelling",
            digest.hex(),
        )
        return cls(
            spelling=text.decode(),
            clock_hz=clock_hz,
            baud=baud,
            digest=digest,
            version=version,
            max_words=max_words,
        )


#: A whole number of cycles at 12, 25, 27, 48 and 50 MHz, which boards have.
DEFAULT_BAUD = 1_000_000

#: Cycles of a bit: the middle of a bit must be told from its edges, two cycles go into a register.
MIN_DIVIDER, MAX_DIVIDER = 4, 1 << 16
MAX_CLOCK_HZ = 1_000_000_000
#: Share by which the line may be off, in percent: both ends' together must stay below 5 for the
#: tenth bit to be sampled within itself.
TOLERANCE = 2


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class BoardSpec(Described):
    """Engine behind a serial line, 8 data bits, no parity, one stop bit.

    Parameters
    ----------
    gemm
        The engine; its bus is Wishbone.
    clock_hz
        Clock of everything.
    baud
        Bits a second on the line; at least 4 clock cycles a bit, and within 2 % of a whole number.
    """

    gemm: GemmSpec
    clock_hz: int
    baud: int

    SETTINGS = (
        Setting(
            key="clock",
            attribute="clock_hz",
            metavar="HZ",
            short="{}hz",
            meaning="clock of everything",
        ),
        Setting(key="baud", short="{}bd", meaning="bits a second on the serial line"),
    )

    def __post_init__(self) -> None:
        require(isinstance(self.gemm, GemmSpec), "Board engine", "a GemmSpec", self.gemm)
        require(self.gemm.bus is Bus.WISHBONE, "Board bus", Bus.WISHBONE.value, self.gemm.bus.value)
        require_int("Board clock_hz", self.clock_hz, 1, MAX_CLOCK_HZ)
        require_int("Board baud", self.baud, 1, MAX_CLOCK_HZ)
        fastest, slowest = self.clock_hz // MIN_DIVIDER, -(-self.clock_hz // MAX_DIVIDER)
        require(
            slowest <= self.baud <= fastest,
            "Board baud",
            f"from {slowest} to {fastest} at {self.clock_hz} Hz",
            self.baud,
        )
        off = abs(self.divider * self.baud - self.clock_hz)
        require(
            100 * off <= TOLERANCE * self.clock_hz,
            "Board baud",
            f"within {TOLERANCE} % of {self.clock_hz} Hz over a whole number",
            self.baud,
        )
        require(
            len(self.identity.to_bytes()) <= MAX_WORDS * WORD_BYTES,
            "Board engine",
            "one whose spelling fits into a frame",
            str(self.gemm),
        )

    @property
    def divider(self) -> int:
        """Clock cycles of a bit."""
        return (2 * self.clock_hz + self.baud) // (2 * self.baud)

    @property
    def name(self) -> str:
        """Name of module and file."""
        engine = self.gemm.name.removeprefix("gemm_").removesuffix(f"_{self.gemm.bus.value}")
        return "_".join(["board", engine, *self.short_settings("clock", "baud")])

    @property
    def head(self) -> str:
        """The engine."""
        return str(self.gemm)

    @property
    def latency(self) -> int:
        """That of the engine; the line is slower by far."""
        return self.gemm.latency

    @property
    def identity(self) -> Identity:
        """What it says of itself."""
        return Identity.of(str(self.gemm), self.clock_hz, self.baud)
