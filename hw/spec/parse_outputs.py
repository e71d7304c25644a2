# SPDX-License-Identifier: Apache-2.0
"""The command line's spelling of an output stage, and back."""

from hw.spec.accumulators import Accumulator
from hw.spec.catalog import CATALOG
from hw.spec.errors import require
from hw.spec.macs import MacSpec
from hw.spec.outputs import OutputSpec, Scale
from hw.spec.parse import parse_accumulator, parse_format

__all__ = ["parse_output"]

_FLAGS = ("0", "1", "2")
_SCALES = tuple(scale.value for scale in Scale)

#: Settings behind the format and words for their values: what is taken, and what is done with it.
_SOURCE = {"from": "ACC", "flags": "N"}
_OPTIONS = {"saturate": "no", "scale": "|".join(_SCALES[1:]), "zero_point": "yes"}


def parse_output(text: str | OutputSpec, *, mac: MacSpec | None = None) -> OutputSpec:
    """Output stage spelled ``e4m3,from=fp32`` or in full.

    In full: ``int8,from=fx49m18,flags=1,saturate=no,scale=pow2,zero_point=yes``. The source is an
    accumulator that needs no operands to be known: ``int32`` counts units of 1, ``exact`` is none.
    Behind ``mac``, source and flags are its own and are not spelled. An `OutputSpec` is handed
    back as it is.
    """
    if isinstance(text, OutputSpec):
        return text
    require(isinstance(text, str), "Output", "a spelling such as e4m3,from=fp32", text)
    to, *settings = text.split(",")
    values = dict(part.partition("=")[::2] for part in settings)
    known, needed = (_OPTIONS, set()) if mac else (_SOURCE | _OPTIONS, {"from"})
    require(needed <= set(values) <= set(known) and len(values) == len(settings), "Output",
            "FORMAT" + "".join(f",{name}={value}" if name in needed else f"[,{name}={value}]"
                               for name, value in known.items()), text)
    scale, flags = values.get("scale", Scale.NONE.value), values.get("flags", "0")
    require(scale in _SCALES, "Output scale", f"one of {', '.join(_SCALES)}", scale)
    require(flags in _FLAGS, "Output flags", f"one of {', '.join(_FLAGS)}", flags)
    return OutputSpec(source=mac.acc if mac else _source(values["from"]), to=parse_format(to),
                      scale=Scale(scale), saturate=_chosen(values, "saturate", default="yes"),
                      zero_point=_chosen(values, "zero_point", default="no"),
                      flag_bits=mac.flag_bits if mac else int(flags))


def _source(text: str) -> Accumulator:
    """Accumulator that is known without its operands."""
    require(not text.startswith("exact"), "Output source",
            "an accumulator of a given width, such as fx49m18, int32 or fp32", text)
    unit = CATALOG["int8"]
    return parse_accumulator(text, unit, unit)


def _chosen(values: dict[str, str], name: str, *, default: str) -> bool:
    """Whether a setting is on."""
    value = values.get(name, default)
    require(value in ("yes", "no"), f"Output {name}", "yes or no", value)
    return value == "yes"
