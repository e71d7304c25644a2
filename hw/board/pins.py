# SPDX-License-Identifier: Apache-2.0
"""Chip, clock and pins of a board, read from its Amaranth platform."""

from collections.abc import Mapping
from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Any

from hw.board.platforms import Board

__all__ = ["Pins", "pins"]

#: What place and route calls the packages of an ECP5.
_PACKAGES = {"BG381": "CABGA381", "MG285": "CSFBGA285"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pins:
    """What a board's constraints and tools are made from.

    Parameters
    ----------
    clock_hz
        Frequency of the clock that comes in.
    ports
        Pin of the package by port of the design: ``clk_in``, ``rx``, ``tx``.
    chip
        Fields of the commands of the family.
    """

    clock_hz: int
    ports: Mapping[str, str]
    chip: Mapping[str, str]

    @property
    def die(self) -> str:
        """Entry of families.toml that says what there is of each kind of cell."""
        return self.chip.get("size") or self.chip["chip"]


def pins(board: Board) -> Pins:
    """Chip, clock and pins of ``board``."""
    platform = resolve_name(board.platform)()
    clock = platform.lookup(board.clock or platform.default_clk)
    (clock_pin,) = clock.ios[0].names
    if board.header:
        connector, *places = board.header
        rx, tx = (platform.connectors[connector, 0].mapping[place] for place in places)
    else:
        lines = {line.name: line.ios[0].names for line in platform.lookup("uart").ios}
        (rx,), (tx,) = lines["rx"], lines["tx"]
    return Pins(clock_hz=round(clock.clock.frequency),
                ports={"clk_in": clock_pin, "rx": rx, "tx": tx}, chip=_chip(platform))


def _chip(platform: Any) -> dict[str, str]:
    """Fields of families.toml that the platform's chip gives."""
    if hasattr(platform, "part"):
        # Memories beside the die, the R of the name, are nothing to place and route.
        return {"part": platform.part, "chip": platform.family.replace("R-", "-"),
                "series": platform.series.removesuffix("R").lower()}
    if platform.package in _PACKAGES:
        return {"size": platform.device.removeprefix("LFE5U-").replace("F", "k"),
                "package": _PACKAGES[platform.package], "speed": platform.speed}
    return {"size": platform.device.removeprefix("iCE40").lower(),
            "package": platform.package.lower()}
