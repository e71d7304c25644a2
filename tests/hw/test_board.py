# SPDX-License-Identifier: Apache-2.0
"""The design on a board, compiled, and used only over its serial line."""

import re

import numpy as np
import pytest
from amaranth.hdl import Fragment

from hw.board.top import BoardTop
from hw.build import generate
from hw.host.exchange import Deframer, frame
from hw.spec import SpecError, parse_gemm
from hw.spec.board import BoardSpec, Code, Command, Identity
from hw.spec.registers import gemm_map
from sim.rtl.serial import SerialLine
from tests.support.boards import BOARD, Bench, compiled_board, main

GEMM, CLOCK_HZ, BAUD = BOARD.gemm, BOARD.clock_hz, BOARD.baud
#: Cycles without anything going on, after which nothing will.
PATIENCE = 100


class Talk:
    """Requests and their replies."""

    def __init__(self, line):
        self.line, self.deframer, self.sequence = line, Deframer(), 0

    def raw(self, data):
        """Replies to bytes."""
        return self.deframer.push(self.line.exchange(data, idle=PATIENCE))

    def ask(self, command, *words):
        """The reply to a request."""
        self.sequence = (self.sequence + 1) % 256
        payload = np.array(words, "<u4").tobytes()
        (reply,) = self.raw(frame(self.sequence, command, payload))
        assert reply.sequence == self.sequence
        return reply


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return compiled_board(BOARD, tmp_path_factory.mktemp("board"))


@pytest.fixture
def talk(compiled):
    return Talk(SerialLine(compiled, CLOCK_HZ // BAUD, busy="active"))


def test_board_identifies_itself(talk):
    first, second = talk.ask(Command.IDENTIFY), talk.ask(Command.IDENTIFY)
    assert (first.code, first.fresh, second.fresh) == (Code.OK, True, False)
    identity = Identity.from_bytes(first.payload)
    assert identity == Identity.of(str(GEMM), CLOCK_HZ, BAUD)
    assert first.payload == second.payload


def test_board_reads_and_writes(talk):
    table = gemm_map(GEMM)
    place, values = table.offset("M"), [5, 6, 7]
    assert talk.ask(Command.WRITE, place, 1 | 1 << 16, *values).code == Code.OK
    reply = talk.ask(Command.READ, place, 1 | 1 << 16, 3)
    assert (reply.code, np.frombuffer(reply.payload, "<u4").tolist()) == (Code.OK, values)
    # Each second register, two of them in a row of three.
    assert talk.ask(Command.WRITE, place, 1 | 2 << 16, 8, 9).code == Code.OK
    reply = talk.ask(Command.READ, place, 2 | 3 << 16, 2)
    assert np.frombuffer(reply.payload, "<u4").tolist() == [8, 6]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((Command.READ, 1 << 20, 1 | 1 << 16, 1), Code.BUS),
        ((Command.READ, 2, 1 | 1 << 16, 1), Code.BUS),
        ((Command.READ, 0, 1 | 1 << 16, 12), Code.BUS),
        ((Command.READ, 0, 1 | 1 << 16, 0), Code.LENGTH),
        ((Command.READ, 0, 1 | 1 << 16, 256), Code.LENGTH),
        ((Command.READ, 0, 1 | 1 << 16), Code.LENGTH),
        ((Command.WRITE, 0, 1 | 1 << 16), Code.LENGTH),
        ((Command.WRITE, 0, 1 | 1 << 16, 0), Code.BUS),
        ((Command.IDENTIFY, 0), Code.LENGTH),
        ((0,), Code.COMMAND),
        ((9, 1), Code.COMMAND),
    ],
)
def test_board_refuses(talk, words, code):
    reply = talk.ask(*words)
    assert (reply.code, reply.payload) == (code, b"")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"gemm": parse_gemm(GEMM.array)}, "Board bus must be wishbone, not 'axi4lite'"),
        ({"gemm": GEMM.array}, f"Board engine must be a GemmSpec, not {GEMM.array!r}"),
        ({"clock_hz": 0}, "Board clock_hz must be an integer from 1 to 1000000000, not 0"),
        ({"baud": 4_000_000}, "Board baud must be from 184 to 3000000 at 12000000 Hz, not 4000000"),
        (
            {"baud": 2_700_000},
            "Board baud must be within 2 % of 12000000 Hz divided by a whole number, not 2700000",
        ),
    ],
)
def test_board_spec_wrong(fields, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        BoardSpec(**{"gemm": GEMM, "clock_hz": CLOCK_HZ, "baud": BAUD} | fields)


def test_board_top_brings_its_verilog_along():
    files = {}

    class Platform:
        """The part of a platform that a component uses."""

        def add_file(self, name, text):
            """Keep the file."""
            files[name] = text

    top = BoardTop(GEMM, CLOCK_HZ, BAUD)
    Fragment.get(top, Platform())
    (text,) = files.values()
    assert list(files) == [f"{top.spec.name}.v"]
    assert f"module {top.spec.name}(" in text


def test_same_board_same_bytes(tmp_path):
    texts = [
        {file.name: file.read_bytes() for file in generate(BOARD, tmp_path / name).parent.iterdir()}
        for name in "ab"
    ]
    assert texts[0] == texts[1]
    assert len(texts[0]) == 6


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


def test_a_check_without_frames_fails(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["--frames", "0"])
    assert capsys.readouterr() == (
        "",
        (
            "python -m tests.support.boards: error: Frames must be an integer from 1 to "
            "1000000000, not 0\n"
        ),
    )


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
def test_checks_of_frames_see_what_is_wrong(tmp_path, fault):
    old, new = FAULTS[fault]

    def change(verilog):
        assert old in verilog
        return verilog.replace(old, new)

    with pytest.raises((AssertionError, ValueError)):
        run(compiled_board(BOARD, tmp_path, change=change), 2000)
