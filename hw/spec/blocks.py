# SPDX-License-Identifier: Apache-2.0
"""Sums in blocks: a narrow inner sum per block, an optional scale, and an outer sum of the blocks.

This one idea covers the promotion of tensor-core sums every 128 products, OCP MX and NVFP4 with a
scale on every 32 or 16 numbers, and integer units whose narrow sums are added to a wide one.
"""

from dataclasses import dataclass, replace
from enum import Enum

from hw.spec.accumulators import (
    Accumulator,
    Adder,
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    Shared,
)
from hw.spec.catalog import CATALOG
from hw.spec.errors import require, require_int
from hw.spec.formats import Format, Kind, Unpacked

MAX_BLOCK = 65536
#: Registers in the floating-point adder at the edge of an array: one before it, three inside.
EDGE_PIPELINE = 4


class ScaleOrder(Enum):
    """Where the scaled sum of a block is rounded; ``p`` is the inner sum, ``acc`` the outer one."""

    EXACT = "exact"  #: ``acc = round(acc + p * sa * sb)``
    PRODUCT = "product"  #: ``acc = round(acc + p * fl32(sa * sb))``
    A_FIRST = "a-first"  #: ``acc = round(acc + fl32(p * sa) * sb)``


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class BlockScale:
    """Scale of a block of operands. It is not an operand format: e8m0 has no zero.

    Parameters
    ----------
    name
        Spelling on the command line.
    fmt
        Format of the code's magnitude; None for a power of two ``2**(code - bias)``.
    width
        Bits of a code. Bits above those of ``fmt`` are ignored.
    order
        Where the scaled sum is rounded.
    bias
        Exponent bias of a power of two, whose all-ones code is NaN.
    """

    name: str
    fmt: Format | None
    width: int
    order: ScaleOrder
    bias: int = 0

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"BlockScale({self.name!r})"

    @property
    def lsb_exp(self) -> int:
        """Exponent of the last place of the smallest scale."""
        return -self.bias if self.fmt is None else self.fmt.lsb_exp

    @property
    def one(self) -> int:
        """Code of the scale 1."""
        return self.bias if self.fmt is None else self.fmt.bias << self.fmt.man_bits

    @property
    def nan_code(self) -> int:
        """Code of a NaN scale."""
        code = (1 << self.width) - 1 if self.fmt is None else self.fmt.nan_code
        assert code is not None
        return code

    @property
    def sig_bits(self) -> int:
        """Bits of the largest significand."""
        return 1 if self.fmt is None else self.fmt.precision

    @property
    def max_exp(self) -> int:
        """Largest ``exp`` of `unpack`."""
        if self.fmt is None:
            return (1 << self.width) - 2
        return self.fmt.unpack(self.fmt.max_code).exp

    @property
    def is_signed(self) -> bool:
        """Whether a scale can be negative."""
        return self.fmt is not None and self.fmt.signed

    def unpack(self, code: int) -> Unpacked:
        """Unpack a code; a finite scale is ``sig * 2**(exp + lsb_exp)``.

        Raises
        ------
        SpecError
            If ``code`` is not a code of this scale.
        """
        require_int(f"Scale of {self.name}", code, 0, (1 << self.width) - 1)
        if self.fmt is None:
            if code == self.nan_code:
                return Unpacked(Kind.NAN, False, 0, 0)
            return Unpacked(Kind.FINITE, False, 1, code)
        return self.fmt.unpack(code & (1 << self.fmt.width) - 1)


_UE4M3 = replace(CATALOG["e4m3"], name="ue4m3", signed=False)
#: Scale formats by name. Sources: OCP Microscaling (MX) 1.0, section 5.4.1 (e8m0); NVIDIA's
#: UE4M3 of NVFP4, whose sign bit is ignored; binary32 in the two orders of cuBLAS on Hopper,
#: compared with an H200: 128x128 scales of B (``fp32``) and 1x128 scales of B (``fp32-ab``).
BLOCK_SCALES = {
    scale.name: scale
    for scale in (
        BlockScale(name="e8m0", fmt=None, width=8, order=ScaleOrder.EXACT, bias=127),
        BlockScale(name="ue4m3", fmt=_UE4M3, width=8, order=ScaleOrder.EXACT),
        BlockScale(name="fp32", fmt=CATALOG["fp32"], width=32, order=ScaleOrder.PRODUCT),
        BlockScale(name="fp32-ab", fmt=CATALOG["fp32"], width=32, order=ScaleOrder.A_FIRST),
    )
}
#: The format that scaled sums and products of scales are rounded to, where an order rounds them.
SCALED_FORMAT = CATALOG["fp32"]


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class BlockAccumulator(Shared):
    """Sum of two levels: ``inner`` adds ``block`` products, ``outer`` adds the blocks.

    At the end of a block, or of the whole sum, the inner sum is multiplied by the scales of the
    operands, if there are any, and added to the outer sum. The inner sum starts again from zero.
    A NaN or an infinity of the inner sum, or a NaN scale, makes a floating-point outer sum NaN or
    infinite as in IEEE 754; a fixed-point outer sum has separate flags.

    Parameters
    ----------
    inner
        Accumulator of the products of one block.
    outer
        Accumulator of blocks: floating point, or fixed point after a fixed-point inner one.
    block
        Products in a block. The last block of a sum may be shorter.
    scale
        Format of the scales; None without them. Needs a floating-point outer accumulator.
    """

    inner: FixedAccumulator | FloatAccumulator | AlignedAccumulator
    outer: FixedAccumulator | FloatAccumulator
    block: int
    scale: BlockScale | None = None

    def __post_init__(self) -> None:
        require(
            isinstance(self.inner, FixedAccumulator | FloatAccumulator | AlignedAccumulator),
            "Accumulator inner",
            "an accumulator of one level",
            self.inner,
        )
        require(
            isinstance(self.outer, FloatAccumulator)
            or (isinstance(self.outer, FixedAccumulator) and self.inner.is_fixed),
            "Accumulator outer",
            "floating point, or fixed point with a fixed-point inner accumulator",
            str(self.outer),
        )
        require_int("Accumulator block", self.block, 1, MAX_BLOCK)
        require(
            self.scale is None or isinstance(self.scale, BlockScale),
            "Accumulator block scale",
            f"one of {', '.join(BLOCK_SCALES)}",
            self.scale,
        )
        require(
            self.scale is None or not self.outer.is_fixed,
            "Accumulator of scaled blocks",
            "floating point",
            str(self.outer),
        )

    @property
    def result(self) -> FixedAccumulator | FloatAccumulator:
        """The outer accumulator: its codes leave the unit."""
        return self.outer

    @property
    def is_fixed(self) -> bool:
        """Whether sums are two's complement."""
        return self.outer.is_fixed

    @property
    def width(self) -> int:
        """Bits of the outer accumulator."""
        return self.outer.width

    @property
    def nan_code(self) -> int | None:
        """NaN of a floating-point outer sum: the inner one's if both have the same format.

        The tensor core's NaN, 0x7FFFFFFF, stays one through the promotion (compared with an H200).
        """
        if isinstance(self.outer, FixedAccumulator):
            return None
        if isinstance(self.inner, AlignedAccumulator) and self.inner.fmt == self.outer.fmt:
            return self.inner.nan_code
        return self.outer.fmt.nan_code

    @property
    def settings(self) -> dict[str, str]:
        """Settings other than the outer accumulator, by key."""
        named = {"inner": str(self.inner), "block": str(self.block)}
        return named | ({"block-scale": self.scale.name} if self.scale else {})

    def __str__(self) -> str:
        """Spelling of the levels as settings of a MAC, without ``acc=``."""
        return ",".join(
            [str(self.outer), *(f"{key}={value}" for key, value in self.settings.items())]
        )

    @property
    def identifier(self) -> str:
        """Spelling as part of a Verilog identifier."""
        scale = f"_{self.scale.name.replace('-', '_')}" if self.scale else ""
        return f"{self.outer.identifier}_b{self.block}_{self.inner.identifier}{scale}"

    @property
    def description(self) -> str:
        """The accumulator in words."""
        scale = f" multiplied by the {self.scale.name} scales of a and b and" if self.scale else ""
        return (
            f"blocks of {self.block} products ({self.inner.description}), each"
            f"{scale} added to an outer sum ({self.outer.description})"
        )

    @property
    def adders(self) -> tuple[tuple[Adder, ...], str]:
        """Those of the inner accumulator whose sums are resolved in each step."""
        adders, _ = self.inner.adders
        return tuple(a for a in adders if a is not Adder.CARRY_SAVE), "for sums in blocks"

    def require_products(self, a: Format, b: Format, lanes: int) -> None:
        """Raise unless a block is whole steps and the inner accumulator can add one."""
        require(
            self.block % lanes == 0, "Accumulator block", f"a multiple of {lanes} lanes", self.block
        )
        self.inner.require_products(a, b, lanes)

    def holds_multiples_of(self, lsb: int) -> bool:
        """Whether inner sums of multiples of ``2**lsb`` are not rounded."""
        return self.inner.holds_multiples_of(lsb)

    def stages_before_adder(self, pipeline: int) -> int:
        """As for the inner accumulator."""
        return self.inner.stages_before_adder(pipeline)


#: An accumulator of one or two levels.
AnyAccumulator = Accumulator | BlockAccumulator
