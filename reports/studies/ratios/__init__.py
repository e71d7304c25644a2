# SPDX-License-Identifier: Apache-2.0
"""Gates of floating-point accumulators relative to INT8, compared with the paper."""

from reports.registry import Study

STUDIES = (
    Study(
        name="ratios",
        title="Floating-point accumulators relative to INT8, compared with the paper",
        order=100,
        measure="measure",
        metrics=(
            "paper_ratio",
            "gates_at_paper_ratio",
            "two_input_gates_keep",
            "beyond_keep",
            "without_subnormal_operands_keep",
            "ratio_keep",
            "two_input_gates_default",
            "beyond_default",
            "without_subnormal_operands_default",
            "ratio_default",
        ),
        hidden=("passes",),
    ),
)
