# SPDX-License-Identifier: Apache-2.0
"""A board: a GEMM engine behind a serial line, and the protocol on that line.

Frames follow RFC 1662 (PPP in HDLC-like framing). A frame lies between two flag bytes. A flag or
escape byte inside it is sent as an escape byte, then the byte with bit 5 inverted. The last four
bytes are the 32-bit frame check sequence, low byte first. A flag always ends a frame, so a receiver
resynchronises after any garbage without a timeout. One corrupted frame in 2**32 passes the check;
with 16 bits it would be one in 65,536.

==========  =========================================================================
request     sequence, command, payload, check
reply       sequence of the request, code (perhaps with bit `FRESH`), payload, check
==========  =========================================================================

A payload is at most `MAX_WORDS` words of 32 bits, low byte first:

==========  ================================  ============================
command     request                           payload of an OK reply
==========  ================================  ============================
IDENTIFY    none                              an `Identity`
WRITE       address, run and stride, data...  none
READ        address, run and stride, count    that many words
==========  ================================  ============================

The address counts bytes. Words are transferred in runs of ``run`` consecutive addresses (low half
of the word "run and stride"); each run starts ``stride`` words (high half) after the start of the
previous one. A write takes effect after the whole frame has been checked. The host sends one
request at a time and waits for its reply.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

from hw.spec.errors import SpecError, require, require_int, shortened
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
#: Frame check sequence of RFC 1662; Ethernet and zlib use the same one.
CRC_BITS, CRC_POLYNOMIAL = 32, 0x04C11DB7
WORD_BYTES = 4
#: Words of a payload; with the check they fill the buffer of 256 words.
MAX_WORDS = 255
#: Words before the data of a WRITE request, and words in a READ request.
WRITE_WORDS, READ_WORDS = 2, 3
#: Incremented with each change that affects a host.
PROTOCOL_VERSION = 1
#: Bit of a reply's code: the board was reset after the last IDENTIFY.
FRESH = 0x80

_MAGIC = b"BMAC"
_HEAD = struct.Struct("<4sHHII32sI")


class Command(IntEnum):
    """Command of a request."""

    IDENTIFY = 1
    WRITE = 2
    READ = 3


class Code(IntEnum):
    """Status of a reply. If it is not OK, the payload is empty."""

    OK = 0
    CHECK = 1  #: The frame check sequence is wrong, or the frame is too long.
    FRAMING = 2  #: A byte had no stop bit.
    LENGTH = 3  #: Not a whole number of words, or a wrong number for the command.
    OVERRUN = 4  #: Bytes arrived while a request was being processed and were dropped.
    COMMAND = 5  #: Unknown command.
    BUS = 6  #: The engine refused an access; earlier accesses of the request took effect.


@dataclass(frozen=True, kw_only=True, slots=True)
class Identity:
    """What a board reports about itself.

    Parameters
    ----------
    spelling
        Spelling of the engine: the `str` of its spec.
    clock_hz, baud
        Clock of the engine, and bits per second on the line.
    digest
        SHA-256 of the spelling.
    version, max_words
        Version of the protocol, and largest number of words in a payload.
    """

    spelling: str
    clock_hz: int
    baud: int
    digest: bytes
    version: int = PROTOCOL_VERSION
    max_words: int = MAX_WORDS

    @classmethod
    def of(cls, spelling: str, clock_hz: int, baud: int) -> "Identity":
        """Identity of the engine with this spelling."""
        digest = hashlib.sha256(spelling.encode()).digest()
        return cls(spelling=spelling, clock_hz=clock_hz, baud=baud, digest=digest)

    def to_bytes(self) -> bytes:
        """Payload of a reply, padded to whole words."""
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
            If the payload is not an identity, or its digest does not match its spelling.
        """
        require(
            len(payload) >= _HEAD.size and payload.startswith(_MAGIC),
            "Board identity",
            f"a payload that starts with {_MAGIC.decode()}",
            payload[: len(_MAGIC)],
        )
        _, version, max_words, clock_hz, baud, digest, length = _HEAD.unpack_from(payload)
        require(version == PROTOCOL_VERSION, "Protocol version", str(PROTOCOL_VERSION), version)
        text = payload[_HEAD.size : _HEAD.size + length]
        require(
            hashlib.sha256(text).digest() == digest,
            "Board identity digest",
            "the SHA-256 of its spelling",
            digest.hex(),
        )
        try:
            spelling = text.decode()
        except UnicodeDecodeError as error:
            raise SpecError(f"Board spelling must be UTF-8, not {shortened(text)}") from error
        require_int("Board clock_hz", clock_hz, 1, MAX_CLOCK_HZ)
        return cls(
            spelling=spelling,
            clock_hz=clock_hz,
            baud=baud,
            digest=digest,
            version=version,
            max_words=max_words,
        )


#: A whole number of cycles at 12, 25, 27, 48 and 50 MHz, the usual clocks of boards.
DEFAULT_BAUD = 1_000_000

#: Cycles per bit: at least enough to sample near the middle, after a two-cycle synchroniser.
MIN_DIVIDER, MAX_DIVIDER = 4, 1 << 16
MAX_CLOCK_HZ = 1_000_000_000
#: Largest error of the baud rate, in percent. The errors of both ends must add up to less than 5,
#: or the tenth bit is sampled outside its time.
TOLERANCE = 2


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class BoardSpec(Described):
    """Engine behind a serial line: 8 data bits, no parity, one stop bit.

    Parameters
    ----------
    gemm
        The engine; its bus must be Wishbone.
    clock_hz
        The only clock, in Hz.
    baud
        Bits per second on the line. A bit takes at least 4 clock cycles, and the rate is within
        2 % of the clock divided by a whole number.
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
            meaning="clock of the design",
        ),
        Setting(key="baud", short="{}bd", meaning="bits per second on the serial line"),
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
            f"within {TOLERANCE} % of {self.clock_hz} Hz divided by a whole number",
            self.baud,
        )
        require(
            len(self.identity.to_bytes()) <= MAX_WORDS * WORD_BYTES,
            "Board engine",
            "an engine whose spelling fits in a frame",
            str(self.gemm),
        )

    @property
    def divider(self) -> int:
        """Clock cycles per bit."""
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
        """Latency of the engine; the serial line is far slower."""
        return self.gemm.latency

    @property
    def identity(self) -> Identity:
        """What the board reports about itself."""
        return Identity.of(str(self.gemm), self.clock_hz, self.baud)
