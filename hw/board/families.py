# SPDX-License-Identifier: Apache-2.0
"""FPGA families as data: tools, cells and PLL of each."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FILE = Path(__file__).with_name("families.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class PllRanges:
    """Lowest and highest dividers and frequencies (MHz) of a PLL; ``post`` lists all values.

    ``feedback`` is the signal compared with the reference: output or oscillator.
    """

    divide: tuple[int, int]
    multiply: tuple[int, int]
    post: tuple[int, ...]
    feedback: str
    compare: tuple[float, float]
    oscillator: tuple[float, float]
    output: tuple[float, float]


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """One entry of families.toml, which describes the fields."""

    key: str
    name: str
    synth: str
    dsp: str
    no_dsp: str
    finish: tuple[str, ...] = ()
    luts: Mapping[str, int]
    flip_flops: str
    dsps: str
    block_rams: str
    ram_words: int
    ram_bits: int
    lut_bits: int
    place: str
    pack: str
    constraints: str
    constraint: str
    routed: str
    bitstream: str
    chips: Mapping[str, Mapping[str, int]]
    pll: PllRanges

    def count(self, cells: Mapping[str, int]) -> dict[str, int]:
        """Look-up tables, flip-flops, DSP blocks and block RAMs among ``cells`` by type."""
        patterns = {"flip_flops": self.flip_flops, "dsps": self.dsps, "block_rams": self.block_rams}
        luts = sum(self.luts.get(kind, 0) * count for kind, count in cells.items())
        return {"luts": luts} | {
            name: matching(pattern, cells) for name, pattern in patterns.items()
        }


def matching(pattern: str, cells: Mapping[str, int]) -> int:
    """Number of cells whose type matches ``pattern``."""
    return sum(count for kind, count in cells.items() if re.fullmatch(pattern, kind))


def _families() -> dict[str, Family]:
    """Every entry of families.toml."""
    data = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {
        key: Family(key=key, **entry | {"pll": PllRanges(**entry["pll"])})
        for key, entry in data.items()
    }


FAMILIES = _families()
