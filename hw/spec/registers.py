# SPDX-License-Identifier: Apache-2.0
"""A register map as data: hardware decodes it, documents and drivers are rendered from it.

Addresses count bytes, registers have 32 bits. The address space is cut into regions of one size:
the registers are region 0, each memory window is one of the regions behind it.
`gemm_map` is the one of a GEMM engine.
"""

from dataclasses import dataclass
from enum import Enum

from hw.spec.errors import require
from hw.spec.gemm import GemmSpec
from hw.spec.outputs import Scale

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


MAGIC = int.from_bytes(b"GEMM", "big")
#: Grows with each change that a driver has to know.
MAP_VERSION = 2

_SIZES = {"M": "rows of A and of C", "K": "columns of A, rows of B", "N": "columns of B and of C"}

_STATE = (
    Register(
        name="CONTROL",
        locked=True,
        fields=(
            Field(
                name="start",
                lsb=0,
                width=1,
                access=Access.PULSE,
                meaning="start a product with the sizes in M, K and N",
            ),
            Field(
                name="hold",
                lsb=1,
                width=1,
                access=Access.PULSE,
                meaning="with start: K goes on in the next product; the sums of the one tile of C "
                "stay in the array, C is not written",
            ),
        ),
    ),
    Register(
        name="STATUS",
        fields=(
            Field(
                name="busy", lsb=0, width=1, access=Access.STATUS, meaning="a product is running"
            ),
            Field(name="done", lsb=1, width=1, access=Access.STICKY, meaning="a product has ended"),
            Field(
                name="held",
                lsb=2,
                width=1,
                access=Access.STATUS,
                meaning="the array holds sums that the next product adds to",
            ),
        ),
    ),
    Register(
        name="ERROR",
        fields=(
            Field(
                name="zero",
                lsb=0,
                width=1,
                access=Access.STICKY,
                meaning="start refused: M, K or N is 0",
            ),
            Field(
                name="size_a",
                lsb=1,
                width=1,
                access=Access.STICKY,
                meaning="start refused: A does not fit its memory",
            ),
            Field(
                name="size_b",
                lsb=2,
                width=1,
                access=Access.STICKY,
                meaning="start refused: B does not fit its memory",
            ),
            Field(
                name="size_c",
                lsb=3,
                width=1,
                access=Access.STICKY,
                meaning="start refused: C does not fit its memory",
            ),
            Field(
                name="busy",
                lsb=4,
                width=1,
                access=Access.STICKY,
                meaning="access refused while a product was running, which goes on",
            ),
            Field(
                name="hold",
                lsb=5,
                width=1,
                access=Access.STICKY,
                meaning="start refused: more than one tile of C would stay in the array",
            ),
        ),
    ),
    Register(
        name="IRQ_ENABLE",
        fields=(
            Field(
                name="done",
                lsb=0,
                width=1,
                access=Access.STORED,
                meaning="irq is 1 while STATUS.done is",
            ),
            Field(
                name="error",
                lsb=1,
                width=1,
                access=Access.STORED,
                meaning="irq is 1 while any bit of ERROR is",
            ),
        ),
    ),
    Register(
        name="CYCLES",
        fields=(
            Field(
                name="cycles",
                lsb=0,
                width=BUS_BITS,
                access=Access.STATUS,
                meaning="clock cycles from the write that starts to done, of the last product",
            ),
        ),
    ),
)


def gemm_map(spec: GemmSpec) -> RegisterMap:
    """Register map of the engine.

    Raises
    ------
    SpecError
        If an address would have more bits than a bus carries.
    """
    table = RegisterMap(
        name=spec.name,
        registers=(*_identity(spec), *_STATE, *_settings(spec)),
        windows=_windows(spec),
    )
    require(
        table.address_bits <= BUS_BITS,
        "GEMM depths",
        f"those of memories within {BUS_BITS} bits of address",
        spec.depths,
    )
    return table


def steps_text(steps: int) -> str:
    """Words that K takes, ``steps`` values each, as a formula."""
    return "K" if steps == 1 else f"ceil(K / {steps})"


def _whole(
    name: str, access: Access, meaning: str, *, width: int = BUS_BITS, value: int = 0
) -> Register:
    """Register of one field; what it stores is locked."""
    field = Field(
        name=name.lower(), lsb=0, width=width, access=access, meaning=meaning, value=value
    )
    return Register(name=name, fields=(field,), locked=access is Access.STORED)


def _identity(spec: GemmSpec) -> tuple[Register, ...]:
    """What a driver reads first."""
    return tuple(
        _whole(name, Access.CONSTANT, meaning, value=value)
        for name, value, meaning in (
            ("MAGIC", MAGIC, "the letters GEMM, G in the high byte"),
            ("VERSION", MAP_VERSION, "version of this register map"),
            ("DIGEST", spec.digest, "first 32 bits of the SHA-256 of the engine's spelling"),
        )
    )


def _settings(spec: GemmSpec) -> tuple[Register, ...]:
    """Sizes, and what the output stages take."""
    out = spec.array.out
    settings = [_whole(name, Access.STORED, meaning) for name, meaning in _SIZES.items()]
    if out and out.scale_bits:
        scale = {Scale.POW2: "exponent of the power of two", Scale.FP32: "binary32 number"}
        settings.append(
            _whole(
                "SCALE",
                Access.STORED,
                width=out.scale_bits,
                meaning=(f"{scale[out.scale]} that every sum is multiplied by"),
            )
        )
    if out and out.zero_point_bits:
        settings.append(
            _whole(
                "ZERO_POINT",
                Access.STORED,
                "integer code that stands for zero",
                width=out.zero_point_bits,
            )
        )
    return tuple(settings)


def _values(steps: int) -> str:
    """Values of k in a word."""
    return "value t of k" if steps == 1 else f"{steps} values of k from {steps} * t on"


def _inside(steps: int, line: str) -> str:
    """Their order within a line of a matrix."""
    return "" if steps == 1 else f", k ascending within {line}"


def _a_meaning(rows: int, steps: int) -> str:
    """What a word of A holds."""
    word = f"word {steps_text(steps)} * i + t"
    if rows == 1:
        order = "" if steps == 1 else "; k ascending from the low bits on"
        return f"{word}: row i of A at {_values(steps)}{order}"
    return (
        f"{word}: {rows} rows of A from {rows} * i on at {_values(steps)}; the first row in "
        f"the low bits{_inside(steps, 'a row')}"
    )


def _windows(spec: GemmSpec) -> tuple[Window, ...]:
    """Memories."""
    array = spec.array
    cols, lanes, beats = array.cols, array.mac.lanes, steps_text(array.mac.lanes)
    flags = (
        f"; above the slots {array.flag_bits} bit(s) of flags for each column"
        if array.flag_bits
        else ""
    )
    return (
        Window(
            name="A",
            region=1,
            depth=spec.depth_a,
            width=spec.a_width,
            writable=True,
            meaning=_a_meaning(*array.schedule.a_block),
        ),
        Window(
            name="B",
            region=2,
            depth=spec.depth_b,
            width=spec.b_width,
            writable=True,
            meaning=(
                f"word {beats} * j + t: {cols} columns of B from {cols} * j on at "
                f"{_values(lanes)}; the first column in the low bits{_inside(lanes, 'a column')}"
            ),
        ),
        Window(
            name="C",
            region=3,
            depth=spec.depth_c,
            width=spec.c_width,
            writable=False,
            meaning=(
                f"word ceil(N / {cols}) * i + j: {cols} columns from {cols} * j on of row "
                "i of C; the first column in the low bits, each in a slot of "
                f"{array.slot_width} bits{flags}; columns beyond N are sums of zeros"
            ),
        ),
    )
