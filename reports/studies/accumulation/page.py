# SPDX-License-Identifier: Apache-2.0
"""Error of dot products by number of products: figure, tables and sentences."""

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hw.spec.errors import require
from reports.registry import Figure, Page
from reports.tables import MISSING, Record, Table, percent, text

#: Names of accumulators in records: only the operands are rounded; exact sums.
CODES, EXACT = "none", "exact"
_METRIC = re.compile(r"(error|infinite)_at_(\d+)")
_CONDITIONS = (
    "operands",
    "source",
    "accumulator",
    "headroom",
    "format",
    "dot products",
    "largest code",
)
#: Error that counts as small.
LIMIT = 0.01

#: Layout of the figure.
LEFT, TOP, MARGIN = 66, 128, 20
WIDTH, PITCH = 188, 304
#: Height of a decade, and of the rows for infinity (top) and zero (bottom).
DECADE, ROW = 32, 26
#: Smallest distance between labels, and between a label and the end of its line.
LABEL, LEADER = 15, 14
TITLES = {
    "gaussian": ("Gaussian", "both signs: sums cancel"),
    "positive": ("Gaussian magnitudes", "one sign: sums only grow"),
    "digits": ("Digits network", "pixels x weights, joined along K"),
}
#: Kinds of operands on pages, by their names in records, and their descriptions.
NAMES = {"gaussian": "Gaussian", "positive": "positive", "digits": "digits"}
SOURCES = {
    "gaussian": "normally distributed numbers",
    "positive": "the magnitudes of the same numbers",
    "digits": "test images and first-layer weights of the digits network, in pieces of 64 products "
    "that are drawn at random and joined along K",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """Error of an accumulator by K, and the share of infinite sums if there are any.

    ``headroom`` is the power of two by which the operands are scaled down, ``bits`` the width.
    """

    accumulator: str
    headroom: int
    bits: int
    errors: dict[int, float]
    infinite: dict[int, float]

    @property
    def label(self) -> str:
        """Name of the curve; scaled operands have a curve of their own."""
        return self.accumulator + (f" on operands / {1 << self.headroom}" if self.headroom else "")

    @property
    def ks(self) -> list[int]:
        """Lengths of the sums."""
        return sorted([*self.errors, *self.infinite])

    def passes(self, limits: float | dict[int, float]) -> int | None:
        """Smallest K from which the error stays above the limits, or None."""
        first = None
        for k in reversed(self.ks):
            limit = limits[k] if isinstance(limits, dict) else limits
            if k in self.errors and self.errors[k] <= limit:
                break
            first = k
        return first


class Curves:
    """All curves by kind of operands: accumulators (``curves``) and rounding (``codes``).

    SpecError if the records are not from this study.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.curves: dict[str, list[Curve]] = {}
        self.codes: dict[str, Curve] = {}
        self.sources: dict[str, str] = {}
        for record in records:
            conditions = record["conditions"]
            missing = [name for name in _CONDITIONS if name not in conditions]
            require(not missing, "Accumulation record", "complete", f"without {missing}")
            kind, curve = conditions["operands"], _curve(record)
            self.sources[kind] = conditions["source"]
            if curve.accumulator == CODES:
                self.codes[kind] = curve
            else:
                self.curves.setdefault(kind, []).append(curve)
        self.ks = next(iter(self.codes.values())).ks if self.codes else []
        self.format: str = records[0]["conditions"]["format"]
        self.dots: int = records[0]["conditions"]["dot products"]
        self.largest: float = max(record["conditions"]["largest code"] for record in records)
        labels = {tuple(curve.label for curve in curves) for curves in self.curves.values()}
        require(
            len(labels) == 1 and set(self.codes) == set(self.curves),
            "Accumulation records",
            "of the same accumulators for all operands",
            sorted(labels),
        )
        for curve in self.all_curves:
            require(curve.ks == self.ks, "Accumulation records", "of the same K", curve.ks)
            wrong = max(curve.errors.values(), default=0) if curve.accumulator == EXACT else 0
            require(not wrong, "Accumulation error", "0 where sums are exact", wrong)
        #: Curves by label, then by kind of operands.
        self.by_label: dict[str, dict[str, Curve]] = {
            label: {
                kind: next(curve for curve in curves if curve.label == label)
                for kind, curves in self.curves.items()
            }
            for label in labels.pop()
        }

    @property
    def all_curves(self) -> list[Curve]:
        """All curves, including those of the codes."""
        return [*self.codes.values(), *itertools.chain(*self.curves.values())]


def _curve(record: Record) -> Curve:
    """The curve of one record."""
    values: dict[str, dict[int, float]] = {"error": {}, "infinite": {}}
    for name, metric in record["metrics"].items():
        match = _METRIC.fullmatch(name)
        require(
            match is not None,
            "Accumulation metrics",
            "error_at_K or infinite_at_K",
            name,
        )
        assert match is not None
        values[match[1]][int(match[2])] = metric["value"]
    for what, high in (("error", float("inf")), ("infinite", 1)):
        wrong = [
            value
            for value in values[what].values()
            if not isinstance(value, int | float) or not 0 <= value <= high
        ]
        require(not wrong, f"Accumulation {what}", f"from 0 to {high}", wrong)
    both = values["error"].keys() & values["infinite"].keys()
    require(not both, "Accumulation K", "of one metric", sorted(both))
    conditions = record["conditions"]
    return Curve(
        conditions["accumulator"],
        conditions["headroom"],
        conditions.get("bits", 0),
        values["error"],
        values["infinite"],
    )


def answer(records: Sequence[Record]) -> dict[str, Any]:
    """How many accumulator bits are enough.

    Accumulators whose error stays below `LIMIT`, those whose error exceeds it (with the smallest K
    and the operands), and those that overflow (with the smallest K).
    """
    study = Curves(records)
    good, bad, infinite = [], [], []
    for label, curves in study.by_label.items():
        first = {kind: k for kind, curve in curves.items() if (k := curve.passes(LIMIT))}
        name = f"{label} ({next(iter(curves.values())).bits} bits)"
        overflows = [min(curve.infinite) for curve in curves.values() if curve.infinite]
        if overflows:
            infinite.append((name, min(overflows)))
        elif first:
            least = min(first.values())
            bad.append(
                (name, least, [NAMES.get(kind, kind) for kind, k in first.items() if k == least])
            )
        else:
            good.append(name)
    return {
        "last": study.ks[-1],
        "format": study.format,
        "limit": LIMIT,
        "good": good,
        "bad": bad,
        "infinite": infinite,
    }


def limits(records: Sequence[Record]) -> Table:
    """Smallest K from which each accumulator exceeds `LIMIT`, and the operands' rounding."""
    study = Curves(records)
    heads = [
        f"{NAMES.get(kind, kind)}: error above {what}"
        for kind in study.curves
        for what in (percent(LIMIT), "operand rounding")
    ]
    rows = []
    for label, curves in study.by_label.items():
        firsts = [
            curve.passes(limit)
            for kind, curve in curves.items()
            for limit in (LIMIT, study.codes[kind].errors)
        ]
        rows.append(
            [
                label,
                text(next(iter(curves.values())).bits),
                *(f"K >= {text(k)}" if k else MISSING for k in firsts),
            ]
        )
    return Table(["accumulator", "bits", *heads], rows, [])


def accumulation_page(records: Sequence[Record]) -> dict[str, Any]:
    """Values for the template ``page.md.j2``.

    ``errors`` has a table per kind of operands, one row per K. ``ends`` has the errors at the
    largest K of accumulators above `LIMIT`, and the largest error of the others. ``overflows`` has
    the share of infinite sums at the first K with any, and the K from which all are infinite.
    """
    study = Curves(records)
    errors = {}
    for kind, own in study.curves.items():
        rows = [
            [
                text(k),
                *(
                    f"Inf: {percent(curve.infinite[k])}"
                    if k in curve.infinite
                    else f"{curve.errors[k]:.1e}"
                    if curve.errors[k]
                    else "0"
                    for curve in (study.codes[kind], *own)
                ),
            ]
            for k in study.ks
        ]
        errors[kind] = Table(["K", "operand rounding", *study.by_label], rows, [])
    k, large, others = study.ks[-1], [], list[float]()
    for label, curves in study.by_label.items():
        last = {
            NAMES.get(kind, kind): curve.errors[k]
            for kind, curve in curves.items()
            if k in curve.errors
        }
        if max(last.values(), default=0) > LIMIT:
            large.append((label, last))
        else:
            others += last.values()
    overflows = [
        {
            "label": label,
            "kind": NAMES.get(kind, kind),
            "k": min(shares),
            "share": shares[min(shares)],
            "whole": min((k for k, share in shares.items() if share == 1), default=None),
        }
        for label, curves in study.by_label.items()
        for kind, curve in curves.items()
        if (shares := curve.infinite)
    ]
    return {
        "study": study,
        "names": NAMES,
        "sources": {kind: SOURCES.get(kind, source) for kind, source in study.sources.items()},
        "limits": limits(records),
        "errors": errors,
        "ends": (large, max(others, default=None)),
        "overflows": overflows,
    }


@dataclass(slots=True)
class Line:
    """One curve: colour, path, end point, label and height of the label."""

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
    """Positions of K (from the left edge of a panel) and of errors."""

    ks: list[int]
    high: int
    low: int

    def x(self, k: int) -> float:
        """Position of ``k``."""
        span = math.log2(self.ks[-1] / self.ks[0]) or 1
        return round(WIDTH * math.log2(k / self.ks[0]) / span, 1)

    def y(self, error: float) -> float:
        """Position of an error; 0 has its own row."""
        if not error:
            return self.zero
        return round(TOP + ROW + DECADE * (self.high - math.log10(error)), 1)

    @property
    def zero(self) -> float:
        """Position of zero."""
        return TOP + ROW + DECADE * (self.high - self.low) + ROW


def accumulation(records: Sequence[Record]) -> dict[str, Any]:
    """Values for the template ``accumulation.svg.j2``."""
    study = Curves(records)
    errors = [error for curve in study.all_curves for error in curve.errors.values() if error]
    logs = [math.log10(error) for error in errors]
    axes = Axes(study.ks, math.ceil(max(logs, default=0)), math.floor(min(logs, default=-1)))
    panels = []
    for place, (kind, curves) in enumerate(study.curves.items()):
        names = [
            f"{curve.accumulator}{f' /{1 << curve.headroom}' if curve.headroom else ''} "
            f"({curve.bits})"
            for curve in curves
        ]
        lines = [
            _line(curve, colour, axes, name)
            for colour, (curve, name) in enumerate(zip(curves, names, strict=True))
            if curve.errors
        ]
        codes = _line(study.codes[kind], 0, axes, "operands")
        dots = [
            Dot(colour, axes.x(k), share, name)
            for colour, (curve, name) in enumerate(zip(curves, names, strict=True))
            for k, share in curve.infinite.items()
        ]
        _spread([*lines, codes], axes)
        panels.append(
            Panel(LEFT + place * PITCH, *TITLES.get(kind, (kind, "")), lines, dots, codes)
        )
    decades = range(axes.low, axes.high + 1)
    labelled = study.ks[::4]
    return {
        "panels": panels,
        "format": study.format,
        "dots": study.dots,
        "left": LEFT,
        "top": TOP,
        "margin": MARGIN,
        "plot": WIDTH,
        "row": ROW,
        "zero": axes.zero,
        "decades": [(place, axes.y(10.0**place)) for place in decades],
        "ks": [(f"{k:,}" if k in labelled else "", axes.x(k)) for k in study.ks],
        "width": LEFT + len(panels) * PITCH + 8,
        "height": axes.zero + 78,
    }


def _line(curve: Curve, colour: int, axes: Axes, label: str) -> Line:
    """Path through all errors except zeros."""
    shown = {k: error for k, error in curve.errors.items() if error} or curve.errors
    points = [(axes.x(k), axes.y(error)) for k, error in sorted(shown.items())]
    x, y = points[-1]
    return Line(colour, "M" + "L".join(f"{x} {y}" for x, y in points), x, y, label, y)


def _spread(lines: list[Line], axes: Axes) -> None:
    """Move labels apart vertically."""
    ordered = sorted(lines, key=lambda line: line.y)
    for upper, lower in itertools.pairwise(ordered):
        lower.label_y = max(lower.label_y, upper.label_y + LABEL)
    floor = axes.zero + LABEL
    for line in reversed(ordered):
        line.label_y = min(line.label_y, floor - LABEL)
        floor = line.label_y


PAGE = Page(
    values=lambda records: accumulation_page(records["accumulation"]),
    answer=lambda records: answer(records["accumulation"]),
    figures=(
        Figure(
            "accumulation",
            "Error of FP8 dot products by number of products, one line per accumulator, for three "
            "kinds of operands",
            accumulation,
        ),
    ),
)
