# SPDX-License-Identifier: Apache-2.0
"""What decides the cost of FP8 relative to INT8, compared with arXiv 2303.17951."""

from reports.registry import FLOW_HIDDEN, FLOW_METRICS, Study

STUDIES = (
    Study(
        name="explanation",
        title="Is FP8 50 to 180 % less efficient than INT8?",
        order=10,
        page="page",
        sources=("paper", "factors", "fronts", "arrays", "nodes", "gates"),
        in_readme=True,
    ),
    Study(
        name="fronts",
        title="Area by clock period",
        order=81,
        measure="fronts.toml",
        metrics=FLOW_METRICS,
        hidden=FLOW_HIDDEN,
    ),
    Study(
        name="factors",
        title="Guard bits and lanes",
        order=82,
        measure="factors.toml",
        metrics=FLOW_METRICS,
        hidden=FLOW_HIDDEN,
    ),
    Study(
        name="arrays",
        title="Arrays",
        order=83,
        measure="arrays.toml",
        metrics=FLOW_METRICS,
        hidden=FLOW_HIDDEN,
    ),
    Study(
        name="nodes",
        title="Processes",
        order=84,
        measure="nodes.toml",
        metrics=FLOW_METRICS,
        hidden=FLOW_HIDDEN,
    ),
    Study(
        name="weights",
        title="Registers in a weight-stationary element",
        order=86,
        measure="weights.toml",
        metrics=FLOW_METRICS,
        hidden=FLOW_HIDDEN,
        in_index=False,
    ),
)
