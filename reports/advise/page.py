# SPDX-License-Identifier: Apache-2.0
"""Advice as a text table and as a self-contained HTML page.

The page plots the measure of each setting by its energy, on a logarithmic axis.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files

import jinja2

from reports.studies.networks.choice import Advice, Goal, Point, figure, metric_name

#: Width of a letter and distance of lines of the labels' 12 pixels.
LETTER, LINE = 6.8, 15
#: Distance from the middle of a dot that labels keep free.
RADIUS = 8
#: Distance of a label from its dot, and from the baseline to its middle.
ASIDE, DOWN = 12, 4


@dataclass(frozen=True, slots=True)
class Dot:
    """A setting; only those on the front have a label, with its baseline at ``text_y``."""

    x: float
    y: float
    kind: str
    title: str
    label: str
    text_x: float
    text_y: float


@dataclass(slots=True)
class Plot:
    """Everything in the plot; a grid line is a position and a label."""

    width: int = 760
    height: int = 400
    left: int = 70
    right: int = 620
    top: int = 60
    bottom: int = 340
    rows: list[tuple[float, str]] = field(default_factory=list)
    columns: list[tuple[float, str]] = field(default_factory=list)
    dots: list[Dot] = field(default_factory=list)


def plot(points: Sequence[Point], advice: Advice) -> Plot:
    """Plot of the points with a known energy; no dots if there are none."""
    drawn = Plot()
    known = [(point, point.energy_uj) for point in points if point.energy_uj]
    if not known:
        return drawn
    values, energies = [point.value for point, _ in known], [energy for _, energy in known]
    rows, columns = _even(min(values), max(values)), _decades(min(energies), max(energies))
    low, high = rows[0], rows[-1]
    first, last = math.log(columns[0]), math.log(columns[-1])

    def x(energy: float) -> float:
        share = (math.log(energy) - first) / (last - first)
        return round(drawn.left + (drawn.right - drawn.left) * share, 1)

    def y(value: float) -> float:
        return round(drawn.bottom - (drawn.bottom - drawn.top) * (value - low) / (high - low), 1)

    drawn.rows = [(y(value), f"{value:g}") for value in rows]
    drawn.columns = [(x(energy), figure(energy)) for energy in columns]
    # Labels are to the right of dots, and stacked where they would overlap.
    taken: list[tuple[float, float, float]] = []
    spots = [(x(energy), y(point.value)) for point, energy in known]
    for point, at, height in sorted(
        ((point, x(energy), y(point.value)) for point, energy in known), key=lambda each: -each[1]
    ):
        in_front = point in advice.front
        label = f"{point.column}, {point.accumulator}" if in_front else ""
        left, foot, width = at + ASIDE, height + DOWN, LETTER * len(label)
        others = [spot for spot in spots if spot != (at, height)]
        while label and (
            any(
                abs(foot - other) < LINE and left < end and start < left + width
                for start, end, other in taken
            )
            or any(
                abs(foot - DOWN - down) < LINE and left < aside + RADIUS < left + width + 2 * RADIUS
                for aside, down in others
            )
        ):
            foot -= LINE
        if label:
            taken.append((left, left + width, foot))
        kind = " ".join(["front"] * in_front + ["chosen"] * (point == advice.chosen))
        drawn.dots.append(Dot(at, height, kind, point.name, label, round(left, 1), round(foot, 1)))
    return drawn


def _even(low: float, high: float) -> list[float]:
    """Evenly spaced round numbers that enclose the range."""
    span = max(high - low, 1.0)
    step = 10.0 ** math.floor(math.log10(span))
    step = next(step * part for part in (0.2, 0.5, 1, 2) if span / (step * part) <= 6)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(step * place, 6) for place in range(first, max(last, first + 1) + 1)]


def _decades(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten that enclose the range."""
    start, stop = math.floor(math.log10(low)), math.floor(math.log10(high)) + 1
    steps = [part * 10.0**power for power in range(start, stop + 1) for part in (1, 2, 5)]
    first = max(place for place, step in enumerate(steps) if step <= low)
    last = min(place for place, step in enumerate(steps) if step >= high)
    return steps[first : max(last, first + 1) + 1]


HEADINGS = ("format", "sums", "cycles", "array area [mm2]", "energy [uJ]", "Pareto front")
MISSING = "-"


def cells(point: Point, advice: Advice) -> list[str]:
    """One row of the table; the value is third."""
    return [
        point.column,
        point.accumulator,
        f"{point.value:.2f}",
        f"{point.cycles:,}",
        MISSING if point.area_mm2 is None else figure(point.area_mm2),
        MISSING if point.energy_uj is None else figure(point.energy_uj),
        "recommended" if point == advice.chosen else "yes" if point in advice.front else "",
    ]


def _headings(goal: Goal) -> list[str]:
    return [*HEADINGS[:2], f"{metric_name(goal.name)} [{goal.unit}]", *HEADINGS[2:]]


def table(points: Sequence[Point], goal: Goal, advice: Advice) -> str:
    """Aligned text: table, recommendation and reasons."""
    rows = [_headings(goal), *(cells(point, advice) for point in points)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    return "\n".join([*lines, "", advice.sentence, *advice.reasons])


def page(
    title: str,
    array: str,
    points: Sequence[Point],
    goal: Goal,
    advice: Advice,
    notes: Sequence[str],
) -> str:
    """HTML; the same points give the same text."""
    source = (files("reports.advise") / "advice.html.j2").read_text(encoding="utf-8")
    template = jinja2.Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    ).from_string(source)
    rows = [{"cells": cells(point, advice), "is_front": point in advice.front} for point in points]
    return template.render(
        title=title,
        array=array,
        advice=advice,
        headings=_headings(goal),
        measure=f"{metric_name(goal.name)} [{goal.unit}]",
        rows=rows,
        plot=plot(points, advice),
        notes=notes,
    )
