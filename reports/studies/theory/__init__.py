# SPDX-License-Identifier: Apache-2.0
"""Bits of accuracy that 8-bit formats keep of random numbers."""

from reports.registry import Study

STUDIES = (
    Study(
        name="theory",
        title="Bits of accuracy of 8-bit formats",
        order=60,
        measure="measure",
        page="page",
    ),
)
