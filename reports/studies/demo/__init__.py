# SPDX-License-Identifier: Apache-2.0
"""A digit classifier on the RTL of two arrays, compared with the model and with FP32."""

from reports.registry import Study

STUDIES = (
    Study(
        name="demo",
        title="Digits on a 16x16 array",
        order=40,
        measure="measure",
        in_readme=True,
        metrics=(
            "accuracy",
            "rtl_cycles",
            "closed_form_cycles",
            "utilisation",
            "bits_checked",
            "two_input_gates_default",
            "two_input_gates_keep",
        ),
    ),
)
