# SPDX-License-Identifier: Apache-2.0
"""Bitstreams by the real tools: of the serial line for each family, of engines for the boards."""

import json

import pytest

from hw import flash
from hw.board.build import build
from hw.board.design import clocking, pinned
from hw.board.families import FAMILIES
from hw.board.platforms import BOARDS, board_named, pins
from hw.board.tools import find
from hw.board.uart import Receiver, Transmitter
from hw.emit.netlist import Netlist, Port
from hw.emit.verilog import to_verilog
from tests.support.tiers import tiers

#: The smallest engine, so that building takes seconds.
SMALL = ["--mac", "int4", "--acc", "int12", "--array", "1x1", "--depths", "16x16x16"]
KEYS = [board.key for board in BOARDS]
#: The smallest chip of each family.
OFTEN = ("ulx3s_12f", "icebreaker", "tang_nano_9k")
#: First bytes of a bitstream, by family.
MAGIC = {"ecp5": b"\xff\x00", "ice40": b"\xff\x00\x00\xff\x7e\xaa\x99\x7e", "gowin": b"1" * 64}


def require_tools(board):
    """Skip the test unless place and route and packer of the board are installed."""
    family = FAMILIES[board.family]
    for command in (family.place, family.pack):
        if find(command.split()[0]) is None:
            pytest.skip(f"{command.split()[0]} is not installed: make nextpnr")


def bitstream(key, tmp_path, capsys, *options):
    """Build the smallest engine for a board; return the report of the command."""
    board = board_named(key)
    family = FAMILIES[board.family]
    require_tools(board)
    status = flash.main(
        ["--board", key, *SMALL, "--build-only", "--json", "--out", str(tmp_path / "out"), *options]
    )
    told = json.loads(capsys.readouterr().out)
    assert status == 0
    written = (tmp_path / "out" / told["bitstream"].rpartition("/")[2]).read_bytes()
    assert written.startswith(MAGIC[family.key])
    assert len(written) > 10_000
    assert told["fmax_mhz"] >= told["clock_mhz"] > 0
    assert told["cells"]["flip_flops"] > 100
    chip = family.chips[pins(board).die]
    names = {"ecp5": "TRELLIS_COMB", "ice40": "ICESTORM_LC", "gowin": "LUT4"}
    assert told["used"][names[family.key]][1] == chip["luts"]
    return told


def serial_loop(divider):
    """Receiver and transmitter of the serial line, back to back."""
    top = Netlist("serial_loop", [Port("rx", 1, "input"), Port("tx", 1, "output")])
    for name, bits in (("data", 8), ("valid", 1)):
        top.wire(name, bits)
    top.instantiate(Receiver(divider), "receiver", rx="rx", data="data", valid="valid")
    top.instantiate(Transmitter(divider), "transmitter", tx="tx", data="data", valid="valid")
    return to_verilog(top)


@pytest.mark.synth
@pytest.mark.parametrize(
    ("key", "clock_mhz", "cell"),
    [
        ("ulx3s_12f", 60, "EHXPLLL"),
        ("icebreaker", 20, "ICESTORM_PLL"),
        ("upduino_v3", 20, "ICESTORM_PLL"),
        ("tang_nano_9k", 54, "rPLL"),
    ],
)
def test_bitstream_of_the_serial_line_with_a_pll(key, clock_mhz, cell, tmp_path):
    """Every family from Verilog to bitstream, on a design that is placed in a moment."""
    board = board_named(key)
    require_tools(board)
    found = pins(board)
    pll = clocking(board, found, clock_mhz * 1e6)
    sources = {
        "loop.v": serial_loop(pll.hz // 1_000_000),
        "pinned.v": pinned("serial_loop", board, pll),
    }
    built = build(
        sources, board, found, name="loop", clock_mhz=pll.hz / 1e6, dsp=True, out=tmp_path
    )
    assert built.used[cell][0] == 1
    assert built.meets_clock
    assert 30 < built.cells["flip_flops"] < 100
    assert built.bitstream.read_bytes().startswith(MAGIC[board.family])


@pytest.mark.synth
@pytest.mark.parametrize("key", tiers(KEYS, OFTEN))
def test_bitstream_of_every_board(key, tmp_path, capsys):
    # What surrounds the array is slower than the clock of the fastest boards.
    clock, slower = pins(board_named(key)).clock_hz / 1e6, []
    if clock > 40:
        clock, slower = 40, ["--clock-mhz", "40"]
    told = bitstream(key, tmp_path, capsys, *slower)
    assert (told["clock_mhz"], told["programmed"]) == (clock, False)


@pytest.mark.slow
@pytest.mark.synth
def test_bitstream_at_another_clock(tmp_path, capsys):
    told = bitstream("ulx3s_12f", tmp_path, capsys, "--clock-mhz", "30")
    assert told["used"]["EHXPLLL"][0] == 1
    assert told["clock_mhz"] == 30
