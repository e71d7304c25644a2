# SPDX-License-Identifier: Apache-2.0
"""Accumulators: how a sum of products is stored, and where it is rounded."""

from dataclasses import dataclass
from enum import Enum

from hw.spec.errors import counted, require
from hw.spec.formats import Format, Specials

#: Default number of extreme products that an exact accumulator holds (arXiv 2303.17951: 2**12).
DEFAULT_PRODUCTS = 4096

MAX_ACC_WIDTH = 1024
MAX_FRAC_BITS = 48


class Adder(Enum):
    """Adder in the accumulate loop."""

    RIPPLE = "ripple"  #: One carry chain; the smallest.
    PREFIX = "prefix"  #: Parallel prefix; delay grows with the logarithm of the width.
    #: Sum and carry stay separate, so the loop has no carry chain. They are added at the end.
    CARRY_SAVE = "carry-save"
    INFERRED = "inferred"  #: Verilog's ``+``, for the carry chains of FPGAs.


class Rounding(Enum):
    """How a value between two representable ones is rounded."""

    RNE = "rne"  #: To nearest, ties to the even neighbour.
    RTZ = "rtz"  #: Toward zero.


class Overflow(Enum):
    """What happens to a sum that is out of range."""

    WRAP = "wrap"  #: Two's complement wraps around.
    SATURATE = "sat"  #: The sum stays at the largest or smallest value.
    INF = "inf"  #: IEEE 754: the sum becomes infinite (floating point only).


#: Adders whose result is one number, not a sum and a carry.
_RESOLVED = tuple(adder for adder in Adder if adder is not Adder.CARRY_SAVE)


class Shared:
    """Properties that a MAC reads from every accumulator; each kind overrides what differs."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self)!r})"

    @property
    def is_fixed(self) -> bool:
        """Whether sums are two's complement, with separate flags for NaN and infinities."""
        return False

    @property
    def result(self) -> "Accumulator":
        """Accumulator whose codes leave the unit: this one, or the outer one of two levels."""
        assert isinstance(self, Accumulator)
        return self

    @property
    def identifier(self) -> str:
        """Spelling as part of a Verilog identifier."""
        return str(self).replace("-", "_").replace(":", "_")

    @property
    def adders(self) -> tuple[tuple[Adder, ...], str]:
        """Adders that this accumulator supports, and the words that name it in an error."""
        return _RESOLVED, "for a floating-point accumulator"

    def require_products(self, a: Format, b: Format, lanes: int) -> None:
        """Raise unless the accumulator can add one extreme product per lane."""

    def holds_multiples_of(self, lsb: int) -> bool:
        """Whether sums of multiples of ``2**lsb_exp`` are not rounded."""
        return False

    def stages_before_adder(self, pipeline: int) -> int:
        """How many of ``pipeline`` registers are before the adder, in arrays where sums move."""
        return 1


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class FixedAccumulator(Shared):
    """Two's complement accumulator of ``width`` bits; bit 0 has weight ``2**lsb_exp``.

    INT32 for INT8 products is ``lsb_exp=0, width=32``. An exact (Kulisch) accumulator has the lsb
    of the product. With a coarser lsb, each product is rounded to that lsb before it is added.
    """

    lsb_exp: int
    width: int
    overflow: Overflow = Overflow.WRAP
    rounding: Rounding = Rounding.RNE

    def __post_init__(self) -> None:
        require(
            isinstance(self.lsb_exp, int) and abs(self.lsb_exp) <= MAX_ACC_WIDTH,
            "Accumulator lsb",
            f"an integer from {-MAX_ACC_WIDTH} to {MAX_ACC_WIDTH}",
            self.lsb_exp,
        )
        require(
            isinstance(self.width, int) and 2 <= self.width <= MAX_ACC_WIDTH,
            "Accumulator width",
            f"an integer from 2 to {MAX_ACC_WIDTH}",
            self.width,
        )
        require(
            self.overflow in (Overflow.WRAP, Overflow.SATURATE),
            "Accumulator overflow",
            "wrap or sat for a fixed-point accumulator",
            getattr(self.overflow, "value", self.overflow),
        )
        require(
            isinstance(self.rounding, Rounding), "Accumulator rounding", "a Rounding", self.rounding
        )

    @classmethod
    def exact(cls, a: Format, b: Format, products: int = DEFAULT_PRODUCTS) -> "FixedAccumulator":
        """Narrowest accumulator that sums ``products`` products of ``a`` and ``b`` exactly.

        The width follows from the extreme product: (-128)**2 for int8, so 28 bits for 4096
        products.
        """
        require(
            isinstance(products, int) and 1 <= products <= 1 << 64,
            "Accumulator products",
            f"an integer from 1 to {1 << 64}",
            products,
        )
        high = products * max(a.max_units * b.max_units, a.min_units * b.min_units)
        low = products * min(a.min_units * b.max_units, a.max_units * b.min_units)
        width = max(high.bit_length(), (-low - 1).bit_length() if low else 0) + 1
        return cls(lsb_exp=a.lsb_exp + b.lsb_exp, width=width)

    @property
    def is_fixed(self) -> bool:
        """Whether sums are two's complement: yes."""
        return True

    def __str__(self) -> str:
        """Short spelling that `hw.spec.parse_accumulator` reads, for instance fx49m18."""
        place = (
            ""
            if self.lsb_exp == 0
            else f"m{-self.lsb_exp}"
            if self.lsb_exp < 0
            else f"p{self.lsb_exp}"
        )
        truncates = "t" if self.rounding is Rounding.RTZ else ""
        saturates = "s" if self.overflow is Overflow.SATURATE else ""
        return f"fx{self.width}{place}{truncates}{saturates}"

    @property
    def adders(self) -> tuple[tuple[Adder, ...], str]:
        """All adders; no carry-save with saturation, which needs the resolved sum in each step."""
        if self.overflow is Overflow.SATURATE:
            return _RESOLVED, "for an accumulator that saturates"
        return tuple(Adder), "for an accumulator that wraps"

    def require_products(self, a: Format, b: Format, lanes: int) -> None:
        """Raise unless the accumulator can add one extreme product per lane."""
        coarser = self.lsb_exp - a.lsb_exp - b.lsb_exp
        # Rounding to a coarser lsb may carry into one more bit.
        least = max(2, FixedAccumulator.exact(a, b, lanes).width - coarser + (coarser > 0))
        require(
            self.width >= least,
            "Accumulator width",
            f"at least {least} to hold {counted(lanes, 'product')} of {a.name} and {b.name} at lsb "
            f"{self.lsb_exp}",
            self.width,
        )

    def holds_multiples_of(self, lsb: int) -> bool:
        """Whether sums of multiples of ``2**lsb_exp`` are not rounded."""
        return self.lsb_exp <= lsb

    @property
    def description(self) -> str:
        """The accumulator in words."""
        return (
            f"two's complement, {self.width} bits, bit 0 has weight 2^{self.lsb_exp}, overflow: "
            f"{self.overflow.value}"
        )

    @property
    def min(self) -> int:
        """Smallest sum, in units of ``2**lsb_exp``."""
        return -(1 << self.width - 1)

    @property
    def max(self) -> int:
        """Largest sum, in units of ``2**lsb_exp``."""
        return (1 << self.width - 1) - 1


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class FloatAccumulator(Shared):
    """Floating-point accumulator: exact product, exact sum, one rounding to ``fmt`` per step.

    The first product of a sum is added to plus zero. ``overflow`` INF follows IEEE 754; SATURATE
    turns an overflow into the largest finite value. Without ``subnormals``, a rounded result below
    the smallest normal value becomes a zero of the same sign.
    """

    fmt: Format
    rounding: Rounding = Rounding.RNE
    overflow: Overflow = Overflow.INF
    subnormals: bool = True

    def __post_init__(self) -> None:
        require(
            isinstance(self.fmt, Format) and self.fmt.specials is Specials.IEEE and self.fmt.signed,
            "Accumulator fmt",
            "a signed format with ieee specials",
            getattr(self.fmt, "name", self.fmt),
        )
        require(self.fmt.subnormals, "Accumulator fmt", "a format with subnormals", self.fmt.name)
        require(
            isinstance(self.rounding, Rounding), "Accumulator rounding", "a Rounding", self.rounding
        )
        require(
            self.overflow in (Overflow.INF, Overflow.SATURATE),
            "Accumulator overflow",
            "inf or sat for a floating-point accumulator",
            getattr(self.overflow, "value", self.overflow),
        )
        require(
            isinstance(self.subnormals, bool), "Accumulator subnormals", "a bool", self.subnormals
        )

    @property
    def width(self) -> int:
        """Bits of the accumulator's code."""
        return self.fmt.width

    @property
    def description(self) -> str:
        """The accumulator in words."""
        tiny = "kept" if self.subnormals else "flushed to zero"
        return (
            f"`{self.fmt.name}`, {self.width} bits, rounded once per step "
            f"({self.rounding.value}), overflow: {self.overflow.value}, subnormal sums: {tiny}"
        )

    def __str__(self) -> str:
        """Spelling that `hw.spec.parse_accumulator` reads, for instance fp16-sat-ftz."""
        options = (
            (self.rounding is Rounding.RTZ, "rtz"),
            (self.overflow is Overflow.SATURATE, "sat"),
            (not self.subnormals, "ftz"),
        )
        return "-".join([self.fmt.name, *(name for chosen, name in options if chosen)])

    def stages_before_adder(self, pipeline: int) -> int:
        """The adder is the slowest part, so a single register goes inside it."""
        return 0 if pipeline == 1 else 1


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class AlignedAccumulator(Shared):
    """Tensor-core accumulator: a step aligns the products of all lanes and adds them together.

    The exponent of a product is the sum of its operands' exponents; the product is not normalised.
    ``emax`` is the largest exponent among the products and the accumulator. Every term is truncated
    toward zero to a multiple of ``2**(emax - frac_bits)``. The terms are added exactly, and the sum
    is truncated to `fraction_bits` fraction bits. Zero terms do not count for ``emax``. A zero sum
    is plus zero, and an overflow is infinite. Source: T-FDPA of arXiv 2511.10909.
    """

    fmt: Format
    frac_bits: int

    def __post_init__(self) -> None:
        require(
            isinstance(self.fmt, Format) and self.fmt.specials is Specials.IEEE and self.fmt.signed,
            "Accumulator fmt",
            "a signed format with ieee specials",
            getattr(self.fmt, "name", self.fmt),
        )
        require(
            isinstance(self.frac_bits, int) and 1 <= self.frac_bits <= MAX_FRAC_BITS,
            "Accumulator frac_bits",
            f"an integer from 1 to {MAX_FRAC_BITS}",
            self.frac_bits,
        )

    @property
    def width(self) -> int:
        """Bits of the accumulator's code."""
        return self.fmt.width

    @property
    def description(self) -> str:
        """The accumulator in words."""
        return (
            f"`{self.fmt.name}`, {self.width} bits; in each step every term is truncated "
            f"{self.frac_bits} bits below the units place of the largest term, and the sum to "
            f"{self.fraction_bits} fraction bits"
        )

    @property
    def fraction_bits(self) -> int:
        """Fraction bits of a sum; any lower bits of ``fmt`` are zero."""
        return min(self.frac_bits, self.fmt.man_bits)

    @property
    def nan_code(self) -> int:
        """The only NaN: sign 0, all other bits 1."""
        return (1 << self.fmt.magnitude_bits) - 1

    def __str__(self) -> str:
        """Spelling that `hw.spec.parse_accumulator` reads, for instance aligned:13."""
        return f"aligned:{self.frac_bits}"

    @property
    def adders(self) -> tuple[tuple[Adder, ...], str]:
        """Only the ripple adder."""
        return (Adder.RIPPLE,), "for an aligned accumulator"

    @property
    def identifier(self) -> str:
        """Spelling as part of a Verilog identifier."""
        return f"al{self.frac_bits}"


Accumulator = FixedAccumulator | FloatAccumulator | AlignedAccumulator
