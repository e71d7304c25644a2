# SPDX-License-Identifier: Apache-2.0
"""The clock-by-clock model of arrays beside compiled RTL, and its speed."""

from reports.registry import Study

STUDIES = (
    Study(
        name="cycles",
        title="Arrays clock by clock, model beside RTL",
        order=170,
        measure="measure",
        metrics=("cases", "cycles", "outputs", "differences"),
        hidden=("mac", "array"),
    ),
    Study(
        name="sim_cycle",
        title="Speed of the clock-by-clock model",
        order=171,
        measure="speed",
        hidden=("mac", "product"),
        metrics=("cycles_per_second", "slowest_run", "cycles"),
    ),
)
