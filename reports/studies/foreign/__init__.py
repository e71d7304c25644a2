# SPDX-License-Identifier: Apache-2.0
"""Designs of other people, as packages ship them, through the flow."""

from reports.registry import Study

STUDIES = (
    Study(
        name="foreign",
        title="Third-party designs through the flow",
        order=115,
        measure="measure",
        metrics=("cells", "area", "min_period", "max_clock"),
        hidden=("passes", "timing", "critical_path"),
    ),
)
