# SPDX-License-Identifier: Apache-2.0
"""The page of FPGA boards: tables from records, estimates told from what was built."""

import re

from hw.board.platforms import BOARDS
from reports.studies.boards.facts import facts
from reports.studies.boards.page import (
    answer,
    bitstreams,
    boards_page,
    checks,
    largest,
    largest_by_chip,
)
from reports.studies.boards.path import board_path


def metrics(**values):
    """Metrics of a record."""
    return {name: {"value": value, "unit": ""} for name, value in values.items()}


def bitstream(mac, array, *, dsp=True, board="icebreaker", **values):
    """Record of a bitstream."""
    found = {"fits": True, "luts": 1000, "flip_flops": 500, "dsps": 0, "block_rams": 4,
             "fullest": 40.5, "fmax": 18.5, "meets_clock": True, "peak": 0.074,
             "build_time": 60.25, "cpu_time": 20.5} | values
    return {"subject": "board_x", "metrics": metrics(**found),
            "conditions": {"board": board, "mac": mac, "array": array, "dsp_blocks": dsp,
                           "clock_mhz": 12.0, "depths": "16x32x64", "seed": 1}}




def fitting(mac, array, *, dsp=True, die="up5k"):
    """Record of the largest array on a chip."""
    found = {"fits": array is not None, "limit": "Design must be smaller"}
    if array:
        found |= {"array": array, "luts": 5001, "flip_flops": 700, "dsps": 8, "block_rams": 6,
                  "fullest": 94.7}
    return {"subject": "board_y", "metrics": metrics(**found),
            "conditions": {"board": "icebreaker", "die": die, "mac": mac, "dsp_blocks": dsp}}


INT8 = "int8,acc=int32"
RECORDS = {
    "boards": [bitstream(INT8, "2x2", luts=864, dsps=4), bitstream(INT8, "1x3", dsp=False),
               bitstream("e4m3", "2x2", fmax=11.25, meets_clock=False),
               {**bitstream("e4m3", "4x4"), "metrics": metrics(fits=False, reason="full")}],
    "board_facts": [facts(board).to_json() for board in BOARDS],
    "board_room": [fitting(INT8, "2x2"), fitting(INT8, "3x3", dsp=False), fitting("e4m3", None),
                   fitting(INT8, "12x12", die="85k")],
}


def test_bitstreams_are_those_of_the_records():
    table = bitstreams(RECORDS)
    assert table.headings[:5] == ["board", "MAC", "array", "DSP blocks", "LUT"]
    assert table.rows[0] == ["iCEBreaker", INT8, "2x2", "yes", "864", "500", "4", "4", "40.5",
                             "18.5", "12", "0.074", "60.25", "20.5"]
    assert table.rows[1][3] == "no"
    assert table.rows[2][9:11] == ["11.25", "12, too fast"]
    assert table.rows[3] == ["iCEBreaker", "e4m3", "4x4", "yes", *["-"] * 6, "12", *["-"] * 3]


def test_largest_tells_what_was_built_from_what_fits():
    table = largest(RECORDS)
    assert table.headings[5:] == [f"{INT8}, fits", f"{INT8}, built", "e4m3, fits", "e4m3, built"]
    rows = {row[0]: row[5:] for row in table.rows}
    assert len(rows) == len(BOARDS)
    assert rows["iCEBreaker"] == ["3x3", "2x2", "-", "2x2"]
    assert rows["UPduino v3"] == ["3x3", "-", "-", "-"]
    assert rows["ULX3S 85F"] == rows["OrangeCrab r0.2 85F"] == ["12x12", "-", "-", "-"]
    assert rows["ULX3S 45F"] == ["-"] * 4


def test_largest_tells_what_was_tried_and_did_not_place():
    """3x3 without DSP blocks failed on another board of that chip; with them would be no matter."""
    for dsp, wanted in ((False, "3x3, does not place"), (True, "3x3")):
        failed = bitstream(INT8, "3x3", dsp=dsp, board="upduino_v3")
        failed["metrics"] = metrics(fits=False, reason="full")
        rows = {row[0]: row for row in largest(
            {**RECORDS, "boards": [*RECORDS["boards"], failed]}).rows}
        assert rows["iCEBreaker"][5] == rows["UPduino v3"][5] == wanted


def test_chips_are_told_with_what_the_largest_array_takes():
    rows = largest_by_chip(RECORDS).rows
    assert rows[1] == ["up5k", INT8, "no", "3x3", "5,001", "700", "8", "6", "94.7"]
    assert rows[2] == ["up5k", "e4m3", "yes", *["-"] * 6]
    assert len(rows) == 4


def test_answer_counts_what_was_built():
    assert answer(RECORDS) == (
        "Bitstreams built: 3, for 1 of 12 boards, each a GEMM engine behind a serial line. The "
        "fastest, int8,acc=int32 on iCEBreaker, reaches 18.5 MHz. Slower than their board's own "
        "clock, so that they need `--clock`: 1.")
    fast = RECORDS | {"boards": RECORDS["boards"][:2]}
    assert answer(fast).endswith("All reach their board's own clock.")


def test_guide_has_every_board():
    guide = boards_page(RECORDS)["guide"]
    assert [entry["key"] for entry in guide] == [board.key for board in BOARDS]
    assert all(entry["hands"] and entry["program"] and entry["loader"] for entry in guide)


def test_recorded_facts_are_those_of_the_platforms(pytestconfig):
    from synth.record import read_records
    recorded = read_records(pytestconfig.rootpath / "reports/data/board_facts.json")
    for record, board in zip(recorded, BOARDS, strict=True):
        now = facts(board)
        assert (record.subject, record.metrics, record.conditions) == (
            now.subject, now.metrics, now.conditions)


def test_path_has_the_widths_of_the_spec():
    drawn = board_path(RECORDS["boards"])
    assert drawn["memories"] == [("A", 16, 16), ("B", 32, 16), ("C", 64, 64)]
    assert (drawn["rows"], drawn["cols"], drawn["acc"]) == (2, 2, "32")
    assert re.fullmatch(r"\d+x\d+", drawn["array"])


def test_checks_are_counted():
    selftest = {"conditions": {"engine": "e4m3"}, "metrics": metrics(
        products=100, products_results=4938, digits_results=18858, digits_accuracy=96.66)}
    frames = {"conditions": {}, "metrics": metrics(
        frames=100000, told=61177, silent=31336, answered=7487, good_frames_behind=100000)}
    first, second = checks({"board_selftest": [selftest], "board_frames": [frames]})
    assert "`e4m3`: 100 random products (4,938 results) and the digits (18,858 results" in first
    assert second.startswith("100,000 garbled frames (")
    assert "61,177 got an error reply, 31,336 none" in second
    assert "7,487 came through unharmed" in second
    assert checks(RECORDS) == []
