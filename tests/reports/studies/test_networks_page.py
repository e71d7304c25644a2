# SPDX-License-Identifier: Apache-2.0
"""The page on networks: its tables and sentences for given records."""

import json
from typing import Any

import pytest

from hw.spec.folders import ROOT
from reports.studies.networks import page as networks
from reports.studies.networks.page import chance
from tests.support.pages import said, shown

SHAPES = {"first": "10x27x8", "second": "10x1024x8"}


def record(
    study: str,
    value: float,
    sqnr: dict[str, float] | None = None,
    counts: tuple[int, int] = (0, 0),
    **conditions: Any,
) -> dict[str, Any]:
    metrics = {
        "accuracy": {"value": value, "unit": "%"},
        "relative_error": {"value": 100 - value, "unit": "%"},
        "better": {"value": counts[0], "unit": "sample"},
        "worse": {"value": counts[1], "unit": "sample"},
    }
    if study == "fp32":
        conditions |= {
            "shapes": SHAPES,
            "macs": 12345,
            "samples": 40,
            "data": "digits",
            "licence": "BSD",
        }
    else:
        conditions = {"sqnr": sqnr, "ranges": "channel, mse"} | conditions
    return {
        "subject": "net",
        "metrics": metrics,
        "conditions": {"study": study, "metric": "accuracy", **conditions},
    }


def layers(first: float, second: float) -> dict[str, float]:
    return {"first": first, "second": second}


RECORDS = [
    record("fp32", 96.0),
    record("formats", 95.5, layers(40.0, 20.0), column="INT8", accumulator="exact"),
    record("formats", 96.0, layers(38.0, 28.0), column="E2M5", accumulator="exact"),
    record("formats", 96.0, layers(36.0, 30.0), column="E3M4", accumulator="exact"),
    record("formats", 96.0, layers(30.0, 27.5), column="E4M3", accumulator="exact"),
    record("formats", 90.0, layers(24.0, 28.5), (1, 12), column="E5M2", accumulator="exact"),
    record("accumulators", 96.0, layers(30.0, 27.0), column="E4M3", accumulator="fp32"),
    record("accumulators", 80.0, layers(29.5, 12.0), (0, 16), column="E4M3", accumulator="bf16"),
]


def listed(records: Any, heading: str) -> list[str]:
    """Items of the first list behind a text of the page."""
    found = shown("networks", records).partition(heading)[2].partition("\n\n")[2]
    return [
        line.removeprefix("- ")
        for line in found.partition("\n\n")[0].splitlines()
        if line.startswith("- ")
    ]


def test_changes_are_from_fp32() -> None:
    found = networks.changes(RECORDS)
    assert found.headings == [
        "network",
        "metric [%]",
        "FP32",
        "INT8",
        "E2M5",
        "E3M4",
        "E4M3",
        "E5M2",
        "recommended",
    ]
    assert found.rows == [
        ["net", "accuracy of 40", "96.00", "-0.50", "0", "0", "0", "-6.00 (+1 -12)", "-"]
    ]


@pytest.mark.parametrize(
    ("better", "worse", "wanted"),
    [(0, 0, 1), (1, 0, 1), (0, 8, 2 / 256), (2, 1, 1), (1, 12, 2 * 14 / 8192)],
)
def test_chance_is_the_sign_tests(better: int, worse: int, wanted: float) -> None:
    assert chance(better, worse) == chance(worse, better) == pytest.approx(wanted)


def test_answer_counts_significant_changes() -> None:
    assert said("networks", RECORDS) == (
        "With exact sums, 1 of 5 changes of a metric from FP32 are significant (sign test, "
        "p < 0.01): net in E5M2. The output error is lowest in an FP8 format for net (E2M5 4 %, "
        "INT8 4.5 %)."
    )


def test_layers_decide() -> None:
    assert networks.best_formats(RECORDS).rows == [
        ["net", "2", "1 (30.0 dB)", "0 (33.0 dB)", "1 (33.0 dB)", "0 (28.8 dB)", "0 (26.2 dB)"]
    ]
    assert networks.better_than_int8(RECORDS).rows == [
        ["net", "1 of 2 (+3.0 dB)", "1 of 2 (+3.0 dB)", "1 of 2 (-1.2 dB)", "1 of 2 (-3.8 dB)"]
    ]
    assert listed(RECORDS, "Layers with the largest differences") == [
        (
            "net: E4M3 has a higher SQNR than INT8 in 1 of 2 layers. Its largest leads are in "
            "`second` (7.5 dB). INT8 has its largest leads in `first` (10.0 dB)."
        )
    ]


def test_findings_say_what_was_measured() -> None:
    assert listed(RECORDS, "the best otherwise. Here") == [
        (
            "E5M2 is the worst FP8 format in 1 of 2 layers, and at the output of 1 of 1 networks. "
            "The exceptions are `second` of net."
        ),
        "The output error is lowest in an FP8 format for net (E2M5 4 %, INT8 4.5 %).",
        "E4M3 has a higher SQNR than INT8 in 1 of 2 layers.",
    ]


def test_too_few_samples_are_reported() -> None:
    """Seven of seven losses happen by chance in 1 of 64 cases, eight of eight in 1 of 128."""

    def found(samples: int) -> list[str]:
        first = record("fp32", 96.0)
        return listed(
            [{**first, "conditions": first["conditions"] | {"samples": samples}}],
            "the best otherwise. Here",
        )

    assert found(8) == []
    assert found(7) == [
        (
            "These networks have too few samples for any change of the metric to be significant, "
            "even if all samples did worse (p < 0.01): net (7). Errors of their layers and outputs "
            "are still meaningful."
        )
    ]


def test_accumulators_are_compared_with_exact_sums() -> None:
    """A loss of 0.5 dB is accepted, 15.5 dB is not: the shortest such sum has 1,024 terms."""
    found = networks.accumulators(RECORDS)
    assert found.headings == ["network", "format", "largest K", "fp32", "bf16"]
    assert found.rows == [["net", "E4M3", "1,024", "0", "-16.00 (K >= 1,024)"]]
    roomy = [
        *RECORDS[:-1],
        record(
            "accumulators",
            95.0,
            layers(30.0, 27.0),
            column="E4M3",
            accumulator="fp16",
            ranges="channel, mse, headroom",
        ),
    ]
    assert networks.accumulators(roomy).rows == [["net", "E4M3", "1,024", "0", "-1.00 *h*"]]
    none = "fp32: none."
    assert listed(RECORDS, "compared with exact sums:") == [none, "bf16: net in E4M3 (-16.00)."]
    few = [
        *RECORDS[:-1],
        record("accumulators", 90.0, layers(29.5, 12.0), (1, 2), column="E4M3", accumulator="bf16"),
    ]
    assert listed(few, "compared with exact sums:") == [
        none,
        "bf16: none significant; not significant: net in E4M3 (-6.00).",
    ]


def test_costs_are_shown_with_the_metric() -> None:
    advised = {
        "subject": "net",
        "metrics": {},
        "conditions": {
            "study": "answer",
            "loss": 1.0,
            "sentence": "Take E4M3.",
            "reasons": ["It is cheap.", "It is good."],
            "chosen": ["E4M3", "fp32"],
            "front": [["INT8", "exact"], ["E4M3", "fp32"]],
        },
    }
    priced = [
        each
        | {
            "metrics": each["metrics"]
            | {"cycles_per_sample": {"value": 1234}, "area": {"value": 0.5}}
        }
        for each in RECORDS[:-1]
    ]
    found = [*priced, advised]
    assert listed(found, "product of cycles, area and energy.") == [
        (
            "net. Recommended: E2M5 with exact sums; accuracy 96.00 % (FP32: 96.00 %), the best "
            "setting. No costs were measured for 6 settings."
        )
    ]
    assert networks.fronts(found).rows == [
        ["net", "INT8", "exact", "95.50", "1,234", "0.5", "-", ""],
        ["net", "E4M3", "fp32", "96.00", "1,234", "0.5", "-", "yes"],
    ]
    assert networks.changes(found).rows[0][-1] == "E4M3 fp32"
    assert said("networks", found).endswith(
        "The recommended setting is the cheapest that loses at most 1 point, or the best if none "
        "does."
    )
    # No section without an answer.
    assert "Recommended settings" not in shown("networks", RECORDS)
    assert networks.fronts(RECORDS).rows == []


@pytest.mark.parametrize("count", range(len(RECORDS) + 1))
def test_page_of_an_incomplete_study(count: int) -> None:
    """An incomplete study still has a page."""
    page = networks.networks_page(RECORDS[:count])
    assert len(page["changes"].rows) == (count > 0)
    assert len(page["data"]) == (count > 0)


TUNED = [
    {
        "subject": "small",
        "conditions": {},
        "metrics": {
            name: {"value": value, "unit": "%"}
            for name, value in {
                "fp32": 97.0,
                "ptq_INT8": 96.9,
                "ptq_E4M3": 96.5,
                "qat_FP32": 97.2,
                "qat_E4M3": 97.1,
                "qat_E4M3_deviation": 0.4,
                "qat_fp8_to_INT8": 96.8,
                "trained_in_fp8": 96.0,
            }.items()
        },
    }
]


def test_conversions_from_fp8_to_int8() -> None:
    page = networks.networks_page([], TUNED)["conversions"]
    assert page["post_training"].headings == ["network", "INT8", "E4M3"]
    assert page["post_training"].rows == [["small", "96.90", "96.50"]]
    assert page["fine_tuned"].rows == [["small", "97.20", "97.10 +- 0.40"]]
    assert page["table"].rows == [
        [
            "small",
            "97.00",
            "96.90",
            "96.50",
            "97.10 +- 0.40",
            "96.80",
            "-",
            "-",
            "96.00",
            "-",
            "-",
            "-",
        ]
    ]
    text = shown("networks", {"finetune": TUNED})
    assert [line for line in text.splitlines() if line.startswith("- small")] == [
        (
            "- small: -0.30 points from fine-tuned E4M3 to INT8 (less than the deviation over "
            "seeds, 0.4); +0.60 points by fine-tuning E4M3 (more than the deviation over seeds, "
            "0.4)."
        )
    ]
    assert networks.networks_page([])["conversions"] == {}


def test_pace_is_shown_with_its_bar() -> None:
    """It is not listed as a network."""
    pace = {
        "subject": "net on 32x32",
        "metrics": {
            name: {"value": value, "unit": ""}
            for name, value in (("wall_time", 12.5), ("processor_time", 20.0), ("macs", 123456))
        },
        "conditions": {"study": "pace", "samples": 1, "unit": "e4m3,acc=fp32", "bar_s": 60.0},
    }
    page = networks.networks_page([*RECORDS, pace])
    assert listed([*RECORDS, pace], "## Simulation time") == [
        (
            "net on 32x32, 1 line, `e4m3,acc=fp32`: 123,456 multiply-accumulations in 12.5 s (20 s "
            "of processor time). The limit is 60 s."
        )
    ]
    assert len(page["errors"].rows) == 1


def test_advice_of_the_page_is_that_of_the_records() -> None:
    """The page has its own wording; the setting and the front equal those of the records."""
    records = json.loads((ROOT / "reports" / "data" / "networks.json").read_text())["records"]
    advised = dict(networks.networks_page(records)["advice"])
    compared = 0
    for network, advice in advised.items():
        recorded = networks.Results(records).answer(network)["conditions"]
        assert [advice.chosen.column, advice.chosen.accumulator] == recorded["chosen"]
        front = [[point.column, point.accumulator] for point in advice.front]
        assert sorted(front) == sorted(recorded["front"])
        compared += len(front)
    assert compared >= 5
