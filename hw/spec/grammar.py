# SPDX-License-Identifier: Apache-2.0
"""The command line's spelling of a description, and back."""

import re
from dataclasses import replace
from enum import Enum
from typing import Any, TypeVar

from hw.spec.accumulators import (
    DEFAULT_PRODUCTS,
    Accumulator,
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    Overflow,
    Rounding,
)
from hw.spec.arrays import ArraySpec, Dataflow
from hw.spec.catalog import CATALOG
from hw.spec.errors import SpecError, require
from hw.spec.formats import Format, Specials
from hw.spec.gemm import DEFAULT_DEPTH, Bus, GemmSpec
from hw.spec.macs import Adder, MacSpec, Multiplier
from hw.spec.outputs import OutputSpec, Scale

__all__ = ["DEFAULT_DEPTHS", "is_format", "parse_accumulator", "parse_array", "parse_engine",
           "parse_format", "parse_gemm", "parse_mac", "parse_output"]

_FIXED = re.compile(r"fx(\d{1,5})(?:([mp])(\d{1,5}))?(t?)(s?)")
_INTEGER = re.compile(r"int(\d{1,5})")
_FIELDS = re.compile(r"e(\d{1,2})m(\d{1,2})")

#: Fraction bits and lanes of tensor cores' FP8 arithmetic: Hopper wgmma, Ada mma, Blackwell
#: tcgen05 (arXiv 2511.10909 and its code).
PRESETS = {"hopper": (13, 32), "ada": (13, 16), "blackwell": (25, 32)}

#: What follows the operands of a MAC, and a word for its value.
_SETTINGS = {"acc": "ACC", "lanes": "N", "pipeline": "N", "adder": "NAME", "multiplier": "NAME"}

Choice = TypeVar("Choice", bound=Enum)

_OPTIONS: dict[str, dict[str, Any]] = {
    "rtz": {"rounding": Rounding.RTZ},
    "sat": {"overflow": Overflow.SATURATE},
    "ftz": {"subnormals": False},
}


def parse_format(text: str) -> Format:
    """Format named in the catalogue, or any ``eXmY:policy``.

    ``e4m3:ieee`` is E4M3 with the special codes and the bias of that policy. With ``-daz`` behind
    it, ``e4m3:fn-daz``, subnormal codes mean zero.
    """
    require(isinstance(text, str), "Format name", "a string", text)
    base, _, options = text.partition(":")
    policy, _, option = options.partition("-")
    if not policy and text in CATALOG:
        return CATALOG[text]
    fields = _FIELDS.fullmatch(base)
    policies = [p.value for p in Specials]
    require(not policy or policy in policies, "Format policy", f"one of {', '.join(policies)}",
            policy)
    require(options in (policy, f"{policy}-daz"), "Format option", "daz or none", option)
    require(bool(policy and fields), "Format name",
            f"one of {', '.join(CATALOG)}, or eXmY:policy", text)
    exp_bits, man_bits = (int(field) for field in fields.groups())  # type: ignore[union-attr]
    specials = Specials(policy)
    require(1 <= exp_bits <= 11, "Format exp_bits", "an integer from 1 to 11", exp_bits)
    fmt = Format(name=text, exp_bits=exp_bits, man_bits=man_bits, specials=specials,
                 bias=specials.default_bias(exp_bits), subnormals=not option)
    return _catalogued(fmt)


def is_format(text: str) -> bool:
    """Whether `parse_format` knows a format of this name."""
    try:
        parse_format(text)
    except SpecError:
        return False
    return True


def _catalogued(fmt: Format) -> Format:
    """The catalogue's own entry where ``fmt`` is the plain name with its usual policy."""
    own = CATALOG.get(fmt.name.partition(":")[0])
    same = own and replace(fmt, name=own.name) == own
    return own if own and same else fmt


def parse_accumulator(text: str, a: Format, b: Format) -> Accumulator:
    """Accumulator for products of ``a`` and ``b``.

    ``exact`` and ``exact:N`` sum N extreme products without overflow, ``int32`` (any width) has the
    product's lsb, ``fx32m10`` is 32 bits with lsb 2**-10 (``t``: truncating, ``s``: saturating),
    ``fp32``, ``fp16``, ``bf16`` are floating point (``-rtz``, ``-sat``, ``-ftz``).
    ``int32-sat`` saturates too. ``aligned:13`` adds at a common place, 13 fraction bits below the
    largest term; `PRESETS` name the ones of tensor cores.
    """
    require(isinstance(text, str), "Accumulator", "a string", text)
    kind, *options = text.split("-")
    acc = _fixed(kind, a, b) or _floating(kind) or _aligned(kind)
    wrong = [name for name in options if name not in _OPTIONS]
    if acc is None or wrong or (options and isinstance(acc, AlignedAccumulator)):
        raise SpecError("Accumulator must be exact, exact:N, intN, fxWIDTH[mLSB|pLSB], fp32, fp16 "
                        "or bf16, with -rtz, -sat or -ftz behind it, or aligned:N, "
                        f"{', '.join(PRESETS)}, not {text!r}")
    chosen = {key: value for name in options for key, value in _OPTIONS[name].items()}
    require("subnormals" not in chosen or isinstance(acc, FloatAccumulator), "Accumulator option",
            "rtz or sat in fixed point", "ftz")
    return _replace(acc, chosen)


def _fixed(kind: str, a: Format, b: Format) -> FixedAccumulator | None:
    """Fixed-point accumulator spelled ``kind``, or None."""
    name, _, count = kind.partition(":")
    if name == "exact" and (not count or count.isdecimal()) and kind != "exact:":
        return FixedAccumulator.exact(a, b, int(count) if count else DEFAULT_PRODUCTS)
    if match := _INTEGER.fullmatch(kind):
        return FixedAccumulator(lsb=a.lsb + b.lsb, width=int(match[1]))
    if match := _FIXED.fullmatch(kind):
        lsb = int(match[3] or 0) * (-1 if match[2] == "m" else 1)
        return FixedAccumulator(lsb=lsb, width=int(match[1]),
                                rounding=Rounding.RTZ if match[4] else Rounding.RNE,
                                overflow=Overflow.SATURATE if match[5] else Overflow.WRAP)
    return None


def _floating(kind: str) -> FloatAccumulator | None:
    """Floating-point accumulator spelled ``kind``, or None."""
    fmt = CATALOG.get(kind)
    if fmt is None and kind.endswith(f":{Specials.IEEE.value}"):
        fmt = parse_format(kind)
    return FloatAccumulator(fmt=fmt) if fmt and fmt.specials is Specials.IEEE else None


def _aligned(kind: str) -> AlignedAccumulator | None:
    """Aligned accumulator spelled ``kind``, or None."""
    name, _, bits = kind.partition(":")
    if kind in PRESETS:
        bits = str(PRESETS[kind][0])
    elif name != "aligned" or not bits.isdecimal():
        return None
    return AlignedAccumulator(fmt=CATALOG["fp32"], frac_bits=int(bits))


def _replace(acc: Accumulator, chosen: dict[str, Any]) -> Accumulator:
    """Copy of ``acc`` with some fields chosen."""
    fields = {name: getattr(acc, name) for name in acc.__dataclass_fields__}
    return type(acc)(**fields | chosen)


def parse_mac(text: str | MacSpec, *, acc: str | Accumulator | None = None,
              lanes: int | None = None, pipeline: int | None = None,
              adder: str | Adder | None = None,
              multiplier: str | Multiplier | None = None) -> MacSpec:
    """MAC spelled ``e4m3``, ``e4m3xe5m2`` or in full ``e4m3,acc=fp32,lanes=4,pipeline=1``.

    ``adder=carry-save`` and ``multiplier=array`` name other architectures. A keyword takes
    precedence over the spelling; the accumulator is ``exact`` unless named. One of the `PRESETS`
    brings its lanes along.
    A `MacSpec` is handed back as it is, when no keyword is given.
    """
    if isinstance(text, MacSpec):
        if all(given is None for given in (acc, lanes, pipeline, adder, multiplier)):
            return text
        text = str(text)
    require(isinstance(text, str), "MAC", "a spelling such as e4m3xe5m2,acc=fp32", text)
    pair, *settings = text.split(",")
    values = _settings(settings, text)
    a, b = _operands(pair)
    acc = values.get("acc", "exact") if acc is None else acc
    if lanes is None:
        lanes = _count("lanes", values["lanes"]) if "lanes" in values else None
    lanes = _preset_lanes(acc, lanes)
    pipeline = _count("pipeline", values.get("pipeline", "0")) if pipeline is None else pipeline
    if isinstance(acc, str):
        acc = parse_accumulator(acc, a, b)
    adder = values.get("adder", Adder.RIPPLE) if adder is None else adder
    multiplier = values.get("multiplier", Multiplier.DEFAULT) if multiplier is None else multiplier
    return MacSpec(a=a, b=b, acc=acc, lanes=lanes, pipeline=pipeline,
                   adder=_named(Adder, "MAC adder", adder),
                   multiplier=_named(Multiplier, "MAC multiplier", multiplier))


def _named(kind: type[Choice], noun: str, value: str | Choice) -> Choice:
    """Member of an enumeration, by its spelling."""
    if isinstance(value, kind):
        return value
    spellings = [member.value for member in kind]
    require(value in spellings, noun, f"one of {', '.join(spellings)}", value)
    return kind(value)


def _preset_lanes(acc: str | Accumulator, lanes: int | None) -> int:
    """Lanes of a unit: as given, else the preset's, else 1."""
    own = PRESETS[acc][1] if isinstance(acc, str) and acc in PRESETS else None
    require(own is None or lanes in (None, own), "MAC lanes", f"{own} for acc {acc}", lanes)
    return (own or 1) if lanes is None else lanes


def _settings(settings: list[str], text: str) -> dict[str, str]:
    """``key=value`` parts of a spelling."""
    values = dict(part.partition("=")[::2] for part in settings)
    require(set(values) <= set(_SETTINGS) and len(values) == len(settings), "MAC",
            f"PAIR{''.join(f'[,{name}={value}]' for name, value in _SETTINGS.items())}", text)
    return values


def _operands(pair: str) -> tuple[Format, Format]:
    """Both operand formats of ``e4m3xe5m2`` or ``e4m3``."""
    names = pair.split("x")
    require(len(names) <= 2, "MAC operands", "one format or two joined by x", pair)
    return parse_format(names[0]), parse_format(names[-1])


def _count(name: str, text: str) -> int:
    """Whole number of a setting."""
    require(text.isdecimal(), f"MAC {name}", "a whole number", text)
    return int(text)


def parse_array(text: str, mac: str | MacSpec, *, dataflow: str = "os",
                out: str | OutputSpec | None = None, depth: int | None = None) -> ArraySpec:
    """Array of the size ``ROWSxCOLS`` with ``mac`` in every processing element.

    ``out`` is the output stage at its drain, spelled ``e4m3`` or, in full,
    ``int8,saturate=no,scale=fp32,zero_point=yes``: what it takes are the MAC's sums and flags.
    ``depth`` is that of the accumulator memory of a weight-stationary array.
    """
    require(isinstance(text, str) and re.fullmatch(r"\d{1,9}x\d{1,9}", text) is not None,
            "Array size", "ROWSxCOLS, for instance 16x16", text)
    flows = [flow.value for flow in Dataflow]
    require(dataflow in flows, "Array dataflow", f"one of {', '.join(flows)}", dataflow)
    rows, cols = (int(side) for side in text.split("x"))
    mac = parse_mac(mac)
    stage = None if out is None else parse_output(out, mac=mac)
    return ArraySpec(mac=mac, rows=rows, cols=cols, dataflow=Dataflow(dataflow), out=stage,
                     depth=depth)


_FLAGS = ("0", "1", "2")
_SCALES = tuple(scale.value for scale in Scale)

#: Settings behind the format and words for their values: what is taken, and what is done with it.
_SOURCE = {"from": "ACC", "flags": "N"}
_STAGE = {"saturate": "no", "scale": "|".join(_SCALES[1:]), "zero_point": "yes"}


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
    known, needed = (_STAGE, set()) if mac else (_SOURCE | _STAGE, {"from"})
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


DEFAULT_DEPTHS = f"{DEFAULT_DEPTH}x{DEFAULT_DEPTH}x{DEFAULT_DEPTH}"

_ENGINE = re.compile(r"(?P<mac>.+?),array=(?P<array>\d+x\d+),dataflow=(?P<dataflow>\w+)"
                     r"(,depth=(?P<depth>\d{1,9}))?(,out=(?P<out>.+))?,depths=(?P<depths>\d+x\d+x\d+),bus=(?P<bus>\w+)")


def parse_engine(text: str) -> GemmSpec:
    """The engine of which ``text`` is the `str`.

    Raises
    ------
    SpecError
        If there is none.
    """
    found = _ENGINE.fullmatch(text)
    require(found is not None, "Engine spelling",
            "MAC,array=ROWSxCOLS,dataflow=FLOW,depths=AxBxC,bus=BUS", text)
    assert found is not None
    array = parse_array(found["array"], found["mac"], dataflow=found["dataflow"], out=found["out"],
                        depth=int(found["depth"]) if found["depth"] else None)
    return parse_gemm(array, depths=found["depths"], bus=found["bus"])


def parse_gemm(array: ArraySpec, *, depths: str = DEFAULT_DEPTHS,
               bus: str = "axi4lite") -> GemmSpec:
    """Engine around ``array`` with memories of ``AxBxC`` words, behind a bus of this name."""
    is_text = isinstance(depths, str) and re.fullmatch(r"\d{1,9}(x\d{1,9}){2}", depths)
    require(bool(is_text), "GEMM depths", f"AxBxC, for instance {DEFAULT_DEPTHS}", depths)
    buses = [known.value for known in Bus]
    require(bus in buses, "GEMM bus", f"one of {', '.join(buses)}", bus)
    depth_a, depth_b, depth_c = (int(depth) for depth in depths.split("x"))
    return GemmSpec(array=array, depth_a=depth_a, depth_b=depth_b, depth_c=depth_c, bus=Bus(bus))
