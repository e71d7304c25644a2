# SPDX-License-Identifier: Apache-2.0
"""Boards as data: each leads to a chip, a clock and pins, and from these to constraints."""

import re

import pytest

from hw.board.design import constraints, pinned
from hw.board.families import FAMILIES
from hw.board.platforms import BOARDS, board_named, pins
from hw.spec import SpecError

#: What is printed on the boards and in their manuals: clock in MHz, and pins of clock, RX and TX.
KNOWN = {
    "ulx3s_85f": (25, "G2", "M1", "L4"), "orangecrab_r0_2_25f": (48, "A9", "N17", "M18"),
    "colorlight_i5": (25, "P3", "H18", "J17"), "colorlight_i9": (25, "P3", "H18", "J17"),
    "icebreaker": (12, "35", "6", "9"), "upduino_v3": (12, "20", "27", "26"),
    "tang_nano_9k": (27, "52", "18", "17"), "tang_nano_20k": (27, "4", "70", "69"),
}


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.key)
def test_board_has_chip_clock_and_pins(board):
    family, found = FAMILIES[board.family], pins(board)
    assert board_named(board.key) is board
    assert list(found.ports) == ["clk_in", "rx", "tx"]
    assert len(set(found.ports.values())) == 3
    assert 12_000_000 <= found.clock_hz <= 48_000_000
    assert {"luts", "flip_flops", "dsps", "block_rams"} == set(family.chips[found.die])
    assert re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", board.usb)
    assert re.fullmatch(r"/dev/tty(USB|ACM)\d", board.port)
    assert all("{bitstream}" in command for command in board.program)
    ((name, text),) = constraints(board, found).items()
    assert name == family.constraints
    lines = text.splitlines()
    assert len(lines) == 3
    for line, (port, pin) in zip(lines, found.ports.items(), strict=True):
        assert re.search(rf"\b{port}\b", line)
        assert re.search(rf"\b{pin}\b", line)


@pytest.mark.parametrize(("key", "known"), KNOWN.items())
def test_pins_are_those_of_the_board(key, known):
    found = pins(board_named(key))
    assert (found.clock_hz / 1e6, *found.ports.values()) == known


def test_every_board_asked_for_is_there():
    keys = [board.key for board in BOARDS]
    assert len(keys) == len(set(keys)) == 12
    assert {*KNOWN, "ulx3s_12f", "ulx3s_25f", "ulx3s_45f", "orangecrab_r0_2_85f"} == set(keys)


def test_board_wrong():
    known = ", ".join(board.key for board in BOARDS)
    with pytest.raises(SpecError, match=rf"^Board must be one of {known}, not 'arty_a7'$"):
        board_named("arty_a7")


def test_pinned_without_pll_passes_the_clock_on():
    text = pinned("design", board_named("icebreaker"), None)
    assert "assign clk = clk_in;" in text
    assert "design board (.clk(clk), .rst(!running), .rx(rx), .tx(tx));" in text
