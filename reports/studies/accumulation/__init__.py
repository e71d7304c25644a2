# SPDX-License-Identifier: Apache-2.0
"""How many accumulator bits FP8 dot products need, by their number of products."""

from reports.registry import Study

STUDIES = (
    Study(
        name="accumulation",
        title="How many accumulator bits?",
        order=50,
        measure="measure",
        page="page",
        hidden=("source",),
        in_readme=True,
    ),
)
