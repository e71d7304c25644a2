# SPDX-License-Identifier: Apache-2.0
"""Arrays on FPGA boards: bitstreams, largest arrays, self-tests.

Each study is measured separately, for instance ``make study NAME=board_room ARGS=--missing``.
"""

from reports.registry import Study

STUDIES = (
    Study(
        name="boards",
        title="FPGA boards",
        order=120,
        page="page",
        measure="measure:BITSTREAMS",
        sources=("boards", "board_room", "board_selftest", "board_frames"),
        hidden=("depths", "seed"),
    ),
    Study(
        name="board_facts",
        title="Resources of FPGA boards",
        measure="measure:FACTS",
        in_index=False,
    ),
    Study(
        name="board_room",
        title="Largest arrays that fit on the chips",
        measure="measure:ROOM",
        in_index=False,
    ),
    Study(
        name="board_selftest",
        title="Self-tests on virtual boards",
        measure="measure:SELFTEST",
        in_index=False,
    ),
)
