# SPDX-License-Identifier: Apache-2.0
"""Two tiles flow through a 4x4 array, cycle by cycle."""

from reports.registry import Study

STUDIES = (
    Study(
        name="wavefront",
        title="A tile flows through a 4x4 array",
        order=30,
        measure="measure",
        page="page",
        metrics=("cycles", "first_beat_of_c"),
        hidden=("trace", "a", "b"),
        in_readme=True,
    ),
)
