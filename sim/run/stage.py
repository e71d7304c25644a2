# SPDX-License-Identifier: Apache-2.0
"""Output stage at the drain of the array of a run: its options, and what it is given."""

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, OutputSpec, Scale
from hw.spec.errors import require
from sim.codes import NDArray
from sim.convert import decode, encode
from sim.outputs import settings
from sim.run.outcome import as_bits

__all__ = ["Stage", "add_stage_options", "spelled_stage", "stage_of"]

_SCALED = [scale.value for scale in Scale if scale is not Scale.NONE]


def add_stage_options(parser: argparse._ActionsContainer) -> None:
    """Add the options of an output stage; the names are those of `hw.generate`."""
    parser.add_argument("--out-format", metavar="FMT",
                        help="round each sum once to a code of this format, at the array's drain "
                             "(default: C has the sums)")
    parser.add_argument("--no-saturate", action="store_true",
                        help="with --out-format, overflow gives infinity or NaN where the format "
                             "has one")
    parser.add_argument("--scale", metavar="KIND:VALUE",
                        help="with --out-format, what all sums are multiplied by: pow2:-4 (two to "
                             "the -4) or fp32:0.05 (default: nothing)")
    parser.add_argument("--zero-point", metavar="N", type=int,
                        help="with an integer --out-format, the code that stands for zero, in "
                             "units of its last place (default: none)")


@dataclass(frozen=True, slots=True)
class Stage:
    """What an output stage makes of the sums of a run.

    Attributes
    ----------
    out
        The stage.
    given
        Its ``scale`` and ``zero_point``, the same for all sums, as `sim.output` takes them.
    """

    out: OutputSpec
    given: dict[str, Any]

    def values(self, codes: NDArray) -> npt.NDArray[np.float64]:
        """Sums that codes stand for: without the zero point, divided by the scale."""
        to, fmt = self.out.to, self.out.scale_format
        numbers: npt.NDArray[np.float64] = decode(as_bits(codes, to.width), to)
        if self.out.zero_point:
            numbers = numbers - self.given["zero_point"] * 2.0 ** to.lsb
        if fmt is not None:
            scale = self.given["scale"]
            numbers = numbers / (np.exp2(scale) if fmt.is_integer else decode(scale, fmt))
        return numbers


def spelled_stage(options: argparse.Namespace) -> str | None:
    """Spelling of the stage for `hw.spec.parse_array`, None without one."""
    kind = None if options.scale is None else options.scale.partition(":")[0]
    given = [("saturate=no", "--no-saturate", options.no_saturate),
             (f"scale={kind}", "--scale", kind is not None),
             ("zero_point=yes", "--zero-point", options.zero_point is not None)]
    words = [name for _, name, there in given if there]
    require(not words or options.out_format is not None, "Output format",
            f"given by --out-format FMT with {', '.join(words)}", options.out_format)
    if options.out_format is None:
        return None
    return ",".join([options.out_format, *(word for word, _, there in given if there)])


def stage_of(options: argparse.Namespace, spec: ArraySpec) -> Stage | None:
    """Stage of ``spec``, with its settings checked."""
    if spec.out is None:
        return None
    given: dict[str, Any] = {}
    if options.scale is not None:
        given["scale"] = _scale(options.scale)
    if options.zero_point is not None:
        given["zero_point"] = options.zero_point
    settings(spec.out, (), scale=given.get("scale"), zero_point=given.get("zero_point", 0))
    return Stage(spec.out, given)


def _scale(text: str) -> Any:
    """Exponent, or code of binary32."""
    kind, _, value = text.partition(":")
    wanted = f"{' or '.join(f'{name}:VALUE' for name in _SCALED)}, VALUE finite and not 0 for fp32"
    try:
        if kind == Scale.POW2.value:
            return int(value)
        number = float(value)
    except ValueError:
        number = 0.0
    code = encode(number if np.isfinite(number) else 0.0, "fp32")
    require(kind in _SCALED and bool(decode(code, "fp32")), "Scale", wanted, text)
    return code
