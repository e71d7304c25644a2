# SPDX-License-Identifier: Apache-2.0
"""Advice as a table of text and as a page that asks for nothing from outside."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import jinja2

from synth.networks.advice import Advice, Measure, Point

__all__ = ["HEADINGS", "cells", "page", "table"]

HEADINGS = ("format", "sums", "cycles", "array area [mm2]", "energy [uJ]", "on the front")
MISSING = "-"


@dataclass(frozen=True, slots=True)
class _Tick:
    place: float
    label: str


@dataclass(frozen=True, slots=True)
class _Dot:
    x: float
    y: float
    kind: str
    title: str
    label: str


@dataclass(slots=True)
class _Plot:
    """Places in pixels of what is drawn."""

    width: int = 760
    height: int = 380
    left: int = 70
    right: int = 640
    top: int = 40
    bottom: int = 320
    rows: list[_Tick] = field(default_factory=list)
    columns: list[_Tick] = field(default_factory=list)
    dots: list[_Dot] = field(default_factory=list)


def cells(point: Point, advice: Advice) -> list[str]:
    """Row of the table; the value comes third."""
    return [point.column, point.accumulator, f"{point.value:.2f}", f"{point.cycles:,}",
            MISSING if point.area_mm2 is None else f"{point.area_mm2:.3g}",
            MISSING if point.energy_uj is None else f"{point.energy_uj:.3g}",
            "recommended" if point == advice.chosen else "yes" if point in advice.front else ""]


def _headings(measure: Measure) -> list[str]:
    return [*HEADINGS[:2], f"{measure.name.replace('_', ' ')} [{measure.unit}]", *HEADINGS[2:]]


def table(points: Sequence[Point], measure: Measure, advice: Advice) -> str:
    """Aligned text: the table, the recommendation and its reasons."""
    rows = [_headings(measure), *(cells(point, advice) for point in points)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        padded = [cell.ljust(width) if place < 2 else cell.rjust(width)
                  for place, (cell, width) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(padded).rstrip())
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join([*lines, "", advice.sentence, *advice.reasons])


def page(title: str, array: str, points: Sequence[Point], measure: Measure, advice: Advice,
         notes: Sequence[str]) -> str:
    """HTML; the same points give the same text."""
    source = (files("synth.networks") / "advice.html.j2").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                  undefined=jinja2.StrictUndefined,
                                  keep_trailing_newline=True).from_string(source)
    rows = [{"cells": cells(point, advice), "is_front": point in advice.front} for point in points]
    return template.render(title=title, array=array, advice=advice, headings=_headings(measure),
                           measure=f"{measure.name.replace('_', ' ')} [{measure.unit}]", rows=rows,
                           plot=_plot(points, advice), notes=notes)


def _plot(points: Sequence[Point], advice: Advice) -> _Plot:
    """Value over energy, the latter as a logarithm."""
    plot = _Plot()
    known = [(point, math.log2(point.energy_uj)) for point in points if point.energy_uj]
    if not known:
        return plot
    values, powers = [point.value for point, _ in known], [power for _, power in known]
    low, high = math.floor(min(values)), math.ceil(max(values))
    first, last = math.floor(min(powers)), math.ceil(max(powers))
    high, last = max(high, low + 1), max(last, first + 1)

    def x(power: float) -> float:
        return round(plot.left + (plot.right - plot.left) * (power - first) / (last - first), 1)

    def y(value: float) -> float:
        return round(plot.bottom - (plot.bottom - plot.top) * (value - low) / (high - low), 1)

    step = 10 ** math.floor(math.log10(high - low)) / (1 if high - low > 2 else 2)
    plot.rows = [_Tick(y(low + step * place), f"{low + step * place:g}")
                 for place in range(int((high - low) / step) + 1)]
    plot.columns = [_Tick(x(power), f"{2.0**power:.4g}") for power in range(first, last + 1)]
    plot.dots = [_Dot(x(power), y(point.value), _kind(point, advice), point.name,
                      f"{point.column}, {point.accumulator}" if point in advice.front else "")
                 for point, power in known]
    return plot


def _kind(point: Point, advice: Advice) -> str:
    """Class of a dot."""
    return " ".join([*(["front"] if point in advice.front else []),
                     *(["chosen"] if point == advice.chosen else [])])
