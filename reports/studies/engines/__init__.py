# SPDX-License-Identifier: Apache-2.0
"""Area that a GEMM engine adds to its array, by part."""

from reports.registry import Study

STUDIES = (
    Study(
        name="engines",
        title="What a GEMM engine adds to its array",
        order=130,
        measure="engines.toml",
        page="page",
        hidden=("passes", "parts"),
    ),
)
