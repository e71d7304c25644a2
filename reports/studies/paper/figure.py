# SPDX-License-Identifier: Apache-2.0
"""The bars of figure 3 of arXiv 2303.17951, as data."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from hw.spec import MacSpec, parse_mac

FIGURE = Path(__file__).with_name("figure3.toml")


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the paper's figure 3: its unit, gates by block, lowest and highest total."""

    mac: MacSpec
    blocks: dict[str, int]
    total: tuple[int, int]


def figure() -> list[Bar]:
    """The bars of the paper's figure 3."""
    data = tomllib.loads(FIGURE.read_text(encoding="utf-8"))
    return [
        Bar(parse_mac(bar["mac"]), bar["blocks"], (bar["total"][0], bar["total"][1]))
        for bar in data["bar"]
    ]


def allowed_gates() -> dict[MacSpec, int]:
    """Two-input gates of each unit at the figure's ratio to INT8, applied to a plain INT8 unit."""
    bars = figure()
    reference = tomllib.loads(FIGURE.read_text(encoding="utf-8"))["reference_gates"]
    return {bar.mac: round(reference * bar.total[0] / bars[0].total[0]) for bar in bars}
