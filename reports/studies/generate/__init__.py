# SPDX-License-Identifier: Apache-2.0
"""Time to generate arrays."""

from reports.registry import Study

STUDIES = (
    Study(
        name="generate",
        title="Time to generate",
        order=140,
        measure="measure",
        metrics=("wall_time", "verilog_size", "modules"),
    ),
)
