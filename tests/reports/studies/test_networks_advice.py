# SPDX-License-Identifier: Apache-2.0
"""The Pareto front, the choice and its reasons, and the lookup of costs."""

import json
import random
from pathlib import Path

import pytest

from hw.spec import parse_array
from reports.advise.page import page, table
from reports.studies.networks.advice import Costs, answer, with_costs
from reports.studies.networks.choice import Goal, Point, advise, figure, front
from reports.studies.networks.settings import ACCUMULATORS, COLUMNS, mac_of
from synth.record import Metric, Record, provenance

MEASURE = Goal("accuracy", "%", 96.0, 95.0)
POINTS = [
    Point("INT8", "exact", 95.5, 100, 2.0, 3.0),
    Point("E4M3", "fp32", 96.0, 100, 4.0, 5.0),
    Point("E4M3", "fp16", 80.0, 100, 1.0, 2.0),
    Point("E5M2", "exact", 95.0, 100, 3.0, 4.0),
    Point("MXFP8", "fp32", 96.5, 100, None, 5.0),
]


def test_front_is_what_nothing_beats() -> None:
    """Against the definition, on random points of few values so that many are equal."""
    rng = random.Random(1)
    for _ in range(50):
        points = [
            Point("x", "y", rng.randrange(3), rng.randrange(3), rng.randrange(3), rng.randrange(3))
            for _ in range(12)
        ]
        wanted = []
        for point in points:
            ours = (-point.value, point.cycles, point.area_mm2, point.energy_uj)
            theirs = [(-p.value, p.cycles, p.area_mm2, p.energy_uj) for p in points]
            if not any(
                all(a <= b for a, b in zip(other, ours, strict=True)) and other != ours
                for other in theirs
            ):
                wanted.append(point)
        assert front(points) == wanted
        assert wanted


def test_advice_is_the_cheapest_that_is_good_enough() -> None:
    advice = advise(POINTS, MEASURE)
    assert advice.front == POINTS[:3]
    assert advice.chosen == POINTS[0]
    assert advice.sentence == (
        "Recommended: INT8 with exact sums; accuracy 95.50 % (FP32: 96.00 %), the cheapest setting "
        "with at least 95.00 %."
    )
    assert advice.reasons == [
        "It needs 100 cycles, 2 mm2 and 3 uJ.",
        "E4M3 with fp16 sums is cheaper but reaches only 80.00 %.",
        (
            "E4M3 with fp32 sums is at least as good (96.00 %) but costs 3.33 times as much "
            "(cycles x area x energy)."
        ),
        "No costs were measured for MXFP8 with fp32 sums.",
    ]


def test_advice_where_none_is_good_enough() -> None:
    advice = advise(POINTS, Goal("SQNR", "dB", None, 200.0))
    assert advice.sentence == (
        "Recommended: E4M3 with fp32 sums; SQNR 96.00 dB, the best setting, but none reaches "
        "200.00 dB."
    )


def test_advice_without_costs_is_the_best() -> None:
    points = [Point("A", "exact", 1.0, 5, None, None), Point("B", "exact", 2.0, 5, None, None)]
    advice = advise(points, Goal("SQNR", "dB", None, 0.0))
    assert (advice.front, advice.chosen) == ([], points[1])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.00123, "0.00123"),
        (7.435, "7.43"),
        (10, "10"),
        (123.4, "123"),
        (20712, "20,712"),
        (-1.5, "-1.5"),
        (1e6, "1,000,000"),
    ],
)
def test_figures_have_no_powers_of_ten(value: float, text: str) -> None:
    assert figure(value) == text


def test_table_and_page_show_every_point() -> None:
    advice = advise(POINTS, MEASURE)
    lines = table(POINTS, MEASURE, advice).splitlines()
    assert lines[0].split("  ")[0] == "format"
    assert [line.split()[:3] for line in lines[2:7]] == [
        [point.column, point.accumulator, f"{point.value:.2f}"] for point in POINTS
    ]
    assert lines[2].endswith("recommended")
    shown = page("<net>", "16x16", POINTS, MEASURE, advice, ["A note."])
    assert "<net>" not in shown
    assert "&lt;net&gt; on a 16x16 array" in shown
    assert shown.count("<tr") == 1 + len(POINTS)
    assert shown.count("<circle") == 5
    assert shown.count('class="front chosen"') == 1
    assert "http" not in shown
    assert page("<net>", "16x16", POINTS, MEASURE, advice, ["A note."]) == shown


def record(subject: str, **metrics: float) -> Record:
    return Record(
        subject=subject,
        metrics={name: Metric(value) for name, value in metrics.items()},
        provenance=provenance("x", library={"name": "cells"}),
    )


def test_costs_are_those_of_the_records(tmp_path: Path) -> None:
    array = parse_array("16x16", mac_of("INT8", "exact"))
    costs = Costs(
        [
            record("mac_int8_fx27", energy_gaussian=5.0, energy_gaussian_glitches=2.0),
            record("array_4x4_os_int8_fx27", area=160.0),
            record("array_8x8_os_int8_fx27", area=128.0),
        ]
    )
    assert costs.of(array).area_mm2 == pytest.approx(256 * 2 / 1e6)
    assert costs.of(array).measured_as == "array_8x8_os_int8_fx27"
    assert (costs.of(array).energy_fj, costs.of(array).library) == (7.0, "cells")
    assert costs.of(parse_array("4x4", array.mac)).area_mm2 == pytest.approx(160 / 1e6)
    other = costs.of(parse_array("16x16", mac_of("INT8", "fp32")))
    assert (other.area_mm2, other.energy_fj, other.measured_as) == (None, None, "")


def test_costs_of_the_project() -> None:
    """The paper's units and four arrays at least."""
    costs = Costs.of_project()
    found = [
        costs.of(parse_array("16x16", mac_of(column, accumulator)))
        for column in COLUMNS
        for accumulator in ACCUMULATORS
    ]
    assert len(found) == 35
    assert sum(cost.energy_fj is not None for cost in found) >= 15
    assert sum(cost.area_mm2 is not None for cost in found) >= 4
    data = json.loads((Path("reports/data/arrays.json")).read_text())["records"]
    [area] = {
        r["metrics"]["area"]["value"] for r in data if r["subject"] == "array_16x16_os_int8_fx27"
    }
    assert costs.of(parse_array("16x16", mac_of("INT8", "exact"))).area_mm2 == area / 1e6


def setting(column: str, accumulator: str, accuracy: float) -> Record:
    """Record of a setting as the study writes it: 10 samples."""
    return Record(
        subject="net",
        provenance=provenance("x"),
        metrics={
            "accuracy": Metric(accuracy, "%"),
            "macs": Metric(4000, "MAC"),
            "cycles": Metric(305, "cycle"),
        },
        conditions={
            "metric": "accuracy",
            "samples": 10,
            "array": "16x16",
            "column": column,
            "accumulator": accumulator,
            "unit": mac_of(column, accumulator),
        },
    )


def test_settings_get_their_costs_and_an_answer() -> None:
    """An energy of 7 fJ and 400 products a sample are 2.8e-6 uJ; the other has no costs."""
    costs = Costs(
        [
            record("mac_int8_fx27", energy_gaussian=5.0, energy_gaussian_glitches=2.0),
            record("array_16x16_os_int8_fx27", area=2e6),
        ]
    )
    first = Record(
        subject="net",
        metrics={"accuracy": Metric(96.0, "%")},
        provenance=provenance("x"),
        conditions={"metric": "accuracy"},
    )
    found = [
        with_costs(each, costs)
        for each in (first, setting("INT8", "exact", 95.5), setting("E4M3", "exact", 96.0))
    ]
    assert found[0] == first
    priced = {
        name: found[1].metrics[name] for name in ("cycles_per_sample", "area", "energy_per_sample")
    }
    assert priced == {
        "cycles_per_sample": Metric(30, "cycle"),
        "area": Metric(2.0, "mm2"),
        "energy_per_sample": Metric(2.8e-6, "uJ"),
    }
    assert found[2].metrics.keys() == {"accuracy", "macs", "cycles", "cycles_per_sample"}
    told = answer(found).conditions
    assert (told["chosen"], told["front"]) == (["INT8", "exact"], [["INT8", "exact"]])
    assert told["sentence"] == (
        "Recommended: INT8 with exact sums; accuracy 95.50 % (FP32: 96.00 %), the cheapest setting "
        "with at least 95.00 %."
    )
    assert "No costs were measured for E4M3 with exact sums." in told["reasons"]
