# SPDX-License-Identifier: Apache-2.0
"""Small networks trained in FP8 and converted to INT8, as in arXiv 2303.17951."""

from reports.registry import Study

STUDIES = (
    Study(
        name="finetune",
        title="Networks fine-tuned in FP8 and converted to INT8",
        measure="measure",
        in_index=False,
    ),
)
