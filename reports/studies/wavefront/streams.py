# SPDX-License-Identifier: Apache-2.0
"""Geometry of the timing diagram of an array's streams, as plain data."""

from dataclasses import dataclass
from typing import Any

from reports.studies.wavefront.traces import Beat, Trace

__all__ = ["Box", "Wave", "streams"]

STEP, LINE, HIGH = 40, 26, 14
LEFT, TOP, MARGIN = 130, 62, 20
#: Space between two streams.
GAP = 12
_NAMES = (("s_axis_a", "col"), ("s_axis_b", "row"), ("m_axis_c", "row"))


@dataclass(frozen=True, slots=True)
class Wave:
    """One wire: its name, where its line lies, and the line as an SVG path."""

    name: str
    y: int
    path: str


@dataclass(frozen=True, slots=True)
class Box:
    """One beat on tdata."""

    x: int
    y: int
    text: str
    tile: int


def streams(record: dict[str, Any]) -> dict[str, Any]:
    """What the template ``streams.svg.j2`` draws."""
    trace = Trace(record)
    waves, boxes, y = [], [], TOP
    for stream, vector in _NAMES:
        beats = trace.beats(stream)
        for wire in ("valid", "ready", "last"):
            levels = [getattr(beat, wire) for beat in beats]
            waves.append(Wave(f"{stream}_t{wire}", y, _path(levels, y)))
            y += LINE
        waves.append(Wave(f"{stream}_tdata", y, ""))
        boxes += [_box(beat, cycle, y, f"{stream[-1].upper()}{beat.tile}", vector)
                  for cycle, beat in enumerate(beats) if beat.valid]
        y += LINE + GAP
    return {"waves": waves, "boxes": boxes, "cycles": trace.cycles, "step": STEP, "high": HIGH,
            "left": LEFT, "top": TOP, "margin": MARGIN, "bottom": y - GAP,
            "width": LEFT + trace.cycles * STEP + MARGIN, "height": y + MARGIN - GAP,
            **{key: trace.conditions[key] for key in ("mac", "array")}}


def _box(beat: Beat, cycle: int, y: int, matrix: str, vector: str) -> Box:
    """Beat ``index`` of a tile: a row or a column of its matrix."""
    place = f"{beat.index},:" if vector == "row" else f":,{beat.index}"
    return Box(LEFT + cycle * STEP, y, f"{matrix}[{place}]", beat.tile)


def _path(levels: list[bool], y: int) -> str:
    """Line of a wire that has these levels, a step wide each."""
    heights = [y if level else y + HIGH for level in levels]
    parts = [f"M{LEFT} {heights[0]}"]
    for cycle, height in enumerate(heights):
        parts.append(f"V{height}H{LEFT + (cycle + 1) * STEP}")
    return "".join(parts)
