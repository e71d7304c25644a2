# SPDX-License-Identifier: Apache-2.0
"""The grammar: reads descriptions from text, so that ``parse_spec(str(spec)) == spec``.

=============  ====================================================================
MAC            ``e4m3xe5m2,acc=fp32,lanes=4``
MAC, blocks    ``e4m3,acc=fp32,inner=hopper,block=128,block-scale=fp32`` or ``mxfp8``
array          a MAC and ``array=16x16,dataflow=ws,depth=512,out=int8,scale=pow2``
GEMM engine    an array and ``depths=64x64x64,bus=wishbone``
board          an engine and ``clock=12000000,baud=1000000``
output stage   ``e4m3,from=fp32,saturate=no``
=============  ====================================================================

Settings may come in any order, and defaults may be left out. Case does not matter. A format may
also have its name from ml_dtypes, and a setting the name of its command-line option. The settings
are listed in ``SETTINGS`` of each class.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from difflib import get_close_matches
from enum import Enum
from typing import Any, TypeVar

from hw.spec.accumulators import (
    DEFAULT_PRODUCTS,
    Accumulator,
    Adder,
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    Overflow,
    Rounding,
)
from hw.spec.arrays import ArraySpec, Dataflow
from hw.spec.blocks import (
    BLOCK_SCALES,
    MAX_BLOCK,
    AnyAccumulator,
    BlockAccumulator,
    BlockScale,
)
from hw.spec.board import DEFAULT_BAUD, BoardSpec
from hw.spec.catalog import ALIASES, CATALOG, FAMILIES
from hw.spec.errors import DIGITS, SpecError, require, require_int, shortened
from hw.spec.formats import Format, Specials
from hw.spec.gemm import DEFAULT_DEPTH, Bus, GemmSpec
from hw.spec.macs import MacSpec, Multiplier
from hw.spec.outputs import MODE, OutputSpec, Scale
from hw.spec.settings import Described, Setting

#: Everything that has a spelling.
Spec = MacSpec | ArraySpec | OutputSpec | GemmSpec | BoardSpec

DEFAULT_DEPTHS = f"{DEFAULT_DEPTH}x{DEFAULT_DEPTH}x{DEFAULT_DEPTH}"

#: Fraction bits and lanes of FP8 arithmetic in tensor cores: Hopper wgmma, Ada mma, Blackwell
#: tcgen05 (arXiv 2511.10909 and its code).
PRESETS = {"hopper": (13, 32), "ada": (13, 16), "blackwell": (25, 32)}

#: MACs whose operands have a scale per block: the head of a spelling that stands for settings.
#: Sources: OCP Microscaling (MX) 1.0, section 5; NVFP4. An inner sum is exact for a block, so a
#: block is rounded once, into the outer sum. NVFP4's FP32 factor per tensor is applied outside.
_MX = {"acc": "fp32", "block": 32, "block-scale": "e8m0"}
BLOCK_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    "mxfp8": ("e4m3", _MX),
    "mxfp8-e5m2": ("e5m2", _MX),
    "mxfp6-e2m3": ("e2m3", _MX),
    "mxfp6-e3m2": ("e3m2", _MX),
    "mxfp4": ("e2m1", _MX),
    "mxint8": ("int8m6", _MX),
    "nvfp4": ("e2m1", {"acc": "fp32", "block": 16, "block-scale": "ue4m3"}),
}

#: Every accumulator and suffix, for the help text.
ACCUMULATORS = {
    "exact, exact:N": f"two's complement, exact for any N products (default: {DEFAULT_PRODUCTS})",
    "intN": "two's complement, N bits, in units of the product's last place",
    "fxWIDTH[mLSB|pLSB][t][s]": "bit 0 weighs 2^-LSB (m) or 2^LSB (p); t truncates, s saturates",
    "fp32, fp16, bf16, eXmY:ieee": "floating point, rounded once per step",
    "aligned:N": "tensor core: terms are truncated N bits below the largest one",
    ", ".join(PRESETS): "aligned, with the fraction bits and lanes of that GPU",
    "-sat": "suffix of the first four: overflow gives the largest value",
    "-rtz": "suffix: rounds toward zero",
    "-ftz": "suffix, floating point: subnormal sums become zero",
}

#: Kinds of descriptions, each with its settings, those of its parts included.
KINDS: dict[type[Described], tuple[Setting, ...]] = {
    MacSpec: MacSpec.SETTINGS,
    OutputSpec: OutputSpec.SETTINGS,
}
KINDS[ArraySpec] = (*MacSpec.SETTINGS, *ArraySpec.SETTINGS, *MODE)
KINDS[GemmSpec] = (*KINDS[ArraySpec], *GemmSpec.SETTINGS)
KINDS[BoardSpec] = (*KINDS[GemmSpec], *BoardSpec.SETTINGS)

#: Key of each setting, by the key itself and by the name of its option.
_KEYS = {
    name: setting.key
    for settings in (KINDS[BoardSpec], OutputSpec.SETTINGS)
    for setting in settings
    for name in (setting.key.replace("-", "_"), setting.option if not setting.flag else "")
    if name
}

#: Settings that are whole numbers, and their names in messages.
_WHOLE = {
    "lanes": "MAC lanes",
    "pipeline": "MAC pipeline",
    "block": "Accumulator block",
    "depth": "Array depth",
    "clock": "Board clock",
    "baud": "Board baud",
}

_FIXED = re.compile(r"fx(\d{1,5})(?:([mp])(\d{1,5}))?(t?)(s?)")
_INTEGER = re.compile(r"int(\d{1,5})")
_FIELDS = re.compile(r"e(\d{1,2})m(\d{1,2})")

_SUFFIXES: dict[str, dict[str, Any]] = {
    "rtz": {"rounding": Rounding.RTZ},
    "sat": {"overflow": Overflow.SATURATE},
    "ftz": {"subnormals": False},
}

Choice = TypeVar("Choice", bound=Enum)


def parse_spec(text: str | Spec) -> Spec:
    """Description that ``text`` spells; its settings determine the kind.

    Raises
    ------
    SpecError
        If ``text`` is not a valid spelling.
    """
    if not isinstance(text, str):
        require(isinstance(text, Described), "Spec", "a spelling such as e4m3,acc=fp32", text)
        return text
    given = {_key(part) for part in text.split(",")[1:]}
    if {"from", "flags"} & given:
        return parse_output(text)
    for kind in (BoardSpec, GemmSpec, ArraySpec):
        if any(setting.key in given for setting in kind.SETTINGS):
            break
    else:
        return parse_mac(text)
    head, values = _split("Spec", text, KINDS[kind])
    if "array" not in values:
        raise SpecError(f"{shortened(text)} has no array size; add array=ROWSxCOLS")
    stage = None
    if "out" in values:
        stage = (
            values["out"],
            {setting.key: values[setting.key] for setting in MODE if setting.key in values},
        )
    elif given & {setting.key for setting in MODE}:
        raise SpecError(f"{shortened(text)} has no output format; add out=FORMAT")
    mac = _mac(head, values)
    array = _array(
        values["array"],
        mac,
        values.get("dataflow", Dataflow.OS.value),
        _output(*stage, mac) if stage else None,
        values.get("depth"),
    )
    if kind is ArraySpec:
        return array
    gemm = parse_gemm(
        array,
        depths=values.get("depths", DEFAULT_DEPTHS),
        bus=values.get("bus", (Bus.AXI4LITE if kind is GemmSpec else Bus.WISHBONE).value),
    )
    if kind is GemmSpec:
        return gemm
    if "clock" not in values:
        raise SpecError(f"{shortened(text)} has no board clock; add clock=HZ")
    return BoardSpec(gemm=gemm, clock_hz=values["clock"], baud=values.get("baud", DEFAULT_BAUD))


def parse_mac(
    text: str | MacSpec,
    *,
    acc: str | AnyAccumulator | None = None,
    inner: str | Accumulator | None = None,
    block: int | None = None,
    block_scale: str | BlockScale | None = None,
    lanes: int | None = None,
    pipeline: int | None = None,
    adder: str | Adder | None = None,
    multiplier: str | Multiplier | None = None,
) -> MacSpec:
    """MAC spelled ``e4m3``, ``e4m3xe5m2`` or in full ``e4m3,acc=fp32,lanes=4,pipeline=1``.

    ``adder=carry-save`` and ``multiplier=array`` choose other architectures. A keyword overrides
    the spelling. The default accumulator is ``exact``. An accumulator of `PRESETS` also sets the
    lanes. A `MacSpec` without keywords is returned unchanged.

    With ``block``, products are added in blocks: ``inner`` adds one block (default: exactly), and
    ``acc`` adds the blocks. ``block_scale`` is the format of the scales of a block's operands. The
    formats of `BLOCK_FORMATS` stand for such settings: ``mxfp8``, ``nvfp4``.
    """
    given = {
        "acc": acc,
        "inner": inner,
        "block": block,
        "block-scale": block_scale,
        "lanes": lanes,
        "pipeline": pipeline,
        "adder": adder,
        "multiplier": multiplier,
    }
    given = {key: value for key, value in given.items() if value is not None}
    if isinstance(text, MacSpec) and not given:
        return text
    text = str(text) if isinstance(text, MacSpec) else text
    require(isinstance(text, str), "MAC", "a spelling such as e4m3xe5m2,acc=fp32", text)
    head, values = _split("MAC", text, KINDS[MacSpec])
    return _mac(head, values | given)


def parse_array(
    size: str,
    mac: str | MacSpec,
    *,
    dataflow: str = Dataflow.OS.value,
    out: str | OutputSpec | None = None,
    depth: int | None = None,
) -> ArraySpec:
    """Array of size ``ROWSxCOLS`` with ``mac`` in every processing element, from its parts.

    ``out`` is the output stage, spelled ``e4m3`` or in full
    ``int8,saturate=no,scale=fp32,zero_point=yes``; its inputs are the MAC's sums and flags.
    ``depth`` is the depth of the accumulator memory of a weight-stationary array. `parse_spec`
    reads the whole array from one text.
    """
    mac = parse_mac(mac)
    return _array(size, mac, dataflow, None if out is None else parse_output(out, mac=mac), depth)


def parse_gemm(
    array: ArraySpec, *, depths: str = DEFAULT_DEPTHS, bus: str = Bus.AXI4LITE.value
) -> GemmSpec:
    """Engine around ``array`` with memories of ``AxBxC`` words and the bus of this name."""
    a, b, c = parse_sides("GEMM depths", depths, f"AxBxC, for instance {DEFAULT_DEPTHS}", 3)
    return GemmSpec(array=array, depth_a=a, depth_b=b, depth_c=c, bus=_named(Bus, "GEMM bus", bus))


def parse_output(text: str | OutputSpec, *, mac: MacSpec | None = None) -> OutputSpec:
    """Output stage spelled ``e4m3,from=fp32`` or in full.

    In full: ``int8,from=fx49m18,flags=1,saturate=no,scale=pow2,zero_point=yes``. The source must be
    an accumulator whose width does not depend on operands: ``int32`` (in units of 1), but not
    ``exact``. With ``mac``, source and flags come from the MAC and are not spelled. An `OutputSpec`
    is returned unchanged.
    """
    if isinstance(text, OutputSpec):
        return text
    require(isinstance(text, str), "Output", "a spelling such as e4m3,from=fp32", text)
    return _output(*_split("Output", text, MODE if mac else KINDS[OutputSpec]), mac)


def parse_format(text: str) -> Format:
    """Format by its name in the catalogue or in ml_dtypes, or any ``eXmY:policy``.

    ``e4m3:ieee`` is E4M3 with the special codes and the bias of that policy. With the suffix
    ``-daz``, as in ``e4m3:fn-daz``, subnormal codes mean zero.
    """
    require(isinstance(text, str), "Format name", "a string", text)
    name = text.strip().lower()
    name = ALIASES.get(name, name)
    base, _, options = name.partition(":")
    policy, _, option = options.partition("-")
    if not policy and name in CATALOG:
        return CATALOG[name]
    numbers = _FIELDS.fullmatch(base)
    policies = [p.value for p in Specials]
    require(
        not policy or policy in policies, "Format policy", f"one of {', '.join(policies)}", policy
    )
    require(options in (policy, f"{policy}-daz"), "Format option", "daz or none", option)
    if not policy or numbers is None:
        raise SpecError(
            f"Format name must be one of {', '.join(CATALOG)}, or eXmY:policy, not "
            f"{shortened(text)}{_suggestion(name)}"
        )
    exp_bits, man_bits = int(numbers[1]), int(numbers[2])
    specials = Specials(policy)
    require(1 <= exp_bits <= 11, "Format exp_bits", "an integer from 1 to 11", exp_bits)
    require_int("Format man_bits", man_bits, 0, 64)
    fmt = Format(
        name=name,
        exp_bits=exp_bits,
        man_bits=man_bits,
        specials=specials,
        bias=specials.default_bias(exp_bits),
        subnormals=not option,
    )
    own = CATALOG.get(base)  # With the usual policy, the format is the entry of the catalogue.
    return own if own is not None and replace(fmt, name=base) == own else fmt


def parse_accumulator(text: str, a: Format, b: Format) -> Accumulator:
    """Accumulator for products of ``a`` and ``b``.

    ``exact`` and ``exact:N`` sum N extreme products without overflow. ``int32`` (or another width)
    has the product's lsb. ``fx32m10`` has 32 bits and lsb 2**-10 (``t``: truncates, ``s``:
    saturates). ``fp32``, ``fp16`` and ``bf16`` are floating point (suffixes ``-rtz``, ``-sat``,
    ``-ftz``). ``int32-sat`` saturates too. ``aligned:13`` truncates each term 13 fraction bits
    below the largest one; `PRESETS` are the tensor cores that do so.
    """
    require(isinstance(text, str), "Accumulator", "a string", text)
    name = text.strip().lower()
    kind, *suffixes = ALIASES.get(name, name).split("-")
    acc = _fixed(kind, a, b) or _floating(kind) or _aligned(kind)
    wrong = [name for name in suffixes if name not in _SUFFIXES]
    if acc is None or wrong or (suffixes and isinstance(acc, AlignedAccumulator)):
        raise SpecError(
            "Accumulator must be exact, exact:N, intN, fxWIDTH[mLSB|pLSB], fp32, fp16 or bf16, "
            "optionally followed by -rtz, -sat or -ftz, or one of aligned:N, "
            f"{', '.join(PRESETS)}, not {shortened(text)}"
        )
    chosen = {key: value for name in suffixes for key, value in _SUFFIXES[name].items()}
    require(
        "subnormals" not in chosen or isinstance(acc, FloatAccumulator),
        "Accumulator option",
        "rtz or sat for a fixed-point accumulator",
        "ftz",
    )
    return type(acc)(**{field.name: getattr(acc, field.name) for field in fields(acc)} | chosen)


def parse_sides(noun: str, text: object, requirement: str, count: int) -> tuple[int, ...]:
    """The ``count`` whole numbers joined by x in ``text``; anything else is a SpecError."""
    match = isinstance(text, str) and re.fullmatch(
        rf"\d{{1,9}}(x\d{{1,9}}){{{count - 1}}}", text.lower()
    )
    require(bool(match), noun, requirement, text)
    return tuple(int(side) for side in str(text).lower().split("x"))


# ---- from text to parts


def _key(part: str) -> str:
    """Key of a setting by any of its names; an unknown name is returned in lower case."""
    name = part.partition("=")[0].strip().lower()
    return _KEYS.get(name.replace("-", "_"), name)


def _split(noun: str, text: str, settings: Iterable[Setting]) -> tuple[str, dict[str, Any]]:
    """Head of a spelling and the texts of its ``settings`` by key; SpecError for any other."""
    head, *parts = text.split(",")
    values: dict[str, Any] = {_key(part): part.partition("=")[2].strip().lower() for part in parts}
    known = {setting.key: setting for setting in settings}
    needed = {"from"} & set(known)
    if not needed <= set(values) <= set(known) or len(values) != len(parts):
        form = {"MAC": "PAIR", "Output": "FORMAT", "Spec": "PAIR"}[noun] + "".join(
            f",{key}={setting.metavar}"
            if key in ("from", "array")
            else f"[,{key}={setting.flag or setting.metavar}]"
            for key, setting in known.items()
        )
        unknown = "".join(_close(key, known) for key in values if key not in known)
        raise SpecError(f"{noun} must be {form}, not {shortened(text)}{unknown}")
    for key in _WHOLE.keys() & values.keys():
        require(values[key].isdecimal(), _WHOLE[key], "a whole number", values[key])
        values[key] = _int(_WHOLE[key], values[key])
    return head.strip(), values


def _int(noun: str, digits: str) -> int:
    """Whole number that ``digits`` spell; SpecError if there are more than `DIGITS`."""
    require(len(digits) <= DIGITS, noun, f"a number of at most {DIGITS} digits", digits)
    return int(digits)


def _close(name: str, known: Iterable[str]) -> str:
    """Suggestion of similar names, starting with a semicolon; empty if there are none."""
    near = get_close_matches(name, list(known), n=3, cutoff=0.75)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _suggestion(name: str) -> str:
    """Suggestion of formats for an unknown name."""
    if name in FAMILIES:
        return f"; did you mean {' or '.join(FAMILIES[name])}?"
    return _close(name, [*CATALOG, *ALIASES])


# ---- from parts to descriptions; a value is a text or, from a keyword, the object itself


def _mac(head: str, values: Mapping[str, Any]) -> MacSpec:
    """MAC from its operands and settings."""
    if head.lower() in BLOCK_FORMATS:
        head, own_values = BLOCK_FORMATS[head.lower()]
        values = {**own_values, **values}
    names = re.split("x", head, flags=re.IGNORECASE)
    require(len(names) <= 2, "MAC operands", "one format or two joined by x", head)
    a, b = parse_format(names[0]), parse_format(names[-1])
    lanes = values.get("lanes")
    own = None
    for level in ("acc", "inner"):
        name = values.get(level)
        if isinstance(name, str) and name.lower() in PRESETS:
            own = PRESETS[name.lower()][1]
            require(lanes in (None, own), "MAC lanes", f"{own} for {level} {name}", lanes)
    return MacSpec(
        a=a,
        b=b,
        acc=_levels(values, a, b),
        lanes=(own or 1) if lanes is None else lanes,
        pipeline=values.get("pipeline", 0),
        adder=_named(Adder, "MAC adder", values.get("adder", Adder.RIPPLE)),
        multiplier=_named(
            Multiplier, "MAC multiplier", values.get("multiplier", Multiplier.DEFAULT)
        ),
    )


def _levels(values: Mapping[str, Any], a: Format, b: Format) -> AnyAccumulator:
    """Accumulator of one or two levels from the settings of a MAC."""
    outer = values.get("acc", "exact")
    outer = parse_accumulator(outer, a, b) if isinstance(outer, str) else outer
    block = values.get("block")
    if block is None:
        for key in ("inner", "block-scale"):
            if key in values:
                raise SpecError(f"--{key} needs sums in blocks; add --block N")
        return outer
    inner, scale = values.get("inner", "exact"), values.get("block-scale")
    require_int("Accumulator block", block, 1, MAX_BLOCK)
    if isinstance(inner, str):
        whole = inner.strip().lower() == "exact"
        inner = FixedAccumulator.exact(a, b, block) if whole else parse_accumulator(inner, a, b)
    if isinstance(scale, str):
        require(scale in BLOCK_SCALES, "Block scale", f"one of {', '.join(BLOCK_SCALES)}", scale)
        scale = BLOCK_SCALES[scale]
    if isinstance(outer, BlockAccumulator):  # A keyword overrides one setting of a spelling.
        outer = outer.outer
    return BlockAccumulator(inner=inner, outer=outer, block=block, scale=scale)


def _array(
    size: str, mac: MacSpec, dataflow: str, out: OutputSpec | None, depth: int | None
) -> ArraySpec:
    """Array from its parts."""
    rows, cols = parse_sides("Array size", size, "ROWSxCOLS, for instance 16x16", 2)
    return ArraySpec(
        mac=mac,
        rows=rows,
        cols=cols,
        out=out,
        depth=depth,
        dataflow=_named(Dataflow, "Array dataflow", dataflow),
    )


def _output(to: str, values: Mapping[str, str], mac: MacSpec | None) -> OutputSpec:
    """Output stage from a format and settings, after ``mac`` or stand-alone."""
    scale = _named(Scale, "Output scale", values.get("scale", Scale.NONE))
    flags = values.get("flags", "0")
    require(flags in ("0", "1", "2"), "Output flags", "one of 0, 1, 2", flags)
    return OutputSpec(
        source=mac.result if mac else _source(values["from"]),
        to=parse_format(to),
        scale=scale,
        saturate=_chosen(values, "saturate", "yes"),
        zero_point=_chosen(values, "zero_point", "no"),
        flag_bits=mac.flag_bits if mac else int(flags),
    )


def _source(text: str) -> Accumulator:
    """Accumulator whose width does not depend on operands."""
    require(
        not text.startswith("exact"),
        "Output source",
        "an accumulator of fixed width, such as fx49m18, int32 or fp32",
        text,
    )
    unit = CATALOG["int8"]
    return parse_accumulator(text, unit, unit)


def _fixed(kind: str, a: Format, b: Format) -> FixedAccumulator | None:
    """Fixed-point accumulator spelled ``kind``, or None."""
    name, _, count = kind.partition(":")
    if name == "exact" and (not count or count.isdecimal()) and kind != "exact:":
        return FixedAccumulator.exact(
            a, b, _int("Accumulator products", count) if count else DEFAULT_PRODUCTS
        )
    if match := _INTEGER.fullmatch(kind):
        return FixedAccumulator(lsb_exp=a.lsb_exp + b.lsb_exp, width=int(match[1]))
    if match := _FIXED.fullmatch(kind):
        lsb = int(match[3] or 0) * (-1 if match[2] == "m" else 1)
        return FixedAccumulator(
            lsb_exp=lsb,
            width=int(match[1]),
            rounding=Rounding.RTZ if match[4] else Rounding.RNE,
            overflow=Overflow.SATURATE if match[5] else Overflow.WRAP,
        )
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
    return AlignedAccumulator(
        fmt=CATALOG["fp32"], frac_bits=_int("Accumulator fraction bits", bits)
    )


def _named(kind: type[Choice], noun: str, value: str | Choice) -> Choice:
    """Member of an enumeration by its text."""
    if isinstance(value, kind):
        return value
    names = [member.value for member in kind]
    require(value in names, noun, f"one of {', '.join(names)}", value)
    return kind(value)


def _chosen(values: Mapping[str, str], name: str, default: str) -> bool:
    """Value of a yes-or-no setting."""
    value = values.get(name, default)
    require(value in ("yes", "no"), f"Output {name}", "yes or no", value)
    return value == "yes"
