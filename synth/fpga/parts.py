# SPDX-License-Identifier: Apache-2.0
"""FPGA parts: options for Yosys and nextpnr, and how to count cells."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hw.board.families import FAMILIES, matching
from hw.spec.errors import require

FILE = Path(__file__).with_name("parts.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """One entry of parts.toml, which describes the fields."""

    key: str
    name: str
    synth: list[str]
    dsp: str
    no_dsp: str
    finish: list[str]
    luts: Mapping[str, int]
    flip_flops: str
    dsps: str
    route: tuple[str, ...] = ()
    pins: Mapping[str, str] | None = None

    def passes(self, top: str, *, dsp: bool) -> list[str]:
        """Yosys passes that map the design below ``top``. ``dsp`` allows DSP blocks."""
        first, *others = self.synth
        option = self.dsp if dsp else self.no_dsp
        return [f"{first.format(top=top)} {option}".rstrip(), *others]

    def count(self, cells: Mapping[str, int]) -> dict[str, int]:
        """Look-up tables, flip-flops and DSP blocks among ``cells`` by type."""
        return {
            "luts": sum(self.luts.get(kind, 0) * count for kind, count in cells.items()),
            "flip_flops": matching(self.flip_flops, cells),
            "dsps": matching(self.dsps, cells),
        }


#: Fields that a part inherits from its family.
_SHARED = ("dsp", "no_dsp", "luts", "flip_flops", "dsps")


def _part(key: str, family: str | None = None, **entry: Any) -> Part:
    """Part of an entry of parts.toml."""
    shared = {name: getattr(FAMILIES[family], name) for name in _SHARED} if family else {}
    return Part(key=key, **shared | entry)


def parts(key: str | None = None) -> list[Part]:
    """All parts, or the one with this key.

    Raises
    ------
    SpecError
        If there is no part with this key.
    """
    data = tomllib.loads(FILE.read_text(encoding="utf-8"))
    require(key is None or key in data, "FPGA part", f"one of {', '.join(data)}", key)
    return [_part(name, **entry) for name, entry in data.items() if key in (None, name)]
