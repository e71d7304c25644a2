# SPDX-License-Identifier: Apache-2.0
"""Charts as SVG text: bars, dots and curves. The same numbers give the same bytes."""

import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

COLOURS = ("#2f6f9f", "#c26a00", "#2e7d32", "#7d4fa8", "#c0392b", "#5d6b7c", "#4a9bd4", "#8a6d00")
INK, SOFT, LINE = "#1c2430", "#5d6b7c", "#d9dfe6"
#: Any, because matplotlib has a type for each name of a setting.
STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "bytemac",
    "text.color": INK,
    "axes.edgecolor": LINE,
    "axes.labelcolor": SOFT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "grid.color": LINE,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 10,
}
THOUSANDS = FuncFormatter(lambda value, _: f"{value:,.5g}" if value < 1e4 else f"{value:,.0f}")


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one curve and their text labels; ``marks`` may be empty.

    ``colour`` is a place in `COLOURS`, by default that of the curve; ``below`` puts the marks below
    their points.
    """

    name: str
    points: Sequence[tuple[float, float]]
    marks: Sequence[str] = ()
    dashed: bool = False
    colour: int | None = None
    below: bool = False


MARKERS = ("o", "s", "^", "D", "v", "P")
#: Numbers below this are written as powers.
SMALL = 1e-3
#: Background of a label, which hides lines behind it.
PLATE: Any = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
#: Width of a page in inches. If the bars need more, their values are written vertically.
WIDEST = 11.0


def bars(
    title: str,
    *,
    unit: str,
    groups: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    line: float | None = None,
    line_name: str = "",
) -> str:
    """SVG of grouped bars with their values above them; ``line`` draws a reference level.

    Parameters
    ----------
    title, unit
        Title of the chart, and label of the axis.
    groups
        Names along the axis.
    series
        Heights by name of the series, one for each group; None for a missing bar.
    line, line_name
        Reference level, and its label.
    """
    with matplotlib.rc_context(STYLE):
        heights = [value for each in series.values() for value in each if value is not None]
        longest = max((len(_short(height)) for height in heights), default=0)
        # Inches above a bar for a value of this many characters.
        width = max(7.2, (0.08 * longest + 0.14) * len(groups) * len(series) + 1.4)
        crowded = width > 1.2 * WIDEST
        figure, axes = _axes(title, min(width, WIDEST), unit)
        share = 0.82 / len(series)
        for place, (name, values) in enumerate(series.items()):
            xs = [index + (place - (len(series) - 1) / 2) * share for index in range(len(groups))]
            shown = [(x, value) for x, value in zip(xs, values, strict=True) if value is not None]
            drawn = axes.bar(
                [x for x, _ in shown],
                [value for _, value in shown],
                0.92 * share,
                label=name,
                color=COLOURS[place % len(COLOURS)],
            )
            axes.bar_label(
                drawn,
                [_short(value) for _, value in shown],
                padding=2,
                color=SOFT,
                fontsize=8.5,
                rotation="vertical" if crowded else "horizontal",
                bbox=PLATE,
            )
        if line is not None:
            axes.axhline(line, color=COLOURS[4], linewidth=1.2, linestyle="--", label=line_name)
        axes.set_xticks(range(len(groups)), groups)
        axes.tick_params(axis="x", length=0)
        if crowded:
            axes.margins(x=0.01, y=0.2)
        axes.yaxis.set_major_formatter(THOUSANDS)
        axes.grid(axis="y")
        _legend(axes, len(series) + (line is not None))
        return _svg(figure, title)


def dots(
    title: str,
    *,
    unit: str,
    groups: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    line: float,
    line_name: str,
) -> str:
    """SVG of dots on a logarithmic axis: one row for each group, one dot for each series.

    The parameters are those of `bars`.
    """
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(title, 9.5, unit, height=0.42 * len(groups) + 1.7)
        places = range(len(groups))
        axes.axvline(line, color=COLOURS[4], linewidth=1.2, linestyle="--", label=line_name)
        for place, (name, values) in enumerate(series.items()):
            shown = [(value, row) for value, row in zip(values, places, strict=True) if value]
            axes.plot(
                [value for value, _ in shown],
                [row for _, row in shown],
                MARKERS[place % len(MARKERS)],
                label=name,
                color=COLOURS[place % len(COLOURS)],
                markersize=8,
                linestyle="none",
            )
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(_power(10))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yticks(places, groups)
        axes.tick_params(axis="y", length=0, labelcolor=INK)
        axes.invert_yaxis()
        axes.margins(y=0.08)
        axes.grid()
        _legend(axes, len(series) + 1)
        return _svg(figure, title)


def stacks(
    title: str, *, unit: str, groups: Sequence[str], parts: Mapping[str, Sequence[float]]
) -> str:
    """SVG of one stacked bar for each group, with the total above it."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(title, max(7.2, 0.62 * len(groups) + 1.6), unit)
        feet = [0.0] * len(groups)
        for place, (name, values) in enumerate(parts.items()):
            axes.bar(
                range(len(groups)),
                values,
                0.72,
                bottom=feet,
                label=name,
                color=COLOURS[place % len(COLOURS)],
            )
            feet = [foot + value for foot, value in zip(feet, values, strict=True)]
        for index, total in enumerate(feet):
            axes.annotate(
                _short(total),
                (index, total),
                textcoords="offset points",
                xytext=(0, 3),
                ha="center",
                fontsize=8.5,
                color=SOFT,
            )
        axes.set_xticks(range(len(groups)), groups)
        axes.tick_params(axis="x", length=0)
        axes.yaxis.set_major_formatter(THOUSANDS)
        axes.grid(axis="y")
        _legend(axes, len(parts))
        return _svg(figure, title)


def curves(
    title: str, *, x: str, y: str, shown: Sequence[Curve], log_x: bool = False, log_y: bool = False
) -> str:
    """SVG of curves with marked points; either axis may be logarithmic."""
    with matplotlib.rc_context(STYLE):
        figure, axes = _axes(title, 7.8)
        for place, curve in enumerate(shown):
            chosen_colour = place if curve.colour is None else curve.colour
            colour = COLOURS[chosen_colour % len(COLOURS)]
            axes.plot(
                *zip(*curve.points, strict=True),
                label=curve.name,
                color=colour,
                marker="o",
                markersize=4.5,
                linewidth=1.6,
                linestyle="--" if curve.dashed else "-",
            )
            for mark, point in zip(curve.marks, curve.points, strict=bool(curve.marks)):
                axes.annotate(
                    mark,
                    point,
                    textcoords="offset points",
                    xytext=(0, -14) if curve.below else (5, 6),
                    fontsize=8.5,
                    color=colour,
                    bbox=PLATE if mark else None,
                )
        axes.margins(y=0.1)
        for chosen, set_scale, axis, place in (
            (log_x, axes.set_xscale, axes.xaxis, 0),
            (log_y, axes.set_yscale, axes.yaxis, 1),
        ):
            axis.set_major_formatter(THOUSANDS)
            if chosen:
                values = [point[place] for curve in shown for point in curve.points]
                set_scale("log", base=2)
                # If the range has few powers of two, ticks are added between them.
                few = max(values) < 16 * min(values)
                axis.set_major_locator(LogLocator(base=2, subs=(1, 1.5) if few else (1,)))
                axis.set_major_formatter(_power(2) if min(values) < SMALL else THOUSANDS)
        axes.set_xlabel(x)
        axes.set_ylabel(y)
        axes.grid()
        _legend(axes, len(shown))
        return _svg(figure, title)


def _axes(title: str, width: float, unit: str = "", height: float = 4.1) -> tuple[Figure, Axes]:
    """Empty figure with a title at its left edge, and below it the unit of the bars."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    if unit:
        figure.suptitle(title, x=0.01, ha="left", fontsize=12.5, fontweight="bold", color=INK)
        axes.set_title(unit, loc="left", fontsize=10, color=SOFT)
    else:
        axes.set_title(title, loc="left", fontsize=12.5, fontweight="bold", color=INK)
    return figure, axes


def _power(base: int) -> FuncFormatter:
    """Tick label as a power of ``base``, for small numbers."""
    superscripts = str.maketrans(
        "-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"
    )
    return FuncFormatter(
        lambda value, _: f"{base}{str(round(math.log(value, base))).translate(superscripts)}"
    )


def _legend(axes: Axes, entries: int) -> None:
    """Legend below the axes, clear of the data; none for a single entry."""
    if entries > 1:
        figure, names = axes.figure, axes.get_legend_handles_labels()[1]
        assert isinstance(figure, Figure)
        # Characters per inch, and the width of a line sample with its margins in characters.
        room = int(14 * figure.get_figwidth()) // (max(map(len, names)) + 7)
        figure.legend(loc="outside lower left", ncols=max(1, min(entries, 5, room)))


def _short(value: float) -> str:
    """A number that fits on a bar."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _svg(figure: Figure, title: str) -> str:
    """Text of the figure; without date and writer, so that the same figure gives the same bytes."""
    out = io.StringIO()
    figure.savefig(
        out,
        format="svg",
        metadata={"Date": None, "Creator": None, "Title": title},
        facecolor="white",
    )
    text = re.sub(r"^<\?xml.*?<svg", "<svg", out.getvalue(), flags=re.DOTALL)
    return re.sub(r"[ \t]+\n", "\n", text)
