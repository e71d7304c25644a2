# SPDX-License-Identifier: Apache-2.0
"""Advice as a table of text and as a page that asks for nothing from outside."""

from collections.abc import Sequence
from importlib.resources import files

import jinja2

from reports.advise.plot import plot
from reports.studies.networks.advice import Advice, Measure, Point, figure

__all__ = ["HEADINGS", "cells", "page", "table"]

HEADINGS = ("format", "sums", "cycles", "array area [mm2]", "energy [uJ]", "on the front")
MISSING = "-"


def cells(point: Point, advice: Advice) -> list[str]:
    """Row of the table; the value comes third."""
    return [point.column, point.accumulator, f"{point.value:.2f}", f"{point.cycles:,}",
            MISSING if point.area_mm2 is None else figure(point.area_mm2),
            MISSING if point.energy_uj is None else figure(point.energy_uj),
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
    source = (files("reports.advise") / "advice.html.j2").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True,
                                  undefined=jinja2.StrictUndefined,
                                  keep_trailing_newline=True).from_string(source)
    rows = [{"cells": cells(point, advice), "is_front": point in advice.front} for point in points]
    return template.render(title=title, array=array, advice=advice, headings=_headings(measure),
                           measure=f"{measure.name.replace('_', ' ')} [{measure.unit}]", rows=rows,
                           plot=plot(points, advice), notes=notes)
