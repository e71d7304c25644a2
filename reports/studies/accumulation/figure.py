# SPDX-License-Identifier: Apache-2.0
"""Geometry of the plot of error against the number of products, as plain data."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from reports.studies.accumulation.curves import Curve, Study

__all__ = ["Dot", "Line", "Panel", "accumulation"]

LEFT, TOP, MARGIN = 66, 128, 20
WIDTH, PITCH = 188, 304
#: Height of a power of ten, and of the rows for infinity above and for zero below all of them.
DECADE, ROW = 32, 26
#: Least distance of two labels, and how far they are from the ends of their lines.
LABEL, LEADER = 15, 14
TITLES = {"gaussian": ("Gaussian", "both signs: sums cancel"),
          "positive": ("Gaussian magnitudes", "one sign: sums only grow"),
          "digits": ("Digits network", "pixels x weights, joined along K")}


@dataclass(slots=True)
class Line:
    """One curve: which colour, its path, where it ends, its label and where that stands."""

    colour: int
    path: str
    x: float
    y: float
    label: str
    label_y: float


@dataclass(frozen=True, slots=True)
class Dot:
    """Share of infinite sums at one K."""

    colour: int
    x: float
    share: float
    label: str


@dataclass(frozen=True, slots=True)
class Panel:
    """One kind of operands."""

    x: int
    title: str
    subtitle: str
    lines: list[Line]
    dots: list[Dot]
    codes: Line


@dataclass(frozen=True, slots=True)
class Axes:
    """Places of K and of errors, those relative to a panel's left edge."""

    ks: list[int]
    high: int
    low: int

    def x(self, k: int) -> float:
        """Place of ``k``."""
        span = math.log2(self.ks[-1] / self.ks[0]) or 1
        return round(WIDTH * math.log2(k / self.ks[0]) / span, 1)

    def y(self, error: float) -> float:
        """Place of an error; 0 has a row of its own."""
        if not error:
            return self.zero
        return round(TOP + ROW + DECADE * (self.high - math.log10(error)), 1)

    @property
    def zero(self) -> float:
        """Place of no error."""
        return TOP + ROW + DECADE * (self.high - self.low) + ROW


def accumulation(records: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What the template ``accumulation.svg.j2`` draws."""
    study = Study(records)
    errors = [error for curve in study.all_curves for error in curve.errors.values() if error]
    logs = [math.log10(error) for error in errors]
    axes = Axes(study.ks, math.ceil(max(logs, default=0)), math.floor(min(logs, default=-1)))
    panels = [_panel(study, kind, axes, LEFT + place * PITCH)
              for place, kind in enumerate(study.curves)]
    decades = range(axes.low, axes.high + 1)
    labelled = study.ks[::4]
    return {"panels": panels, "format": study.format, "dots": study.dots, "left": LEFT, "top": TOP,
            "margin": MARGIN, "plot": WIDTH, "row": ROW, "zero": axes.zero,
            "decades": [(place, axes.y(10.0**place)) for place in decades],
            "ks": [(f"{k:,}" if k in labelled else "", axes.x(k)) for k in study.ks],
            "width": LEFT + len(panels) * PITCH + 8, "height": axes.zero + 78}


def _panel(study: Study, kind: str, axes: Axes, x: int) -> Panel:
    """Curves of one kind of operands, their labels kept apart."""
    curves = study.curves[kind]
    lines = [_line(curve, place, axes, _name(curve)) for place, curve in enumerate(curves)
             if curve.errors]
    codes = _line(study.codes[kind], 0, axes, "operands")
    dots = [Dot(place, axes.x(k), share, _name(curve)) for place, curve in enumerate(curves)
            for k, share in curve.infinite.items()]
    _spread([*lines, codes], axes)
    return Panel(x, *TITLES.get(kind, (kind, "")), lines, dots, codes)


def _name(curve: Curve) -> str:
    """Short label: accumulator, what its operands were divided by, its bits."""
    divided = f" /{1 << curve.headroom}" if curve.headroom else ""
    return f"{curve.accumulator}{divided} ({curve.bits})"


def _line(curve: Curve, colour: int, axes: Axes, label: str) -> Line:
    """Path through all errors but those that are 0 before they are not."""
    shown = {k: error for k, error in curve.errors.items() if error} or curve.errors
    points = [(axes.x(k), axes.y(error)) for k, error in sorted(shown.items())]
    x, y = points[-1]
    return Line(colour, "M" + "L".join(f"{x} {y}" for x, y in points), x, y, label, y)


def _spread(lines: list[Line], axes: Axes) -> None:
    """Move labels apart, up where there is room above and down from the top."""
    ordered = sorted(lines, key=lambda line: line.y)
    for upper, lower in itertools.pairwise(ordered):
        lower.label_y = max(lower.label_y, upper.label_y + LABEL)
    floor = axes.zero + LABEL
    for line in reversed(ordered):
        line.label_y = min(line.label_y, floor - LABEL)
        floor = line.label_y
