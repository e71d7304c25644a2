# SPDX-License-Identifier: Apache-2.0
"""A register map as data: hardware decodes it, documents and drivers are rendered from it.

Addresses count bytes, registers have 32 bits. The address space is cut into regions of one size:
the registers are region 0, each memory window is one of the regions behind it.
"""

from dataclasses import dataclass
from enum import Enum

__all__ = ["BUS_BITS", "BUS_BYTES", "Access", "Field", "Register", "RegisterMap", "Window"]

BUS_BITS = 32
BUS_BYTES = BUS_BITS // 8


class Access(Enum):
    """What a field does when it is written and read."""

    CONSTANT = "constant"  #: Reads as its value.
    STATUS = "status"  #: Reads as the hardware's state.
    STORED = "stored"  #: Keeps what is written; 0 after a reset.
    PULSE = "pulse"  #: Writing 1 acts once; reads as 0.
    STICKY = "sticky"  #: Set by the hardware, cleared by writing 1, by a start and by a reset.


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """Bits ``lsb + width - 1`` to ``lsb`` of a register."""

    name: str
    lsb: int
    width: int
    access: Access
    meaning: str
    value: int = 0

    @property
    def mask(self) -> int:
        """Bits of the field in its register."""
        return (1 << self.width) - 1 << self.lsb


@dataclass(frozen=True, kw_only=True, slots=True)
class Register:
    """One word of region 0; a ``locked`` one takes no write while the hardware is busy."""

    name: str
    fields: tuple[Field, ...]
    locked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A memory: ``depth`` words of ``width`` bits, each at a multiple of ``stride`` bytes.

    A word lies in ``lanes`` bus words, low bits first; ``writable`` ones cannot be read and the
    others not be written.
    """

    name: str
    region: int
    depth: int
    width: int
    writable: bool
    meaning: str

    @property
    def lanes(self) -> int:
        """Bus words that hold one word."""
        return -(-self.width // BUS_BITS)

    @property
    def lane_bits(self) -> int:
        """Bits of an address that choose the bus word within a word."""
        return (self.lanes - 1).bit_length()

    @property
    def stride(self) -> int:
        """Bytes from one word to the next, a power of two."""
        return BUS_BYTES << self.lane_bits


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterMap:
    """Registers and windows of one piece of hardware."""

    name: str
    registers: tuple[Register, ...]
    windows: tuple[Window, ...]

    @property
    def region_bits(self) -> int:
        """Bits of a byte address within a region."""
        sizes = [window.stride * window.depth for window in self.windows]
        return max(size - 1 for size in [*sizes, BUS_BYTES * len(self.registers)]).bit_length()

    @property
    def address_bits(self) -> int:
        """Bits of a byte address."""
        return self.region_bits + len(self.windows).bit_length()

    def offset(self, register: Register | str) -> int:
        """Byte address of a register."""
        names = [known.name for known in self.registers]
        return BUS_BYTES * names.index(register if isinstance(register, str) else register.name)

    def base(self, window: Window) -> int:
        """Byte address of a window."""
        return window.region << self.region_bits

    def field(self, register: str, name: str) -> Field:
        """Field of a register."""
        (found,) = (known for known in self.registers if known.name == register)
        (field,) = (known for known in found.fields if known.name == name)
        return field

    def window(self, name: str) -> Window:
        """Window of a name."""
        (found,) = (known for known in self.windows if known.name == name)
        return found
