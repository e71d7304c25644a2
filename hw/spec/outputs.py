# SPDX-License-Identifier: Apache-2.0
"""Output stages: they convert an accumulator's sum to a code of a format, rounding once."""

from dataclasses import dataclass
from enum import Enum

from hw.spec.accumulators import Accumulator
from hw.spec.catalog import CATALOG
from hw.spec.errors import require, require_int
from hw.spec.formats import Format, integer
from hw.spec.macs import MacSpec
from hw.spec.settings import Described, Setting


class Scale(Enum):
    """Factor that a sum is multiplied by before it is rounded."""

    NONE = "none"  #: No factor.
    POW2 = "pow2"  #: A power of two; the exponent is an input.
    FP32 = "fp32"  #: A binary32 number; its code is an input.


#: Format of the scale input. The exponent of a power of two has the range of an OCP MX E8M0 scale.
_INPUTS = {Scale.POW2: integer("int8", 8), Scale.FP32: CATALOG["fp32"]}

#: Settings of an output stage at an array's drain, besides its format.
MODE = (
    Setting(
        key="saturate",
        default=True,
        flag="no",
        option="no_saturate",
        short="nosat",
        meaning="overflow gives infinity or NaN if the format has one, not the largest value",
    ),
    Setting(
        key="scale",
        metavar="pow2|fp32",
        default=Scale.NONE,
        choices=Scale,
        option="out_scale",
        meaning="multiply each sum by an input of this kind before rounding",
    ),
    Setting(
        key="zero_point",
        default=False,
        flag="yes",
        short="zp",
        meaning="add an input, the zero point, to the rounded integer",
    ),
)
_MODE_KEYS = tuple(setting.key for setting in MODE)


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class OutputSpec(Described):
    """Output stage: ``to(source * scale)``, rounded once to nearest even, one code per cycle.

    A fixed-point sum is in units of ``2**source.lsb_exp``. The product with the scale is exact. The
    value is rounded first and checked for overflow afterwards. For an integer the zero point is
    added after rounding, and the result is clamped.

    Parameters
    ----------
    source
        Accumulator of the sum. If it is floating point, every code of its format is accepted.
    to
        Format of the result.
    saturate
        True: overflow and infinities give the largest finite value of the same sign. False: they
        give infinity if the format has one, else NaN, else the largest finite value.
    scale
        Factor of the sum.
    zero_point
        Whether an integer result has a zero point: the code of ``to`` that means zero.
    flag_bits
        Bits of the flags of a fixed-point sum, see `MacSpec.flag_bits`.

    Notes
    -----
    NaN gives ``to.nan_code``. If there is none it gives zero, or the zero point if there is one. A
    negative sum gives zero in an unsigned floating-point format.

    Every code of a binary32 scale is accepted, including subnormals. As in IEEE 754, the sign of a
    product is the product of the signs, also for zeros and infinities, and NaN or infinity times
    zero is NaN. A fixed-point sum of zero is plus zero.
    """

    source: Accumulator
    to: Format
    saturate: bool = True
    scale: Scale = Scale.NONE
    zero_point: bool = False
    flag_bits: int = 0

    SETTINGS = (
        Setting(
            key="from",
            attribute="source",
            metavar="ACC",
            meaning="generate a stand-alone output stage for sums of this accumulator, for "
            "instance fp32, bf16, fp16, int32, fx49m18 or aligned:13",
        ),
        Setting(
            key="flags",
            attribute="flag_bits",
            default=0,
            option="flag_bits",
            short="f{}",
            meaning="with --from, number of flag bits of a fixed-point sum: 0, 1 (NaN) or 2 "
            "(NaN and infinities) (default: 0)",
        ),
        *MODE,
    )

    def __post_init__(self) -> None:
        require(
            isinstance(self.source, Accumulator), "Output source", "an accumulator", self.source
        )
        require(isinstance(self.to, Format), "Output to", "a Format", self.to)
        require(isinstance(self.saturate, bool), "Output saturate", "a bool", self.saturate)
        require(isinstance(self.scale, Scale), "Output scale", "a Scale", self.scale)
        require(isinstance(self.zero_point, bool), "Output zero_point", "a bool", self.zero_point)
        require(
            self.to.is_integer or not self.zero_point,
            "Output zero_point",
            f"False for {self.to.name}, which is not an integer format",
            self.zero_point,
        )
        require_int("Output flag_bits", self.flag_bits, 0, 2)
        require(
            self.source.is_fixed or not self.flag_bits,
            "Output flag_bits",
            "0 for a floating-point source",
            self.flag_bits,
        )

    @classmethod
    def behind(
        cls,
        mac: MacSpec,
        to: Format,
        *,
        saturate: bool = True,
        scale: Scale = Scale.NONE,
        zero_point: bool = False,
    ) -> "OutputSpec":
        """Output stage for the sums and flags of ``mac``."""
        return cls(
            source=mac.result,
            to=to,
            saturate=saturate,
            scale=scale,
            zero_point=zero_point,
            flag_bits=mac.flag_bits,
        )

    @property
    def scale_format(self) -> Format | None:
        """Format of the scale input (an exponent or a factor); None without a scale."""
        return _INPUTS.get(self.scale)

    @property
    def scale_bits(self) -> int:
        """Bits of the scale input; 0 without a scale."""
        return self.scale_format.width if self.scale_format else 0

    @property
    def zero_point_bits(self) -> int:
        """Bits of the zero point; 0 without one."""
        return self.to.width if self.zero_point else 0

    @property
    def latency(self) -> int:
        """Cycles from a sum at the inputs to its code at the output."""
        return 1

    @property
    def identifier(self) -> str:
        """Format and settings as part of a Verilog identifier, for instance e4m3_nosat_fp32."""
        return "_".join([self.to.identifier, *self.short_settings(*_MODE_KEYS)])

    @property
    def name(self) -> str:
        """Name of module, file and row in reports, for instance out_fp32_e4m3."""
        return "_".join(
            [
                "out",
                self.source.identifier,
                self.to.identifier,
                *self.short_settings("flags", *_MODE_KEYS),
            ]
        )

    @property
    def head(self) -> str:
        """Name of the format."""
        return self.to.name

    @property
    def at_drain(self) -> str:
        """Spelling at the drain of an array, without source and flags."""
        return ",".join([self.head, *self.spelled_settings(MODE)])
