# SPDX-License-Identifier: Apache-2.0
"""Number formats: field widths, bias, sign and a policy for special codes; the rest is derived.

Every finite value of a format is a multiple of ``2**lsb_exp``. Unpacking a code gives a signed
integer ``sig`` and ``exp >= 0``; the value is ``sig * 2**(exp + lsb_exp)``. An integer is a format
without exponent bits. A subnormal has ``exp == 0`` and no hidden bit.
"""

import math
import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from hw.spec.errors import require, require_int


class Specials(Enum):
    """Which codes of a format are not finite numbers."""

    NONE = "none"  #: Every code is finite (integers, OCP MX element formats).
    IEEE = "ieee"  #: Highest exponent: Inf if the mantissa is 0, else NaN (binary16, OCP E5M2).
    FN = "fn"  #: No Inf; NaN is the all-ones magnitude (OCP E4M3).
    FNUZ = "fnuz"  #: No Inf, no minus zero; NaN is the code of minus zero.
    P3109 = "p3109"  #: P3109 finite: like FNUZ; in unsigned formats NaN is the last code.
    P3109E = "p3109e"  #: P3109 extended: NaN as in P3109; Inf is the largest remaining magnitude.

    @property
    def has_nan(self) -> bool:
        """Whether any code is NaN."""
        return self is not Specials.NONE

    @property
    def has_inf(self) -> bool:
        """Whether any code is an infinity."""
        return self in (Specials.IEEE, Specials.P3109E)

    @property
    def nan_is_minus_zero(self) -> bool:
        """Whether NaN takes the code of minus zero in a signed format."""
        return self in (Specials.FNUZ, Specials.P3109, Specials.P3109E)

    def default_bias(self, exp_bits: int) -> int:
        """Usual exponent bias of the policy for ``exp_bits``."""
        return (1 << exp_bits >> 1) - (0 if self.nan_is_minus_zero else 1)


class Kind(Enum):
    """What a code stands for."""

    FINITE = "finite"
    INF = "inf"
    NAN = "nan"


class Unpacked(NamedTuple):
    """One code, unpacked; a finite value is ``sig * 2**(exp + lsb_exp)``.

    ``negative`` is the sign bit; minus zero and minus infinity need it, as their ``sig`` is 0.
    ``sig`` and ``exp`` are 0 unless ``kind`` is finite.
    """

    kind: Kind
    negative: bool
    sig: int
    exp: int


MAX_EXP_BITS = 11
#: Wide enough for any accumulator as an operand; operands that users spell have 64 at most.
MAX_MAN_BITS = 1024
#: Floating-point numbers are below 2 to this power, as those of a Python float are.
FLOAT_TOP = 1024
_NAME = re.compile(r"[a-z][a-z0-9]*(:[a-z0-9]+(-daz)?)?")


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Format:
    """Binary number format; fixed point when ``exp_bits == 0`` (two's complement if signed).

    Parameters
    ----------
    name
        Spelling on the command line, for instance ``e4m3`` or ``e4m3:ieee``.
    exp_bits, man_bits
        Widths of the stored fields, without the hidden bit.
    bias
        Exponent bias. If ``exp_bits == 0`` it sets the position of the binary point (see
        `lsb_exp`).
    specials
        Policy for codes that are not finite numbers.
    signed
        Whether the top bit is a sign.
    subnormals
        Whether there are subnormal values. If not, such codes mean a zero of the same sign (DAZ on
        x86).

    Raises
    ------
    SpecError
        If a field is out of range or the fields contradict each other.
    """

    name: str
    exp_bits: int
    man_bits: int
    bias: int
    specials: Specials = Specials.NONE
    signed: bool = True
    subnormals: bool = True

    def __post_init__(self) -> None:
        named = isinstance(self.name, str) and _NAME.fullmatch(self.name) is not None
        require(
            named,
            "Format name",
            "lower-case letters and digits, with an optional :policy",
            self.name,
        )
        require_int("Format exp_bits", self.exp_bits, 0, MAX_EXP_BITS)
        require_int("Format man_bits", self.man_bits, 0, MAX_MAN_BITS)
        require_int("Format bias", self.bias, -4096, 4096)
        require(isinstance(self.specials, Specials), "Format specials", "a Specials", self.specials)
        require(isinstance(self.signed, bool), "Format signed", "a bool", self.signed)
        require(isinstance(self.subnormals, bool), "Format subnormals", "a bool", self.subnormals)
        require(self.width >= 2, "Format width", "at least 2 bits", self.width)
        if self.is_integer:
            require(
                self.specials is Specials.NONE,
                "Format specials",
                "none without exponent bits",
                self.specials.value,
            )
            require(self.subnormals, "Format subnormals", "True without exponent bits", False)
        if self.specials is Specials.IEEE:
            require(
                self.exp_bits >= 2 and self.man_bits >= 1,
                "Format fields",
                "at least 2 exponent bits and 1 mantissa bit for ieee specials",
                (self.exp_bits, self.man_bits),
            )
        if self.specials is Specials.FNUZ:
            require(self.signed, "Format signed", "True for fnuz specials", self.signed)
        top = self.max_units.bit_length() + self.lsb_exp
        require(
            self.is_integer or top <= FLOAT_TOP,
            "Format values",
            f"below 2**{FLOAT_TOP}",
            f"up to 2**{top}",
        )

    def __repr__(self) -> str:
        return f"Format({self.name!r})"

    # ---- widths and positions

    @property
    def is_integer(self) -> bool:
        """Whether the format has no exponent."""
        return self.exp_bits == 0

    @property
    def width(self) -> int:
        """Bits of a code."""
        return self.signed + self.exp_bits + self.man_bits

    @property
    def precision(self) -> int:
        """Bits of the significand with the hidden bit; for an integer, its magnitude bits."""
        return self.man_bits + (not self.is_integer)

    @property
    def lsb_exp(self) -> int:
        """Exponent of the last place: every finite value is a multiple of ``2**lsb_exp``."""
        return 1 - self.bias - self.man_bits

    @property
    def magnitude_bits(self) -> int:
        """Bits of a code without its sign."""
        return self.exp_bits + self.man_bits

    @property
    def identifier(self) -> str:
        """Name as part of a Verilog identifier."""
        return self.name.replace("-", "_").replace(":", "_")

    # ---- special codes

    @property
    def has_nan(self) -> bool:
        """Whether any code is NaN."""
        return self.specials.has_nan

    @property
    def has_inf(self) -> bool:
        """Whether any code is an infinity."""
        return self.specials.has_inf

    @property
    def has_minus_zero(self) -> bool:
        """Whether minus zero has its own code."""
        return self.signed and not self.is_integer and not self.specials.nan_is_minus_zero

    @property
    def nan_code(self) -> int | None:
        """Canonical NaN (quiet, and positive if there is a choice), or None."""
        top = (1 << self.magnitude_bits) - 1
        match self.specials:
            case Specials.NONE:
                return None
            case Specials.IEEE:
                return top - (1 << self.man_bits) + 1 | 1 << (self.man_bits - 1)
            case Specials.FN:
                return top
            case _:
                return top + 1 if self.signed else top

    @property
    def inf_code(self) -> int | None:
        """Code of plus infinity, or None; minus infinity has the sign bit set as well."""
        top = (1 << self.magnitude_bits) - 1
        match self.specials:
            case Specials.IEEE:
                return top - (1 << self.man_bits) + 1
            case Specials.P3109E:
                return top if self.signed else top - 1
            case _:
                return None

    @property
    def sign_code(self) -> int:
        """Code with only the sign bit set; 0 for an unsigned format."""
        return (1 << self.width - 1) if self.signed else 0

    # ---- extremes

    @property
    def max_code(self) -> int:
        """Code of the largest finite value."""
        top = (1 << self.magnitude_bits) - 1
        if self.inf_code is not None:
            return self.inf_code - 1
        return top - (self.nan_code == top)

    @property
    def max_units(self) -> int:
        """Largest finite value in units of ``2**lsb_exp``."""
        unpacked = self.unpack(self.max_code)
        return unpacked.sig << unpacked.exp

    @property
    def min_units(self) -> int:
        """Lowest finite value in units of ``2**lsb_exp``; 0 for an unsigned format."""
        if not self.signed:
            return 0
        return -(1 << self.man_bits) if self.is_integer else -self.max_units

    @property
    def max(self) -> float:
        """Largest finite value; beyond 53 bits, truncated to a float."""
        return _to_float(self.max_units, self.lsb_exp)

    @property
    def min(self) -> float:
        """Lowest finite value; beyond 53 bits, truncated to a float."""
        return _to_float(self.min_units, self.lsb_exp)

    @property
    def min_normal(self) -> float:
        """Smallest positive value with a hidden bit; for an integer, one unit."""
        return 2.0**self.lsb_exp if self.is_integer else 2.0 ** (1 - self.bias)

    @property
    def min_subnormal(self) -> float:
        """Smallest positive value."""
        return 2.0**self.lsb_exp if self.subnormals else self.min_normal

    @property
    def num_finite(self) -> int:
        """Number of finite codes; plus and minus zero count as two."""
        if self.is_integer:
            return 1 << self.width
        magnitudes = self.max_code + 1
        return 2 * magnitudes - (not self.has_minus_zero) if self.signed else magnitudes

    # ---- codes

    def unpack(self, code: int) -> Unpacked:
        """Unpack a code. Outside RTL, this alone defines what a code means.

        Raises
        ------
        SpecError
            If ``code`` is not a code of this format.
        """
        require_int(f"Code of {self.name}", code, 0, (1 << self.width) - 1)
        if self.is_integer:
            sig = code - (1 << self.width if code & self.sign_code else 0)
            return Unpacked(Kind.FINITE, sig < 0, sig, 0)
        negative = bool(code & self.sign_code)
        magnitude = code & ~self.sign_code
        kind = self._kind(magnitude, negative)
        if kind is not Kind.FINITE:
            return Unpacked(kind, negative and kind is Kind.INF, 0, 0)
        field, man = magnitude >> self.man_bits, magnitude & ((1 << self.man_bits) - 1)
        sig = man | (1 << self.man_bits if field else 0)
        if not (field or self.subnormals):
            sig = 0
        return Unpacked(kind, negative, -sig if negative else sig, max(field, 1) - 1)

    def _kind(self, magnitude: int, negative: bool) -> Kind:
        """Kind of a code of a format with exponent bits."""
        if magnitude == self.inf_code:
            return Kind.INF
        if self.specials is Specials.IEEE and magnitude > self.max_code:
            return Kind.NAN
        if self.nan_code == magnitude | (self.sign_code if negative else 0):
            return Kind.NAN
        if self.specials is Specials.FN and magnitude == self.nan_code:
            return Kind.NAN
        return Kind.FINITE


def _to_float(units: int, exp: int) -> float:
    """``units * 2**exp``, truncated to 53 bits."""
    extra = max(abs(units).bit_length() - 53, 0)
    size = math.ldexp(abs(units) >> extra, exp + extra)
    return -size if units < 0 else size


def integer(name: str, width: int, *, signed: bool = True, lsb: int = 0) -> Format:
    """Fixed-point format of ``width`` bits; bit 0 has weight ``2**lsb_exp`` (0: an integer)."""
    man_bits = width - signed
    return Format(name=name, exp_bits=0, man_bits=man_bits, bias=1 - lsb - man_bits, signed=signed)
