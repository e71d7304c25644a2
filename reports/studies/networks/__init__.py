# SPDX-License-Identifier: Apache-2.0
"""Real networks in INT8 and FP8 on the model of an array."""

from reports.registry import FLOW_HIDDEN, FLOW_METRICS, Study

STUDIES = (
    Study(
        name="networks",
        title="Real networks in INT8 and FP8",
        order=20,
        page="page",
        measure="measure",
        sources=("networks", "finetune"),
        in_readme=True,
        hidden=("sqnr", "shapes", "tried", "macs", "data", "licence", "front", "reasons"),
    ),
    Study(
        name="units",
        title="Units and arrays for networks",
        order=85,
        measure="units.toml",
        metrics=FLOW_METRICS,
        hidden=FLOW_HIDDEN,
    ),
)
