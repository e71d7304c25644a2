# SPDX-License-Identifier: Apache-2.0
"""MACs placed and routed on FPGAs."""

from reports.registry import Study

STUDIES = (
    Study(
        name="fpga",
        title="MACs on FPGAs",
        order=110,
        measure="measure",
        metrics=("luts", "flip_flops", "dsps", "clock"),
        hidden=("device",),
    ),
)
