# SPDX-License-Identifier: Apache-2.0
"""The pins of a board in an event simulator, on a line on which everything goes wrong."""

import pytest

from hw.build import generate
from tests.cocotb.run import run_bench
from tests.support.boards import BOARD

pytestmark = pytest.mark.cocotb

#: Checks that each test of the bench makes.
COUNTS = {"line_noise": 60, "wrong_check": 30, "byte_without_a_stop_bit": 5,
          "cut_in_mid_frame": 48, "reset_in_mid_transfer": 36, "full_buffer": 12}
#: The shortest of them.
FAST = ("byte_without_a_stop_bit",)


@pytest.mark.parametrize("names", [
    FAST, pytest.param(tuple(name for name in COUNTS if name not in FAST),
                       marks=pytest.mark.slow)], ids=["fast", "slow"])
def test_line_loses_nothing_silently(names, tmp_path):
    manifest = generate(BOARD, tmp_path)
    counts = run_bench(manifest, "tb_board", tmp_path / "run", tests=list(names))
    assert counts == {name: COUNTS[name] for name in names}
