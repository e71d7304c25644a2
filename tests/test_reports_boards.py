# SPDX-License-Identifier: Apache-2.0
"""The page of FPGA boards: tables from records, estimates told from what was built."""

import re

from hw.board.platforms import BOARDS
from reports.board_path import board_path
from reports.boards import answer, bitstreams, boards_page, largest
from synth.board_facts import facts


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


#: A MAC alone: 250 look-up tables in the fabric, or 66 and a DSP block.
UNITS = [{"subject": "mac_int8_fx32_inferred_inferred",
          "conditions": {"part": "ice40", "dsp_blocks": dsp},
          "metrics": metrics(luts=luts, dsps=dsps)}
         for dsp, luts, dsps in ((False, 250, 0), (True, 66, 1))]
INT8 = "int8,acc=int32"
RECORDS = {
    "boards": [bitstream(INT8, "2x2", luts=864, dsps=4), bitstream(INT8, "1x3", dsp=False),
               bitstream("e4m3", "2x2", fmax=11.25, meets_clock=False),
               {**bitstream("e4m3", "4x4"), "metrics": metrics(fits=False, reason="full")}],
    "board_facts": [facts(board).to_json() for board in BOARDS],
    "fpga": UNITS,
}


def test_bitstreams_are_those_of_the_records():
    table = bitstreams(RECORDS)
    assert table.headings[:5] == ["board", "MAC", "array", "DSP blocks", "LUT"]
    assert table.rows[0] == ["iCEBreaker", INT8, "2x2", "yes", "864", "500", "4", "4", "40.5",
                             "18.5", "12", "0.074", "60.25", "20.5"]
    assert table.rows[1][3] == "no"
    assert table.rows[2][9:11] == ["11.25", "12, too fast"]
    assert table.rows[3] == ["iCEBreaker", "e4m3", "4x4", "yes", *["-"] * 6, "12", *["-"] * 3]


def test_largest_tells_what_was_built_from_what_should_fit():
    table = largest(RECORDS)
    assert table.headings[5:] == [f"{INT8}, built", f"{INT8}, estimate", "e4m3, built",
                                  "e4m3, estimate"]
    rows = {row[0]: row[5:] for row in table.rows}
    assert len(rows) == len(BOARDS)
    # (0.8 * 5,280 - (864 - 4 * 66)) / 66 = 54 elements, of which 8 have a DSP block; in the fabric
    # (0.8 * 5,280 - (1,000 - 3 * 250)) / 250 = 15.
    assert rows["iCEBreaker"] == ["2x2", "~3x3", "2x2", "-"]
    assert rows["UPduino v3"] == ["-", "~3x3", "-", "-"]
    assert rows["ULX3S 85F"] == ["-"] * 4


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
