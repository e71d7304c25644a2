# SPDX-License-Identifier: Apache-2.0
"""Multiply-accumulate units: two operand formats, an accumulator, lanes and pipeline registers."""

from dataclasses import dataclass, replace
from enum import Enum, IntEnum

from hw.spec.accumulators import Accumulator, Adder
from hw.spec.blocks import BLOCK_SCALES, AnyAccumulator, BlockAccumulator
from hw.spec.errors import require, require_int
from hw.spec.formats import Format
from hw.spec.settings import Described, Setting


class Multiplier(Enum):
    """How partial products are formed."""

    DEFAULT = "default"  #: Booth for integers with exact sums, else array.
    ARRAY = "array"  #: One AND gate per bit; Baugh-Wooley if operands are signed.
    BOOTH = "booth"  #: Radix 4: half as many rows, with more gates per row.
    INFERRED = "inferred"  #: Verilog's ``*``, for the DSP blocks of FPGAs.


MAX_LANES = 256
MAX_PIPELINE = 8
MAX_ADDER_STAGES = 3


class Flag(IntEnum):
    """Flags of a fixed-point sum. The bits are sticky and ORed: both infinities together mean NaN.

    A product with a special operand adds zero to the sum and sets a flag: NaN for a NaN operand or
    Inf * 0, otherwise the infinity with the product's sign.
    """

    FINITE = 0
    POS_INF = 1
    NEG_INF = 2
    NAN = 3


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class MacSpec(Described):
    """Multiply-accumulate unit: ``acc += sum(a[i] * b[i] for i in range(lanes))`` every cycle.

    Parameters
    ----------
    a, b
        Operand formats; they may differ.
    acc
        Accumulator. A fixed-point one must hold at least one extreme product per lane. A
        `BlockAccumulator` adds blocks of products, each with scales if it has them.
    lanes
        Products per cycle, 1 to 256.
    pipeline
        Register stages before the accumulate loop, 0 to 8. In weight-stationary arrays some of them
        are inside the adder, see `adder_stages`.
    adder
        Adder in the accumulate loop. A carry-save sum is resolved in a separate stage.
    multiplier
        How partial products are formed. Naming the default gives the same spec as leaving it out.
    """

    a: Format
    b: Format
    acc: AnyAccumulator
    lanes: int = 1
    pipeline: int = 0
    adder: Adder = Adder.RIPPLE
    multiplier: Multiplier = Multiplier.DEFAULT

    SETTINGS = (
        Setting(
            key="acc",
            metavar="ACC",
            attribute="result",
            meaning="accumulator (default: exact); with --block, of the sums of blocks",
        ),
        Setting(
            key="inner",
            metavar="ACC",
            attribute="inner",
            default=None,
            meaning="with --block, accumulator of the products of a block (default: exact for "
            "a block)",
        ),
        Setting(
            key="block",
            attribute="block",
            default=None,
            meaning="products that the inner accumulator adds before the outer one takes its sum",
        ),
        Setting(
            key="block-scale",
            metavar="NAME",
            attribute="block_scale",
            default=None,
            meaning="with --block, format of the scales of a block's operands: "
            + ", ".join(BLOCK_SCALES),
        ),
        Setting(
            key="lanes", default=1, short="l{}", meaning="products per cycle of a MAC (default: 1)"
        ),
        Setting(
            key="pipeline",
            default=0,
            short="p{}",
            meaning="register stages before the accumulate loop; with dataflow ws also inside "
            "the adders (default: 0)",
        ),
        Setting(
            key="adder",
            metavar="NAME",
            default=Adder.RIPPLE,
            choices=Adder,
            meaning="adder in the accumulate loop",
        ),
        Setting(
            key="multiplier",
            metavar="NAME",
            default=Multiplier.DEFAULT,
            choices=Multiplier,
            meaning="how partial products are formed; default is booth for integers with exact "
            "sums, else array",
        ),
    )

    def __post_init__(self) -> None:
        for side in ("a", "b"):
            fmt = getattr(self, side)
            require(isinstance(fmt, Format), f"MAC {side}", "a Format", fmt)
        require(isinstance(self.acc, AnyAccumulator), "MAC acc", "an accumulator", self.acc)
        require_int("MAC lanes", self.lanes, 1, MAX_LANES)
        require_int("MAC pipeline", self.pipeline, 0, MAX_PIPELINE)
        self.acc.require_products(self.a, self.b, self.lanes)
        self._check_architectures()

    def _check_architectures(self) -> None:
        """Raise unless the accumulator supports the adder; replace a default multiplier."""
        adders, why = self.acc.adders
        require(isinstance(self.adder, Adder), "MAC adder", "an Adder", self.adder)
        require(
            self.adder in adders,
            "MAC adder",
            f"one of {', '.join(adder.value for adder in adders)} {why}",
            self.adder.value,
        )
        require(
            isinstance(self.multiplier, Multiplier),
            "MAC multiplier",
            "a Multiplier",
            self.multiplier,
        )
        if self.multiplier is self._default_multiplier:
            object.__setattr__(self, "multiplier", Multiplier.DEFAULT)

    @property
    def result(self) -> Accumulator:
        """Accumulator whose codes leave the unit: ``acc``, or its outer level."""
        return self.acc.result

    @property
    def blocks(self) -> BlockAccumulator | None:
        """The accumulator of two levels, or None."""
        return self.acc if isinstance(self.acc, BlockAccumulator) else None

    @property
    def inner(self) -> Accumulator | None:
        """Accumulator of the products of a block, or None without blocks."""
        return self.blocks.inner if self.blocks else None

    @property
    def block(self) -> int | None:
        """Products of a block, or None without blocks."""
        return self.blocks.block if self.blocks else None

    @property
    def block_scale(self) -> str | None:
        """Format of the scales of a block, or None."""
        return self.blocks.scale.name if self.blocks and self.blocks.scale else None

    @property
    def inner_mac(self) -> "MacSpec":
        """Unit that sums one block: this one with the inner accumulator, or itself."""
        return replace(self, acc=self.blocks.inner) if self.blocks else self

    @property
    def product_lsb(self) -> int:
        """Exponent of the last place of an exact product."""
        return self.a.lsb_exp + self.b.lsb_exp

    @property
    def is_fused(self) -> bool:
        """Whether partial products are summed directly, without forming each product."""
        return (
            self.acc.holds_multiples_of(self.product_lsb)
            and self.a.is_integer
            and self.b.is_integer
        )

    @property
    def _default_multiplier(self) -> Multiplier:
        """Multiplier that is built by default."""
        return Multiplier.BOOTH if self.is_fused else Multiplier.ARRAY

    @property
    def resolved_multiplier(self) -> Multiplier:
        """Multiplier that is built, never DEFAULT."""
        named = self.multiplier is not Multiplier.DEFAULT
        return self.multiplier if named else self._default_multiplier

    @property
    def loop_latency(self) -> int:
        """Cycles from an operand pair at the inputs to the accumulator that includes it."""
        return 1 + self.pipeline

    @property
    def latency(self) -> int:
        """Cycles from an operand pair at the inputs to the sum that includes it at the output.

        Sums in blocks take one more cycle, for the step at the end of a block.
        """
        return self.loop_latency + (self.adder is Adder.CARRY_SAVE) + (self.blocks is not None)

    @property
    def adder_stages(self) -> int:
        """Registers inside the adder of a weight-stationary processing element.

        The first stage of `pipeline` goes between product and adder, the next ones inside the
        adder, and the rest before the product. A floating-point adder is the slowest part, so a
        single stage goes inside it. A carry-save adder is one cell deep and has none.
        """
        if self.adder is Adder.CARRY_SAVE:
            return 0
        return min(
            max(self.pipeline - self.acc.stages_before_adder(self.pipeline), 0), MAX_ADDER_STAGES
        )

    @property
    def neutral(self) -> tuple[int, int]:
        """Codes of a and b whose product changes no sum: minus zero, if a format has it.

        A product of plus zero would turn a sum of minus zero into plus zero.
        """
        if self.a.has_minus_zero:
            return self.a.sign_code, 0
        return 0, self.b.sign_code if self.b.has_minus_zero else 0

    @property
    def flag_bits(self) -> int:
        """Bits of the flags of a sum: 0, 1 (NaN) or 2 (`Flag`).

        A floating-point sum has special codes instead.
        """
        if not self.acc.is_fixed:
            return 0
        if self.a.has_inf or self.b.has_inf:
            return 2
        return int(self.a.has_nan or self.b.has_nan)

    @property
    def pair(self) -> str:
        """Spelling of the operand pair, for instance e4m3 or e4m3xe5m2."""
        return self.a.name if self.a == self.b else f"{self.a.name}x{self.b.name}"

    @property
    def head(self) -> str:
        """The operand pair."""
        return self.pair

    @property
    def name(self) -> str:
        """Name of module, file and row in reports, for instance mac_e4m3_fx49m18."""
        pair = self.pair.replace("-", "_").replace(":", "_")
        return "_".join(
            [
                "mac",
                pair,
                self.acc.identifier,
                *self.short_settings("lanes", "pipeline", "adder", "multiplier"),
            ]
        )
