# SPDX-License-Identifier: Apache-2.0
"""Gates that each feature of a floating-point MAC costs."""

from reports.registry import Study

STUDIES = (
    Study(
        name="features",
        title="What each feature of a floating-point MAC costs",
        order=90,
        measure="measure",
        page="page",
        hidden=("passes",),
        in_readme=True,
    ),
)
