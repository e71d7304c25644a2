# SPDX-License-Identifier: Apache-2.0
"""The cycle-accurate model of arrays compared with compiled RTL, and its speed."""

from reports.registry import Study

STUDIES = (
    Study(
        name="cycles",
        title="Arrays cycle by cycle, model against RTL",
        order=170,
        measure="measure",
        metrics=("cases", "cycles", "outputs", "differences"),
        hidden=("mac", "array"),
    ),
    Study(
        name="sim_cycle",
        title="Speed of the cycle-accurate model",
        order=171,
        measure="speed",
        hidden=("mac", "product"),
        metrics=("cycles_per_second", "slowest_run", "cycles"),
    ),
)
