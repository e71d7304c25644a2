# SPDX-License-Identifier: Apache-2.0
"""What a GEMM engine adds around its array, part by part."""

from reports.registry import Study

STUDIES = (
    Study(
        name="engines",
        title="What a GEMM engine adds around its array",
        order=130,
        measure="engines.toml",
        page="page",
        hidden=("passes", "parts"),
    ),
)
