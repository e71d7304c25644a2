# SPDX-License-Identifier: Apache-2.0
"""Bits of accuracy by integration, against sampling, textbook values and arXiv 2303.17951;
the page has the figures as recorded and explains differences from the paper.
"""

import math
import re

import numpy as np
import pytest

from hw.spec import CATALOG, PAPER_FORMATS, SpecError, integer
from reports.studies.theory.measure import DISTRIBUTIONS, PAPER, best_scale, bits, mixture
from reports.studies.theory.page import (
    COLUMNS,
    NAMES,
    accuracy,
    outliers,
    plots,
)
from sim.quantize.nearest import nearest
from tests.support.pages import said, shown

SEED = 1


def draw(name: str, count: int) -> np.ndarray:
    rng = np.random.default_rng(SEED)
    return {
        "uniform": lambda: rng.uniform(-1, 1, count),
        "normal": lambda: rng.normal(size=count),
        "student_t3": lambda: rng.standard_t(3, count),
    }[name]()


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_moments_are_those_of_the_distribution(name: str) -> None:
    """The integrals from 0 to infinity, and those between two limits against a fine sum."""
    source = DISTRIBUTIONS[name]
    zero, _, two = (part[0] - part[1] for part in source.beyond(np.array([0, np.inf])))
    assert [zero, two] == pytest.approx([1 / 2, source.sigma**2 / 2])
    edges = np.linspace(0.25, 2.5, 200_001)
    shares = -np.diff(source.beyond(edges)[0])
    middle = (edges[1:] + edges[:-1]) / 2
    for power, part in enumerate(source.beyond(np.array([0.25, 2.5]))):
        assert part[0] - part[1] == pytest.approx((shares * middle**power).sum(), abs=1e-8)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
@pytest.mark.parametrize("fmt", ["int8", "e4m3", "binary8p5"])
def test_bits_agree_with_a_sample(name: str, fmt: str) -> None:
    reach, source = 6.0, DISTRIBUTIONS[name]
    x = draw(name, 400_000)
    scale = reach * source.sigma / CATALOG[fmt].max
    error = (
        (nearest(np.clip(x / scale, -CATALOG[fmt].max, None), CATALOG[fmt]) * scale - x) ** 2
    ).mean()
    # Samples of the error vary because of the tails of Student's t beyond the range.
    tolerance = 0.2 if name == "student_t3" else 0.02
    assert bits(CATALOG[fmt], reach, source) == pytest.approx(
        math.log2(source.sigma / math.sqrt(error)), abs=tolerance
    )


def test_best_scale_of_few_levels_is_the_textbook_one() -> None:
    """Max (1960), table II: uniform quantisers of normal numbers, here with 3 and 7 levels."""
    for width, step, error in ((2, 1.224, 0.1902), (3, 0.6508, 0.04686)):
        fmt = integer("int", width)
        best = best_scale(fmt, DISTRIBUTIONS["normal"])
        assert best.reach / fmt.max == pytest.approx(step, abs=2e-3)
        assert 4.0**-best.bits == pytest.approx(error, rel=2e-3)


def test_accuracy_is_that_of_the_paper() -> None:
    """All 15 values of figure 5, with the paper's own formats, within a tenth of a bit."""
    compared = 0
    for name, row in PAPER.items():
        for fmt, value in zip(PAPER_FORMATS.values(), row, strict=True):
            got = best_scale(CATALOG[fmt], DISTRIBUTIONS[name]).bits
            assert abs(got - value) < 0.1, f"{name} {fmt}: {got:.3f} bits, {value} in the paper"
            compared += 1
    assert compared == 15


def test_outliers_favour_exponents() -> None:
    """Without outliers INT8 is better than E4M3, with one in a thousand 100 times as wide worse."""
    int8, e4m3 = CATALOG["int8"], CATALOG["e4m3"]
    none, some = mixture(0, 100), mixture(1e-3, 100)
    assert best_scale(int8, none).bits == pytest.approx(
        best_scale(int8, DISTRIBUTIONS["normal"]).bits
    )
    assert some.sigma == pytest.approx(math.sqrt(0.999 + 10))
    assert best_scale(int8, none).bits > best_scale(e4m3, none).bits + 1
    assert best_scale(int8, some).bits < best_scale(e4m3, some).bits


@pytest.mark.parametrize(
    ("weight", "spread", "message"),
    [
        (-0.1, 10, "Outlier weight must be from 0 to 1, not -0.1"),
        (1.5, 10, "Outlier weight must be from 0 to 1, not 1.5"),
        (0.1, 0, "Outlier spread must be positive and finite, not 0"),
    ],
)
def test_mixture_wrong(weight: float, spread: float, message: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        mixture(weight, spread)


def record(subject, numbers, **metrics):
    return {
        "subject": subject,
        "conditions": {"numbers": numbers, "outlier spread": 50.0},
        "metrics": {name: {"value": value} for name, value in metrics.items()},
    }


RECORDS = [
    record(
        fmt,
        name,
        bits=5 + place + (0.25 if (fmt, name) == ("e3m4", "normal") else 0),
        span=9.0 + (fmt == "binary8p5"),
        **({"paper": 5.0 + place} if not own else {}),
    )
    for name in NAMES
    for place, group in enumerate(COLUMNS.values())
    for own, fmt in enumerate(dict.fromkeys(group))
]
RECORDS += [
    record(fmt, "normal with outliers", sqnr_at_4=low, sqnr_at_20=40.0)
    for fmt, low in (("int8", 12.5), ("e4m3", 31.0))
]
RECORDS[-1]["metrics"]["sqnr_at_20"]["value"] = 35.0


def test_accuracy_has_the_papers_values_above_those_of_both_kinds_of_formats():
    table = accuracy(RECORDS)
    assert table.headings == ["numbers", "bits of accuracy", *COLUMNS]
    assert [row[1] for row in table.rows[3:6]] == [
        "the paper's figure 5",
        "the paper's formats",
        "this project's formats",
    ]
    assert table.rows[3][2:] == ["5.00", "6.00", "7.00", "8.00", "9.00"]
    assert table.rows[5][2:] == ["5.00", "6.00", "7.25", "8.00", "9.00"]


def test_answer_counts_what_is_near():
    text = said("theory", RECORDS)
    assert text.startswith("15 of 15 values are within 0.1 bit of figure 5 of arXiv 2303.17951")
    assert "E5M2 for normal numbers" in text
    far = [record("int8", "normal", bits=5.11, paper=5.0, span=7)]
    assert "14 of 15" in said(
        "theory",
        [
            each
            for each in RECORDS
            if each["subject"] != "int8" or each["conditions"]["numbers"] != "normal"
        ]
        + far,
    )


def test_differences_are_explained():
    sentences = [line for line in shown("theory", RECORDS).splitlines() if " differs by " in line]
    assert sentences == [
        (
            "e3m4 differs by +0.25 bit for normal numbers. Its special codes use a whole exponent, "
            "so it spans 9.00 binades; the paper's binary8p5 spans 10.00."
        )
    ]


def test_outliers_show_where_int8_is_no_longer_best():
    assert outliers(RECORDS).rows == [
        ["1 in 1,048,576", "40.0", "35.0"],
        ["1 in 16", "12.5", "31.0"],
    ]
    page = shown("theory", RECORDS)
    assert "the outliers, is 50 times as wide." in page
    assert "\nINT8 is" not in page
    assert (
        "includes the outliers. INT8 is no longer the best format once one number in 16 is an "
        "outlier: e4m3 then has 31.0 dB and int8 12.5 dB.\n"
    ) in page
    assert ("the outliers. INT8 is the best format for every share of outliers.\n") in shown(
        "theory", RECORDS[:-1]
    )


def test_plots_show_every_format():
    drawn = {name: draw() for name, draw in plots(RECORDS).items()}
    assert all(name in drawn["theory_bits"] for name in COLUMNS)
    assert all(name in drawn["theory_outliers"] for name in ("int8", "e4m3"))
