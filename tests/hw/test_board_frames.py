# SPDX-License-Identifier: Apache-2.0
"""Garbled frames on a compiled board, and faults of its protocol that the checks must notice."""

import pytest

from sim.rtl.serial import SerialLine
from tests.support.boards import BOARD, Bench, compiled_board, main

#: What is replaced in the Verilog, and the fault that takes its place.
FAULTS = {
    "the check is not looked at": ("= ~ check_match_detected;", "= 1'h0;"),
    "replies have no number": ("? \\sequence  : 8'h00;", "? 8'h00 : 8'h00;"),
    "a request is never let go": ("? sent : 1'h0;", "? 1'h0 : 1'h0;"),
}


def run(model, frames):
    """Outcomes of garbled frames."""
    bench = Bench(SerialLine(model, BOARD.divider, busy="active"), seed=2)
    for _ in range(frames):
        bench.garbled()
    assert bench.outcomes.total() == bench.good == frames
    return bench.outcomes


@pytest.mark.parametrize("frames", [200, pytest.param(5000, marks=pytest.mark.slow)])
def test_garbled_frames_do_no_harm(tmp_path, frames):
    outcomes = run(compiled_board(BOARD, tmp_path), frames)
    assert min(outcomes[name] for name in ("answered", "told", "silent")) > frames // 50


def test_no_frames_are_no_check(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["--frames", "0"])
    assert capsys.readouterr() == (
        "", ("python -m tests.support.boards: error: Frames must be an integer from 1 to "
             "1000000000, not 0\n"))


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_checks_of_frames_see_what_is_wrong(tmp_path, fault):
    old, new = FAULTS[fault]

    def change(verilog):
        assert old in verilog
        return verilog.replace(old, new)

    with pytest.raises((AssertionError, ValueError)):
        run(compiled_board(BOARD, tmp_path, change=change), 2000)
