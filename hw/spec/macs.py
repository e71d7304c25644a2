# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulate units: two operand formats, an accumulator, lanes and pipeline registers."""

from dataclasses import dataclass
from enum import Enum, IntEnum

from hw.spec.accumulators import (
    Accumulator,
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    Overflow,
)
from hw.spec.errors import require
from hw.spec.formats import Format

__all__ = ["Adder", "Flag", "MacSpec", "Multiplier"]


class Adder(Enum):
    """Adder of the accumulate loop."""

    RIPPLE = "ripple"  #: One carry chain: smallest.
    PREFIX = "prefix"  #: Parallel prefix: delay grows with the logarithm of the width.
    #: Sum and carry are kept apart, so that the loop has no carry chain; added once a sum is done.
    CARRY_SAVE = "carry-save"
    INFERRED = "inferred"  #: Verilog's ``+``, for the carry chains of FPGAs.


class Multiplier(Enum):
    """Rows of partial products."""

    DEFAULT = "default"  #: Booth for integers that are summed as they are, else array.
    ARRAY = "array"  #: One AND gate a bit; Baugh-Wooley where operands are signed.
    BOOTH = "booth"  #: Radix 4: half as many rows, each of more gates.
    INFERRED = "inferred"  #: Verilog's ``*``, for the DSP blocks of FPGAs.


MAX_LANES = 256
MAX_PIPELINE = 8
MAX_ADDER_STAGES = 3


class Flag(IntEnum):
    """State of a fixed-point sum. The bits are sticky and OR together: both infinities make NaN.

    A product with a special operand adds zero to the sum and sets the flag instead: NaN for a NaN
    operand or Inf * 0, else the infinity of the product's sign.
    """

    FINITE = 0
    POS_INF = 1
    NEG_INF = 2
    NAN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class MacSpec:
    """Multiply-accumulate unit: ``acc += sum(a[i] * b[i] for i in range(lanes))`` every cycle.

    Parameters
    ----------
    a, b
        Operand formats; they may differ.
    acc
        Accumulator. One in fixed point must hold at least one extreme product a lane.
    lanes
        Products a cycle, 1 to 256.
    pipeline
        Register stages before the accumulate loop, 0 to 8; where sums pass by, some are in the
        adder, see `adder_stages`.
    adder
        Adder of the accumulate loop. A carry-save sum is resolved in a stage of its own.
    multiplier
        Rows of partial products. Naming the default one is the same spec as not naming it.
    """

    a: Format
    b: Format
    acc: Accumulator
    lanes: int = 1
    pipeline: int = 0
    adder: Adder = Adder.RIPPLE
    multiplier: Multiplier = Multiplier.DEFAULT

    def __post_init__(self) -> None:
        for side in ("a", "b"):
            fmt = getattr(self, side)
            require(isinstance(fmt, Format), f"MAC {side}", "a Format", fmt)
        require(isinstance(self.acc, Accumulator), "MAC acc",
                "an accumulator", self.acc)
        _require_range("MAC lanes", self.lanes, 1, MAX_LANES)
        _require_range("MAC pipeline", self.pipeline, 0, MAX_PIPELINE)
        if isinstance(self.acc, FixedAccumulator):
            least = self._least_width()
            require(self.acc.width >= least, "Accumulator width",
                    f"at least {least} to hold {self.lanes} product(s) of {self.a.name} and "
                    f"{self.b.name} at lsb {self.acc.lsb}", self.acc.width)
        self._check_architectures()

    def _check_architectures(self) -> None:
        """Raise unless the accumulator takes the adder; drop the name of a default multiplier."""
        adders, why = _adders(self.acc)
        require(isinstance(self.adder, Adder), "MAC adder", "an Adder", self.adder)
        require(self.adder in adders, "MAC adder",
                f"one of {', '.join(adder.value for adder in adders)} {why}", self.adder.value)
        require(isinstance(self.multiplier, Multiplier), "MAC multiplier", "a Multiplier",
                self.multiplier)
        if self.multiplier is self._default_multiplier:
            object.__setattr__(self, "multiplier", Multiplier.DEFAULT)

    def _least_width(self) -> int:
        """Width that holds one extreme product a lane in units of the accumulator's lsb."""
        exact = FixedAccumulator.exact(self.a, self.b, self.lanes).width
        coarser = self.acc.lsb - self.product_lsb  # type: ignore[union-attr]
        # Rounding to a coarser lsb may carry into one more bit.
        return max(2, exact - coarser + (coarser > 0))

    @property
    def product_lsb(self) -> int:
        """Exponent of one unit of an exact product."""
        return self.a.lsb + self.b.lsb

    @property
    def is_fused(self) -> bool:
        """Whether integers are summed as rows of partial products, not as products."""
        return (isinstance(self.acc, FixedAccumulator) and self.acc.lsb <= self.product_lsb
                and self.a.is_integer and self.b.is_integer)

    @property
    def _default_multiplier(self) -> Multiplier:
        """Multiplier that is built unless another one is named."""
        return Multiplier.BOOTH if self.is_fused else Multiplier.ARRAY

    @property
    def rows(self) -> Multiplier:
        """Multiplier that is built: array or Booth."""
        named = self.multiplier is not Multiplier.DEFAULT
        return self.multiplier if named else self._default_multiplier

    @property
    def loop_latency(self) -> int:
        """Cycles from an operand pair on the inputs to the accumulator that holds it."""
        return 1 + self.pipeline

    @property
    def latency(self) -> int:
        """Cycles from an operand pair on the inputs to the sum that holds it on the output."""
        return self.loop_latency + (self.adder is Adder.CARRY_SAVE)

    @property
    def adder_stages(self) -> int:
        """Registers inside the adder where sums pass through it: in a weight-stationary element.

        One stage of `pipeline` stands between product and sum, the next ones cut the adder, what is
        left cuts the way to the product. A floating-point adder is the longest part, so that a
        single stage is in it; a carry-save sum is one adder cell deep and has none.
        """
        if self.adder is Adder.CARRY_SAVE:
            return 0
        if isinstance(self.acc, FloatAccumulator) and self.pipeline == 1:
            return 1
        return min(max(self.pipeline - 1, 0), MAX_ADDER_STAGES)

    @property
    def neutral(self) -> tuple[int, int]:
        """Codes of a and b whose product changes no sum: minus zero, where a format has one.

        A sum that was rounded to minus zero would become plus zero by the other one.
        """
        if self.a.has_minus_zero:
            return self.a.sign_code, 0
        return 0, self.b.sign_code if self.b.has_minus_zero else 0

    @property
    def flag_bits(self) -> int:
        """Bits of the flags beside a sum: 0, 1 (NaN) or 2 (`Flag`).

        A floating-point sum has its special codes instead.
        """
        if not isinstance(self.acc, FixedAccumulator):
            return 0
        if self.a.has_inf or self.b.has_inf:
            return 2
        return int(self.a.has_nan or self.b.has_nan)

    @property
    def pair(self) -> str:
        """Spelling of the operand pair, for instance e4m3 or e4m3xe5m2."""
        return self.a.name if self.a == self.b else f"{self.a.name}x{self.b.name}"

    @property
    def name(self) -> str:
        """Name of module, file and report row, for instance mac_e4m3_fx49m18."""
        parts = ["mac", self.pair.replace("-", "_").replace(":", "_"), self.acc.identifier]
        parts += [f"l{self.lanes}"] if self.lanes > 1 else []
        parts += [f"p{self.pipeline}"] if self.pipeline else []
        parts += [value.replace("-", "_") for _, value in self._named_architectures]
        return "_".join(parts)

    @property
    def _named_architectures(self) -> list[tuple[str, str]]:
        """Field and value of each architecture that is not the default one."""
        return [(name, getattr(self, name).value) for name in ("adder", "multiplier")
                if getattr(self, name) is not self.__dataclass_fields__[name].default]

    def __str__(self) -> str:
        """Spelling that `hw.spec.parse_mac` reads back."""
        parts = [self.pair, f"acc={self.acc.spelling}"]
        parts += [f"lanes={self.lanes}"] if self.lanes > 1 else []
        parts += [f"pipeline={self.pipeline}"] if self.pipeline else []
        parts += [f"{name}={value}" for name, value in self._named_architectures]
        return ",".join(parts)


def _adders(acc: Accumulator) -> tuple[tuple[Adder, ...], str]:
    """Adders that an accumulator takes, and the words that say which accumulators do."""
    if isinstance(acc, AlignedAccumulator):
        return (Adder.RIPPLE,), "for an aligned accumulator"
    resolved = tuple(adder for adder in Adder if adder is not Adder.CARRY_SAVE)
    if not isinstance(acc, FixedAccumulator):
        return resolved, "for a floating-point accumulator"
    if acc.overflow is Overflow.SATURATE:
        return resolved, "for an accumulator that saturates"
    return tuple(Adder), "for an accumulator that wraps"


def _require_range(noun: str, value: object, low: int, high: int) -> None:
    """Raise unless ``value`` is an integer from ``low`` to ``high``."""
    is_int = isinstance(value, int) and not isinstance(value, bool)
    require(is_int and low <= value <= high, noun,  # type: ignore[operator]
            f"an integer from {low} to {high}", value)
