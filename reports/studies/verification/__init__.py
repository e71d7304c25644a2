# SPDX-License-Identifier: Apache-2.0
"""What is proven, exhausted and sampled, by unit."""

from reports.registry import Study

STUDIES = (
    Study(
        name="verification",
        title="What is proven, exhausted and sampled",
        order=160,
        page="page",
        sources=("formal", "exhaustion", "twins", "recorded", "cycles", "mutants", "tests"),
        command="make test-full",
        in_readme=True,
    ),
    Study(
        name="mutants",
        title="Injected faults",
        order=180,
        command="make mutation",
        metrics=("planted", "caught"),
        hidden=("caught_by", "survivors"),
    ),
    Study(
        name="tests",
        title="Tests",
        order=190,
        command="make test-full",
        metrics=("passed", "failed", "error", "skipped", "runtime"),
    ),
)
