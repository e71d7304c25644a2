# SPDX-License-Identifier: Apache-2.0
"""Boards as data: chips, pins and constraints, and clocks that their PLLs make."""

import re
import subprocess
from itertools import product

import pytest

from hw.board.design import constraints, pinned
from hw.board.families import FAMILIES
from hw.board.platforms import BOARDS, board_named, pins
from hw.board.pll import pll, pll_verilog
from hw.board.tools import find
from hw.spec import SpecError

#: What is printed on the boards and in their manuals: clock in MHz, and pins of clock, RX and TX.
KNOWN = {
    "ulx3s_85f": (25, "G2", "M1", "L4"),
    "orangecrab_r0_2_25f": (48, "A9", "N17", "M18"),
    "colorlight_i5": (25, "P3", "H18", "J17"),
    "colorlight_i9": (25, "P3", "H18", "J17"),
    "icebreaker": (12, "35", "6", "9"),
    "upduino_v3": (12, "20", "27", "26"),
    "tang_nano_9k": (27, "52", "18", "17"),
    "tang_nano_20k": (27, "4", "70", "69"),
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


#: Clock that comes in and clock that is wanted, in MHz.
CLOCKS = [(25, 60), (25, 33), (48, 40), (12, 20), (12, 31), (27, 50), (27, 19), (25, 100)]
MHZ = 1_000_000
#: Command of a family's tool, and the pattern of its answer.
TOOLS = {
    "ecp5": ("yowasp-ecppll -i {} -o {} -f /dev/null", r"clkout0 frequency: ([\d.]+) MHz"),
    "ice40": ("yowasp-icepll -i {} -o {}", r"F_PLLOUT: +([\d.]+) MHz \(achieved\)"),
    "gowin": (
        "gowin_pll -i {} -o {} -d GW1NR-LV9QN88PC6/I5",
        r"Achieved output frequency: +([\d.]+) MHz",
    ),
}


def reachable(family, reference):
    """Every frequency in Hz that the PLL makes, from all dividers."""
    ranges = family.pll
    for divide, multiply, post in product(
        range(ranges.divide[0], ranges.divide[1] + 1),
        range(ranges.multiply[0], ranges.multiply[1] + 1),
        ranges.post,
    ):
        compare = reference / divide
        back = multiply * (post if ranges.feedback == "output" else 1)
        oscillator = compare * back
        if all(
            low * MHZ <= value <= high * MHZ
            for value, (low, high) in (
                (compare, ranges.compare),
                (oscillator, ranges.oscillator),
                (oscillator / post, ranges.output),
            )
        ):
            yield oscillator / post


@pytest.mark.parametrize("key", FAMILIES)
def test_pll_is_the_nearest_of_all(key):
    family = FAMILIES[key]
    checked = 0
    for reference in (12, 27) if key == "ice40" else (25, 27):
        known = list(reachable(family, reference * MHZ))
        for wanted in {wanted for _, wanted in CLOCKS}:
            best = min(abs(hz - wanted * MHZ) for hz in known)
            if best <= wanted * MHZ / 20:
                chosen = pll(family, reference * MHZ, wanted * MHZ)
                assert abs(chosen.hz - wanted * MHZ) <= best + 0.5, (reference, wanted, chosen)
                checked += 1
    assert checked >= 10


@pytest.mark.parametrize("key", FAMILIES)
def test_pll_is_as_near_as_that_of_the_tool(key):
    command, answer = TOOLS[key]
    tool, *arguments = command.split()
    path = find(tool)
    if path is None:
        pytest.skip(f"{tool} is not installed: make nextpnr")
    for reference, wanted in CLOCKS[: 3 if key == "ecp5" else None]:
        done = subprocess.run(
            [path, *_filled(arguments, reference, wanted)],
            capture_output=True,
            text=True,
            check=True,
        )
        theirs = float(re.search(answer, done.stdout)[1])
        ours = pll(FAMILIES[key], reference * MHZ, wanted * MHZ).hz / MHZ
        assert abs(ours - wanted) <= abs(theirs - wanted) + 0.001, (reference, wanted, ours, theirs)


def _filled(arguments, reference, wanted):
    """Arguments with both clocks in the places for them."""
    clocks = iter((reference, wanted))
    return [str(next(clocks)) if part == "{}" else part for part in arguments]


def test_pll_of_known_dividers():
    chosen = pll(FAMILIES["ecp5"], 25 * MHZ, 60 * MHZ)
    assert (chosen.divide, chosen.multiply, chosen.post, chosen.hz) == (5, 12, 10, 60 * MHZ)
    text = pll_verilog(FAMILIES["ecp5"], chosen, pad=False)
    assert ".CLKI_DIV(5), .CLKFB_DIV(12), .CLKOP_DIV(10)" in text
    chosen = pll(FAMILIES["ice40"], 12 * MHZ, 20 * MHZ)
    assert (chosen.divide, chosen.multiply, chosen.post, chosen.hz) == (1, 53, 32, 19_875_000)
    for pad, port in ((True, "PACKAGEPIN"), (False, "REFERENCECLK")):
        text = pll_verilog(FAMILIES["ice40"], chosen, pad=pad)
        assert f".{port}(clk_in)" in text
        assert ".DIVR(0)" in text
        assert ".DIVF(52), .DIVQ(5), .FILTER_RANGE(1)" in text
    chosen = pll(FAMILIES["gowin"], 27 * MHZ, 54 * MHZ)
    assert (chosen.divide, chosen.multiply, chosen.hz) == (1, 2, 54 * MHZ)
    text = pll_verilog(FAMILIES["gowin"], chosen, pad=False)
    assert f'.FCLKIN("27"), .IDIV_SEL(0),\n    .FBDIV_SEL(1), .ODIV_SEL({chosen.post})' in text


@pytest.mark.parametrize(
    ("key", "reference", "wanted", "halvings"),
    [
        ("ecp5", 25, 5, 1),
        ("ecp5", 25, 2, 3),
        ("ice40", 12, 8, 1),
        ("ice40", 12, 3, 3),
        ("ice40", 12, 16, 0),
        ("gowin", 27, 3, 1),
    ],
)
def test_clock_below_what_a_pll_makes_is_halved(key, reference, wanted, halvings):
    family = FAMILIES[key]
    chosen = pll(family, reference * MHZ, wanted * MHZ)
    assert chosen.halvings == halvings
    assert chosen.oscillator / chosen.post >= family.pll.output[0] * MHZ
    assert abs(chosen.hz - wanted * MHZ) <= wanted * MHZ / 20
    text = pll_verilog(family, chosen, pad=True)
    divider = f"reg [{halvings - 1}:0] halved = 0;" if halvings else "clk"
    assert divider in text
    assert (f"assign clk = halved[{halvings - 1}];" in text) == bool(halvings)
    assert ("(fast)" in text) == bool(halvings)
    assert ("(clk)" in text) != bool(halvings)


@pytest.mark.parametrize(
    ("key", "reference", "wanted", "bounds"),
    [
        ("ecp5", 25, 500, "400"),
        ("ice40", 12, 300, "275"),
        ("gowin", 27, 700, "600"),
    ],
)
def test_pll_wrong(key, reference, wanted, bounds):
    family = FAMILIES[key]
    message = (
        f"Board clock must be at most {bounds} MHz, and within 5 % of a frequency that the PLL of "
        f"{family.name} can make from {reference} MHz, not '{wanted} MHz'"
    )
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        pll(family, reference * MHZ, wanted * MHZ)
