# SPDX-License-Identifier: Apache-2.0
"""Bits of accuracy compared with arXiv 2303.17951, and SQNR by share of outliers."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from hw.spec import PAPER_FORMATS
from reports.plots import Curve, bars, curves
from reports.registry import Page
from reports.tables import MISSING, Record, Table

OUTLIERS = "normal with outliers"
#: Bits by which a value may differ from the paper's without a comment.
TOLERANCE = 0.1
#: Formats by their name in the paper's figure: the paper's own, and this project's.
COLUMNS = {name: tuple(dict.fromkeys((fmt, name.lower()))) for name, fmt in PAPER_FORMATS.items()}
NAMES = {
    "uniform": "uniform numbers",
    "normal": "normal numbers",
    "student_t3": "Student's t with 3 degrees of freedom",
}


def _values(records: Sequence[Record], metric: str) -> dict[tuple[str, str], float]:
    """Values of a metric by distribution and format."""
    return {
        (record["conditions"]["numbers"], record["subject"]): record["metrics"][metric]["value"]
        for record in records
        if metric in record["metrics"]
    }


def accuracy(records: Sequence[Record]) -> Table:
    """One row per distribution and kind of special codes, one column per format."""
    bits, paper = _values(records, "bits"), _values(records, "paper")
    rows = []
    for name, title in NAMES.items():
        for line, values, place in (
            ("the paper's figure 5", paper, 0),
            ("the paper's formats", bits, 0),
            ("this project's formats", bits, -1),
        ):
            known = [values.get((name, group[place])) for group in COLUMNS.values()]
            rows.append(
                [title, line, *(MISSING if each is None else f"{each:.2f}" for each in known)]
            )
    return Table(["numbers", "bits of accuracy", *COLUMNS], rows, [])


def _far(records: Sequence[Record]) -> list[dict[str, Any]]:
    """Values that differ from the paper's: distribution, both formats, difference, and spans."""
    bits, paper, span = (_values(records, metric) for metric in ("bits", "paper", "span"))
    return [
        {
            "numbers": NAMES[name],
            "format": fmt,
            "paper": group[0],
            "difference": bits[name, fmt] - paper[name, group[0]],
            "span": span[name, fmt],
            "paper_span": span[name, group[0]],
        }
        for name in NAMES
        for group in COLUMNS.values()
        for fmt in dict.fromkeys(group)
        if (name, fmt) in bits and abs(bits[name, fmt] - paper[name, group[0]]) > TOLERANCE
    ]


def answer(records: Sequence[Record]) -> dict[str, Any]:
    """Number of values that match the paper, and the best format by distribution."""
    bits, paper = _values(records, "bits"), _values(records, "paper")
    off = [abs(bits[key] - value) for key, value in paper.items()]
    return {
        "near": sum(each <= TOLERANCE for each in off),
        "all": len(off),
        "largest": max(off),
        "tolerance": TOLERANCE,
        "best": [
            (max(COLUMNS, key=lambda column: bits[name, COLUMNS[column][-1]]), title)
            for name, title in NAMES.items()
        ],
    }


def _outliers(records: Sequence[Record]) -> dict[str, dict[int, float]]:
    """SQNR by format and by -log2 of the share of outliers."""
    return {
        record["subject"]: {
            int(name.rpartition("_")[2]): metric["value"]
            for name, metric in record["metrics"].items()
        }
        for record in records
        if record["conditions"]["numbers"] == OUTLIERS
    }


def outliers(records: Sequence[Record]) -> Table:
    """SQNR, one row per share of outliers."""
    lines = _outliers(records)
    places = sorted({place for row in lines.values() for place in row}, reverse=True)
    rows = [
        [f"1 in {1 << place:,}", *(f"{row[place]:.1f}" for row in lines.values())]
        for place in places
    ]
    return Table(["outliers", *(f"{name} [dB]" for name in lines)], rows, [])


def _crossing(records: Sequence[Record]) -> dict[str, Any] | None:
    """The smallest share of outliers for which INT8 is not the best, with the best format.

    None if there is no such share.
    """
    lines = _outliers(records)
    for place in sorted(lines.get("int8", {}), reverse=True):
        best = max(lines, key=lambda name: lines[name][place])
        if best != "int8":
            return {
                "one_in": 1 << place,
                "best": best,
                "sqnr": lines[best][place],
                "int8": lines["int8"][place],
            }
    return None


def plots(records: Sequence[Record]) -> dict[str, Callable[[], str]]:
    """Bars of the bits, and curves of the SQNR."""
    series = {
        f"{title}{suffix}": [values[name, group[0]] for group in COLUMNS.values()]
        for name, title in NAMES.items()
        for suffix, values in (
            ("", _values(records, "bits")),
            (", paper", _values(records, "paper")),
        )
    }
    shown = [
        Curve(name, [(2.0**-place, value) for place, value in sorted(row.items())])
        for name, row in _outliers(records).items()
    ]
    return {
        "theory_bits": partial(
            bars,
            "Bits of accuracy with the best scale",
            unit="log2(sigma / RMSE)",
            groups=list(COLUMNS),
            series=series,
        ),
        "theory_outliers": partial(
            curves,
            "SQNR by share of outliers",
            x="share of outliers",
            log_x=True,
            y="SQNR with the best scale [dB]",
            shown=shown,
        ),
    }


def theory_page(records: Sequence[Record]) -> dict[str, Any]:
    """Values for the page."""
    spread = next(
        (
            float(record["conditions"]["outlier spread"])
            for record in records
            if record["conditions"]["numbers"] == OUTLIERS
        ),
        0.0,
    )
    return {
        "accuracy": accuracy(records),
        "far": _far(records),
        "outliers": outliers(records),
        "crossing": _crossing(records),
        "spread": spread,
    }


PAGE = Page(
    values=lambda records: theory_page(records["theory"]),
    answer=lambda records: answer(records["theory"]),
    plots=lambda records: plots(records["theory"]),
)
