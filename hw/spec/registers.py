# SPDX-License-Identifier: Apache-2.0
"""A register map as data: the source for the hardware, the documents and the drivers.

Addresses count bytes, registers have 32 bits. The address space consists of regions of equal size:
region 0 holds the registers, each later region one memory window. `gemm_map` returns the map of a
GEMM engine.
"""

from dataclasses import dataclass
from enum import Enum

from hw.spec.errors import counted, require
from hw.spec.gemm import GemmSpec
from hw.spec.outputs import Scale

BUS_BITS = 32
BUS_BYTES = BUS_BITS // 8


class Access(Enum):
    """What a field does when it is written or read."""

    CONSTANT = "constant"  #: Reads as its value.
    STATUS = "status"  #: Reads as the state of the hardware.
    STORED = "stored"  #: Stores the value written; 0 after a reset.
    PULSE = "pulse"  #: Writing 1 triggers once; reads as 0.
    STICKY = "sticky"  #: Set by the hardware; cleared by writing 1, by a start or by a reset.


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
        """Mask of the field within its register."""
        return (1 << self.width) - 1 << self.lsb


@dataclass(frozen=True, kw_only=True, slots=True)
class Register:
    """One word of region 0; a ``locked`` one refuses writes while the hardware is busy."""

    name: str
    fields: tuple[Field, ...]
    locked: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Window:
    """A memory: ``depth`` words of ``width`` bits, each at a multiple of ``stride`` bytes.

    A word takes ``lanes`` bus words, low bits first. A ``writable`` memory is write-only, any other
    is read-only.
    """

    name: str
    region: int
    depth: int
    width: int
    writable: bool
    meaning: str

    @property
    def lanes(self) -> int:
        """Bus words per word."""
        return -(-self.width // BUS_BITS)

    @property
    def lane_bits(self) -> int:
        """Address bits that select the bus word within a word."""
        return (self.lanes - 1).bit_length()

    @property
    def stride(self) -> int:
        """Bytes from one word to the next, a power of two."""
        return BUS_BYTES << self.lane_bits


@dataclass(frozen=True, kw_only=True, slots=True)
class RegisterMap:
    """Registers and windows of one hardware unit."""

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
        """Field by name."""
        (entry,) = (known for known in self.registers if known.name == register)
        (field,) = (known for known in entry.fields if known.name == name)
        return field

    def window(self, name: str) -> Window:
        """Window by name."""
        (entry,) = (known for known in self.windows if known.name == name)
        return entry


MAGIC = int.from_bytes(b"GEMM", "big")
#: Incremented with each change that affects a driver.
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
                meaning="with start: the next product continues K; the sums stay in the array, "
                "C is not written; needs a C of one tile",
            ),
        ),
    ),
    Register(
        name="STATUS",
        fields=(
            Field(
                name="busy", lsb=0, width=1, access=Access.STATUS, meaning="a product is running"
            ),
            Field(
                name="done", lsb=1, width=1, access=Access.STICKY, meaning="a product has finished"
            ),
            Field(
                name="held",
                lsb=2,
                width=1,
                access=Access.STATUS,
                meaning="the array holds sums, and the next product adds to them",
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
                meaning="access refused because a product was running; the product continues",
            ),
            Field(
                name="hold",
                lsb=5,
                width=1,
                access=Access.STICKY,
                meaning="start refused: hold is set and C has more than one tile",
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
                meaning="irq is 1 while STATUS.done is 1",
            ),
            Field(
                name="error",
                lsb=1,
                width=1,
                access=Access.STORED,
                meaning="irq is 1 while any bit of ERROR is 1",
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
                meaning="clock cycles of the last product, from the write to start to done",
            ),
        ),
    ),
)


def gemm_map(spec: GemmSpec) -> RegisterMap:
    """Register map of the engine.

    Raises
    ------
    SpecError
        If an address would need more than 32 bits.
    """
    table = RegisterMap(
        name=spec.name,
        registers=(*_identity(spec), *_STATE, *_settings(spec)),
        windows=_windows(spec),
    )
    require(
        table.address_bits <= BUS_BITS,
        "GEMM depths",
        f"small enough for addresses of {BUS_BITS} bits",
        spec.depths,
    )
    return table


def steps_text(steps: int) -> str:
    """Formula for the words that K takes, with ``steps`` values per word."""
    return "K" if steps == 1 else f"ceil(K / {steps})"


def _whole(
    name: str, access: Access, meaning: str, *, width: int = BUS_BITS, value: int = 0
) -> Register:
    """Register of one field; it is locked if it stores a value."""
    field = Field(
        name=name.lower(), lsb=0, width=width, access=access, meaning=meaning, value=value
    )
    return Register(name=name, fields=(field,), locked=access is Access.STORED)


def _identity(spec: GemmSpec) -> tuple[Register, ...]:
    """Registers that identify the engine."""
    return tuple(
        _whole(name, Access.CONSTANT, meaning, value=value)
        for name, value, meaning in (
            ("MAGIC", MAGIC, "ASCII letters GEMM, G in the high byte"),
            ("VERSION", MAP_VERSION, "version of this register map"),
            ("DIGEST", spec.digest, "first 32 bits of the SHA-256 of the engine's spelling"),
        )
    )


def _settings(spec: GemmSpec) -> tuple[Register, ...]:
    """Sizes of a product, and inputs of the output stages."""
    out = spec.array.out
    settings = [_whole(name, Access.STORED, meaning) for name, meaning in _SIZES.items()]
    if out and out.scale_bits:
        scale = {Scale.POW2: "exponent of the power of two", Scale.FP32: "binary32 number"}
        settings.append(
            _whole(
                "SCALE",
                Access.STORED,
                width=out.scale_bits,
                meaning=(f"{scale[out.scale]} by which every sum is multiplied"),
            )
        )
    if out and out.zero_point_bits:
        settings.append(
            _whole(
                "ZERO_POINT",
                Access.STORED,
                "integer code that means zero",
                width=out.zero_point_bits,
            )
        )
    return tuple(settings)


def _values(steps: int) -> str:
    """Values of k in a word."""
    return "k = t" if steps == 1 else f"{steps} values of k starting at {steps} * t"


def _inside(steps: int, line: str) -> str:
    """Order of the values of k within a row or column."""
    return "" if steps == 1 else f", k ascending within {line}"


def _a_meaning(rows: int, steps: int) -> str:
    """What a word of A holds."""
    word = f"word {steps_text(steps)} * i + t"
    if rows == 1:
        order = "" if steps == 1 else "; the lowest k in the low bits"
        return f"{word}: row i of A, {_values(steps)}{order}"
    return (
        f"{word}: {rows} rows of A starting at {rows} * i, {_values(steps)}; the first row in "
        f"the low bits{_inside(steps, 'a row')}"
    )


def _windows(spec: GemmSpec) -> tuple[Window, ...]:
    """Memory windows."""
    array = spec.array
    cols, lanes, beats = array.cols, array.mac.lanes, steps_text(array.mac.lanes)
    flags = (
        f"; above the slots, {counted(array.flag_bits, 'flag bit')} per column"
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
                f"word {beats} * j + t: {cols} columns of B starting at {cols} * j, "
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
                f"word ceil(N / {cols}) * i + j: row i of C, {cols} columns starting at "
                f"{cols} * j; the first column in the low bits, each in a slot of "
                f"{array.slot_width} bits{flags}; columns beyond N are padding, to be ignored"
            ),
        ),
    )
