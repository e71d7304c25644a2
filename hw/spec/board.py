# SPDX-License-Identifier: Apache-2.0
"""What is on a board: a GEMM engine and the serial line that it is reached over."""

from dataclasses import dataclass

from hw.spec.errors import require, require_int
from hw.spec.frames import MAX_WORDS, WORD_BYTES, Identity
from hw.spec.gemm import Bus, GemmSpec

__all__ = ["DEFAULT_BAUD", "MIN_DIVIDER", "BoardSpec"]

#: A whole number of cycles at 12, 25, 27, 48 and 50 MHz, which boards have.
DEFAULT_BAUD = 1_000_000

#: Cycles of a bit: the middle of a bit must be told from its edges, two cycles go into a register.
MIN_DIVIDER, MAX_DIVIDER = 4, 1 << 16
MAX_CLOCK_HZ = 1_000_000_000
#: Share by which the line may be off, in percent: both ends' together must stay below 5 for the
#: tenth bit to be sampled within itself.
TOLERANCE = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class BoardSpec:
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

    def __post_init__(self) -> None:
        require(isinstance(self.gemm, GemmSpec), "Board engine", "a GemmSpec", self.gemm)
        require(self.gemm.bus is Bus.WISHBONE, "Board bus", Bus.WISHBONE.value, self.gemm.bus.value)
        require_int("Board clock_hz", self.clock_hz, 1, MAX_CLOCK_HZ)
        require_int("Board baud", self.baud, 1, MAX_CLOCK_HZ)
        fastest, slowest = self.clock_hz // MIN_DIVIDER, -(-self.clock_hz // MAX_DIVIDER)
        require(slowest <= self.baud <= fastest, "Board baud",
                f"from {slowest} to {fastest} at {self.clock_hz} Hz", self.baud)
        off = abs(self.divider * self.baud - self.clock_hz)
        require(100 * off <= TOLERANCE * self.clock_hz, "Board baud",
                f"within {TOLERANCE} % of {self.clock_hz} Hz over a whole number", self.baud)
        require(len(self.identity.to_bytes()) <= MAX_WORDS * WORD_BYTES, "Board engine",
                "one whose spelling fits into a frame", str(self.gemm))

    @property
    def divider(self) -> int:
        """Clock cycles of a bit."""
        return (2 * self.clock_hz + self.baud) // (2 * self.baud)

    @property
    def name(self) -> str:
        """Name of module and file."""
        engine = self.gemm.name.removeprefix("gemm_").removesuffix(f"_{self.gemm.bus.value}")
        return f"board_{engine}_{self.clock_hz}hz_{self.baud}bd"

    def __str__(self) -> str:
        """Spelling for messages."""
        return f"{self.gemm},clock={self.clock_hz},baud={self.baud}"

    @property
    def latency(self) -> int:
        """That of the engine; the line is slower by far."""
        return self.gemm.latency

    @property
    def identity(self) -> Identity:
        """What it says of itself."""
        return Identity.of(str(self.gemm), self.clock_hz, self.baud)
