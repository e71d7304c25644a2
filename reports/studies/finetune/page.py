# SPDX-License-Identifier: Apache-2.0
"""Fine-tuned networks, and their accuracy after conversion from FP8 to INT8."""

from collections.abc import Sequence
from typing import Any

from reports.tables import MISSING, Record, Table

DEVIATION = "_deviation"
#: Metrics of the table of conversions, by heading.
CONVERSIONS = {
    "FP32": "fp32",
    "INT8, rounded": "ptq_INT8",
    "E4M3, rounded": "ptq_E4M3",
    "E4M3 fine-tuned": "qat_E4M3",
    "-> INT8": "qat_fp8_to_INT8",
    "-> W8A16": "qat_fp8_to_W8A16",
    "-> INT8 fine-tuned": "qat_fp8_to_INT8_tuned",
    "trained in E4M3": "trained_in_fp8",
    "-> INT8 ": "trained_in_fp8_to_INT8",
    "-> W8A16 ": "trained_in_fp8_to_W8A16",
    "-> INT8 fine-tuned ": "trained_in_fp8_to_INT8_tuned",
}


def _cell(record: Record, name: str) -> str:
    """Mean and standard deviation."""
    metrics = record["metrics"]
    if name not in metrics:
        return MISSING
    spread = metrics.get(name + DEVIATION)
    mean = f"{metrics[name]['value']:.2f}"
    return f"{mean} +- {spread['value']:.2f}" if spread else mean


def _by_prefix(records: Sequence[Record], prefix: str) -> Table:
    """Table of the metrics of one kind, one column per format."""
    names = dict.fromkeys(
        name.removeprefix(prefix)
        for record in records
        for name in record["metrics"]
        if name.startswith(prefix) and "_to_" not in name and not name.endswith(DEVIATION)
    )
    # The order of the papers; keys of a record are sorted.
    ordered = [
        name
        for name in ("FP32", "INT8", "E2M5", "E3M4", "E4M3", "E5M2", "W4A8", "W8A16")
        if name in names
    ]
    return Table(
        ["network", *ordered],
        [
            [record["subject"], *(_cell(record, prefix + name) for name in ordered)]
            for record in records
        ],
        [],
    )


def conversions(records: Sequence[Record]) -> Table:
    """FP8 to INT8: tables 3 and 4."""
    return Table(
        ["network", *(name.strip() for name in CONVERSIONS)],
        [
            [record["subject"], *(_cell(record, name) for name in CONVERSIONS.values())]
            for record in records
        ],
        [],
    )


def steps(record: Record) -> list[dict[str, Any]]:
    """Gain of each step in points, and the deviation over seeds; None for a single seed."""
    metrics, rows = record["metrics"], []
    for before, after, words in (
        ("qat_E4M3", "qat_fp8_to_INT8", "from fine-tuned E4M3 to INT8"),
        ("trained_in_fp8", "trained_in_fp8_to_INT8", "from training in E4M3 to INT8"),
        ("ptq_E4M3", "qat_E4M3", "by fine-tuning E4M3"),
        ("ptq_W4A8", "qat_W4A8", "by fine-tuning W4A8"),
    ):
        if before in metrics and after in metrics:
            spread = max(
                (
                    metrics[name + DEVIATION]["value"]
                    for name in (before, after)
                    if name + DEVIATION in metrics
                ),
                default=None,
            )
            rows.append(
                {
                    "change": metrics[after]["value"] - metrics[before]["value"],
                    "words": words,
                    "spread": spread,
                }
            )
    return rows


def conversions_page(records: Sequence[Record]) -> dict[str, Any]:
    """The part on fine-tuning for the page on networks."""
    return {
        "post_training": _by_prefix(records, "ptq_"),
        "fine_tuned": _by_prefix(records, "qat_"),
        "table": conversions(records),
        "steps": {record["subject"]: steps(record) for record in records},
    }
