# SPDX-License-Identifier: Apache-2.0
"""The 15 units of figure 3 of arXiv 2303.17951, from verified netlists."""

from reports.registry import FLOW_HIDDEN, FLOW_METRICS, Study

STUDIES = (
    Study(
        name="paper",
        title="The paper's 15 units, all metrics",
        order=80,
        measure="measure",
        metrics=FLOW_METRICS,
        hidden=FLOW_HIDDEN,
    ),
)
