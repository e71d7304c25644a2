# SPDX-License-Identifier: Apache-2.0
"""Speed of simulators of arrays, compared with Verilator, CXXRTL, Amaranth and SCALE-Sim."""

from reports.registry import Study

STUDIES = (
    Study(
        name="simulator",
        title="How fast is the simulation?",
        order=150,
        page="page",
        measure="measure",
        command="make study NAME=bench",
        in_readme=True,
    ),
)
