# SPDX-License-Identifier: Apache-2.0
"""Arrays on FPGA boards: bitstreams, room on the chips, self-tests."""

from reports.registry import Study

STUDIES = (
    Study(name="boards", title="FPGA boards", order=120, page="page",
          sources=("boards", "board_room", "board_selftest", "board_frames"),
          hidden=("depths", "seed")),
)
