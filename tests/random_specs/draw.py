# SPDX-License-Identifier: Apache-2.0
"""Draws valid specs of every kind from the grammar's own table of settings.

A setting that is added to the table is drawn too: from its choices or its flag, or by an entry of
`VALUES`. Without one of them `draw` fails.
"""

import string
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle
from math import log2
from random import Random

from hw.mac.align_window import sig_bits
from hw.mac.product import extreme_units
from hw.spec import CATALOG, ArraySpec, GemmSpec, MacSpec, OutputSpec, SpecError, parse_spec
from hw.spec.accumulators import MAX_FRAC_BITS
from hw.spec.arrays import MAX_DEPTH, MAX_SIDE
from hw.spec.board import MIN_DIVIDER, BoardSpec
from hw.spec.catalog import ALIASES
from hw.spec.formats import Specials
from hw.spec.gemm import MAX_DEPTH as MAX_WORDS
from hw.spec.grammar import ACCUMULATORS, KINDS, Spec
from hw.spec.macs import MAX_LANES, MAX_PIPELINE
from hw.spec.outputs import Scale
from hw.spec.settings import REQUIRED, Described, Setting, spelled

#: How often a kind is drawn; the others once. An engine adds few settings to its array, and takes
#: longest.
WEIGHTS: dict[type[Described], int] = {MacSpec: 4, ArraySpec: 4, OutputSpec: 2}
#: Settings without RTL.
UNBUILT = ("inner", "block", "block-scale")
#: Most full adders in one MAC or output stage, and in all those of an array. Larger units are valid
#: too, but take minutes to generate, or to elaborate in Icarus.
LARGEST_UNIT, LARGEST_DESIGN = 4_000, 10_000
#: Most bits of a memory of an engine, which a simulator keeps.
LARGEST_MEMORY = 1 << 27


def zipf(rng: Random, top: int) -> int:
    """From 1 to ``top``; ``n`` or more with probability ``1 / n``."""
    return min(int(1 / (1 - rng.random())), top)


def octave(rng: Random, low: int, high: int) -> int:
    """From ``low`` to ``high``, each power of two as often as the next."""
    return min(int(2 ** rng.uniform(log2(low), log2(high + 1))), high)


def draw_format(rng: Random) -> str:
    """Named format, its name in ml_dtypes, or any fields with any policy."""
    which = rng.random()
    if which < 0.7:
        return rng.choice(list(CATALOG))
    if which < 0.8:
        return rng.choice(list(ALIASES))
    fields = f"e{1 + zipf(rng, 10)}m{zipf(rng, 52)}"
    policy = rng.choice([one.value for one in Specials])
    return f"{fields}:{policy}{rng.choice(['', '', '-daz'])}"


def draw_pair(rng: Random) -> str:
    """One format for both operands, or two."""
    first = draw_format(rng)
    return first if rng.random() < 0.5 else f"{first}x{draw_format(rng)}"


def _fixed(rng: Random) -> str:
    place = rng.choice(["", f"m{rng.randrange(1, 64)}", f"p{rng.randrange(1, 16)}"])
    return f"fx{octave(rng, 4, 256)}{place}{rng.choice(['', 't'])}{rng.choice(['', 's'])}"


def _ieee(rng: Random) -> str:
    return f"e{1 + zipf(rng, 10)}m{zipf(rng, 40)}:{Specials.IEEE.value}"


#: A spelling of each kind of accumulator, by what the help calls them.
KINDS_OF_ACCUMULATOR: dict[str, Callable[[Random], str]] = {
    "exact, exact:N": lambda rng: rng.choice(["exact", f"exact:{octave(rng, 1, 1 << 40)}"]),
    "intN": lambda rng: f"int{octave(rng, 4, 128)}",
    "fxWIDTH[mLSB|pLSB][t][s]": _fixed,
    "fp32, fp16, bf16, eXmY:ieee": lambda rng: rng.choice(["fp32", "fp16", "bf16", _ieee(rng)]),
    "aligned:N": lambda rng: f"aligned:{rng.randrange(1, MAX_FRAC_BITS + 1)}",
    "hopper, ada, blackwell": lambda rng: rng.choice(["hopper", "ada", "blackwell"]),
    "-sat": lambda rng: "",
    "-rtz": lambda rng: "",
    "-ftz": lambda rng: "",
}


def draw_accumulator(rng: Random) -> str:
    """Accumulator of any kind, with the suffixes of the table now and then."""
    if set(KINDS_OF_ACCUMULATOR) != set(ACCUMULATORS):
        raise ValueError(f"Accumulators must be drawn as the help lists them: {set(ACCUMULATORS)}")
    suffixes = [name for name in ACCUMULATORS if name.startswith("-")]
    kinds = [name for name in ACCUMULATORS if name not in suffixes]
    text = KINDS_OF_ACCUMULATOR[rng.choice(kinds)](rng)
    return text + "".join(name for name in suffixes if rng.random() < 0.15)


def _sides(rng: Random, count: int, one: Callable[[], int]) -> str:
    return "x".join(str(one()) for _ in range(count))


#: Value of each setting that has neither choices nor a flag.
VALUES: dict[str, Callable[[Random], str]] = {
    "acc": draw_accumulator,
    "from": draw_accumulator,
    "flags": lambda rng: str(rng.randrange(3)),
    "lanes": lambda rng: str(1 + zipf(rng, MAX_LANES - 1)),
    "pipeline": lambda rng: str(rng.randrange(1, MAX_PIPELINE + 1)),
    "array": lambda rng: _sides(rng, 2, lambda: zipf(rng, MAX_SIDE)),
    "depth": lambda rng: str(octave(rng, 2, MAX_DEPTH)),
    "out": draw_format,
    "depths": lambda rng: _sides(rng, 3, lambda: octave(rng, 2, MAX_WORDS)),
    "clock": lambda rng: str(rng.choice([12, 25, 27, 48, 50, 100]) * 1_000_000),
    "baud": lambda rng: str(1_000_000 * 12 // octave(rng, MIN_DIVIDER, 64)),
}


def draw_setting(rng: Random, setting: Setting) -> str | None:
    """``key=value``, or None to leave it out."""
    if setting.key in UNBUILT or (setting.default is not REQUIRED and rng.random() < 0.5):
        return None
    if setting.choices is not None:
        value = spelled(rng.choice(list(setting.choices)))
    elif setting.flag:
        value = setting.flag
    elif setting.key in VALUES:
        value = VALUES[setting.key](rng)
    else:
        raise ValueError(f"Setting {setting.key} must have choices, a flag or an entry of VALUES")
    return f"{setting.key}={value}"


def draw_spelling(rng: Random, kind: type[Described]) -> str:
    """Spelling of a spec of this kind, not always a valid one; letters in either case."""
    head = draw_format(rng) if kind is OutputSpec else draw_pair(rng)
    settings = [draw_setting(rng, setting) for setting in KINDS[kind]]
    parts = [part for part in settings if part is not None]
    rng.shuffle(parts)
    text = ",".join([head, *parts])
    return text.translate({ord(x): x.upper() for x in string.ascii_lowercase if rng.random() < 0.1})


@dataclass
class Drawn:
    """What else was drawn: counts of what the grammar refuses and of designs that are too large."""

    refused: Counter[str] = field(default_factory=Counter)
    too_large: Counter[str] = field(default_factory=Counter)


def draw(seed: int, drawn: Drawn | None = None) -> Iterator[Spec]:
    """Different valid specs without end, the kinds in turns; the same ones for the same seed.

    Raises
    ------
    Exception
        If the grammar fails in any way other than with a `SpecError` of one line.
    """
    rng, seen, drawn = Random(seed), set(), drawn or Drawn()
    turns = [each for each in KINDS for _ in range(WEIGHTS.get(each, 1))]
    for kind in cycle(turns):
        while True:
            text = draw_spelling(rng, kind)
            try:
                spec = parse_spec(text)
            except SpecError as error:
                if "\n" in str(error):
                    raise ValueError(f"Message on {text} must be one line, not {error}") from error
                drawn.refused[kind.__name__] += 1
                continue
            if parse_spec(str(spec)) != spec:
                raise ValueError(f"Spec {text} must equal what its spelling {spec} is read as")
            if type(spec) is not kind or spec in seen:
                continue
            if is_too_large(spec):
                drawn.too_large[kind.__name__] += 1
                continue
            seen.add(spec)
            yield spec
            break


def is_too_large(spec: Spec) -> bool:
    """Whether a spec would take minutes instead of seconds."""
    gemm = spec.gemm if isinstance(spec, BoardSpec) else spec
    array = gemm.array if isinstance(gemm, GemmSpec) else gemm
    if isinstance(gemm, GemmSpec) and LARGEST_MEMORY < max(
        gemm.depth_a * gemm.a_width, gemm.depth_b * gemm.b_width, gemm.depth_c * gemm.c_width
    ):
        return True
    if not isinstance(array, ArraySpec):
        return _adders(array) > LARGEST_UNIT
    mac, out = _adders(array.mac), _adders(array.out) if array.out else 0
    whole = array.rows * array.cols * mac + array.cols * out
    return max(mac, out) > LARGEST_UNIT or whole > LARGEST_DESIGN


def _adders(unit: MacSpec | OutputSpec) -> int:
    """Rough number of full adders, or of gates as costly, in a MAC or an output stage."""
    if isinstance(unit, OutputSpec):
        return unit.source.width * (32 if unit.scale is Scale.FP32 else 8) + 8 * unit.to.width
    term = extreme_units(unit, 1).bit_length() if unit.lanes > 1 or unit.acc.is_fixed else 0
    product = sig_bits(unit.a) * sig_bits(unit.b)
    return unit.lanes * (product + 2 * term) + 8 * unit.acc.width
