# SPDX-License-Identifier: Apache-2.0
"""The first page of the report: FP8 or INT8, on which unit, at what cost."""

from reports.registry import Study

STUDIES = (
    Study(
        name="summary",
        title="FP8 or INT8?",
        order=0,
        sources=("paper", "networks"),
        in_index=False,
    ),
)
