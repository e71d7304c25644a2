# SPDX-License-Identifier: Apache-2.0
"""The largest array for whose cells a chip has room."""

import json

import pytest

from hw.board.design import Design
from hw.board.platforms import BOARDS, board_named
from reports.studies.boards import room as command
from synth.record import read_records

INT8 = "int8,acc=int32"


@pytest.mark.parametrize("fixed", [0, 0.3, 0.9, 0.97, 1.5])
@pytest.mark.parametrize("each", [0.00001, 0.0007, 0.01, 0.04, 0.3, 2])
def test_largest_side_is_the_last_that_has_room(fixed, each):
    asked = []

    def room(side):
        asked.append(side)
        return fixed + each * side * side + 0.002 * side

    found = command.largest_side(room)
    sides = [side for side in range(1, command.HIGHEST + 1)
             if fixed + each * side * side + 0.002 * side <= 1]
    assert found == (max(sides) if sides else 0)
    assert len(set(asked)) <= 7


@pytest.fixture
def maps(monkeypatch):
    """Mapping that is done at once: 500 look-up tables, and 100 and a block for an element."""
    done = []
    monkeypatch.setattr(Design, "sources", lambda self: {"a.v": "", "b.v": ""})
    monkeypatch.setattr(command, "_CELLS", {})

    def mapped(folder, sources, board, pins, *, dsp):
        assert sources == ["a.v", "b.v"]
        assert all((folder / name).exists() for name in sources)
        side = sides[-1]
        done.append((board.key, side, dsp))
        return {"luts": 500 + 100 * side**2, "flip_flops": 30, "block_rams": 2,
                "dsps": side**2 if dsp else 0}

    sides = []
    real = command._design.__wrapped__

    def design(board, mac, side):
        sides.append(side)
        return real(board, mac, side)

    monkeypatch.setattr(command, "_design", design)
    monkeypatch.setattr(command, "mapped", mapped)
    return done


@pytest.mark.parametrize(("dsp", "side", "limit"), [
    (True, 2, "8 DSP blocks (--no-dsp takes none) for iCEBreaker, not 9"),
    (False, 6, "5,280 look-up tables for iCEBreaker, not 5,400"),
])
def test_record_has_the_array_its_cells_and_what_limits_it(dsp, side, limit, maps):
    record = command.measure(board_named("icebreaker"), INT8, dsp=dsp)
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "fits": True, "array": f"{side}x{side}", "luts": 500 + 100 * side**2, "flip_flops": 30,
        "block_rams": 2, "dsps": side**2 if dsp else 0,
        "fullest": 50.0 if dsp else round(4100 / 52.8, 1),
        "fullest_cells": "LUT" if not dsp else "DSP block",
        "limit": f"Design must be one of at most {limit}"}
    assert record.conditions == {"die": "up5k", "board": "icebreaker", "mac": INT8,
                                 "dsp_blocks": dsp, "depths": "256x256x256"}
    assert "place and route" in record.not_done[0]
    assert len(maps) == len(set(maps))


def test_command_looks_at_every_chip_once(maps, tmp_path, capsys):
    out = tmp_path / "room.json"
    arguments = ["--out", str(out), "--board", "ulx3s_25f", "--board", "colorlight_i5"]
    assert command.main(arguments) == 0
    assert capsys.readouterr().out == f"{out}\n"
    records = read_records(out)
    assert len(records) == 6
    assert {record.conditions["board"] for record in records} == {"ulx3s_25f"}
    count = len(maps)
    assert command.main([*arguments, "--board", "ulx3s_12f", "--missing", "--json"]) == 0
    printed = capsys.readouterr().out
    assert len(json.loads(printed[:printed.rindex("]") + 1])) == 12
    # The 12F is mapped as the 25F is, so nothing was mapped again.
    assert len(maps) == count


def test_every_board_has_a_chip():
    assert len(command.dies(BOARDS)) == 7


def test_command_of_an_unknown_board(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        command.main(["--board", "arty", "--out", str(tmp_path / "room.json")])
    keys = ", ".join(board.key for board in BOARDS)
    assert capsys.readouterr().err == (
        f"python -m reports.studies.boards.room: error: Board must be one of {keys}, not 'arty'\n")
    assert list(tmp_path.iterdir()) == []
