# SPDX-License-Identifier: Apache-2.0
"""Bitstreams for FPGA boards, and what they take of them."""

import itertools
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from hw.board.build import INSTALL, Built, build
from hw.board.design import Design, design
from hw.board.families import FAMILIES
from hw.board.mapping import RoomError
from hw.board.platforms import Board
from hw.board.tools import required
from hw.spec import ArraySpec, parse_array
from reports.studies.boards.command import Point, board_parser, run
from synth.record import ROOT, Metric, Record, provenance

__all__ = ["inferred", "main", "measure", "plan"]

POINTS = Path(__file__).with_name("boards.toml")
RECORDS = ROOT / "reports" / "data" / "boards.json"
PROG = "python -m reports.studies.boards.measure"
NOT_DONE = ("a board: nothing was programmed", "power")

def measure(board: Board, mac: str, array: str, *, dsp: bool) -> Record:
    """Record of one bitstream, at the board's own clock whether it is fast enough or not.

    If there is no room on the board the record says so and nothing else.

    ``mac`` spells operands and accumulator; adders and multipliers are operators.

    Raises
    ------
    SpecError, ToolError, YosysError
        As `hw.board.build.build` does.
    """
    chosen = design(board, inferred(mac, array))
    with tempfile.TemporaryDirectory(prefix="boards-") as scratch:
        try:
            built = build(chosen.sources(), board, chosen.pins, name=chosen.spec.name, dsp=dsp,
                          clock_mhz=chosen.clock_mhz, out=Path(scratch), too_slow=True)
            metrics = _metrics(chosen, built)
        except RoomError as error:
            metrics = {"fits": Metric(False), "reason": Metric(str(error))}
    wheel = FAMILIES[board.family].place.split()[0]
    return Record(
        subject=chosen.spec.name, metrics=metrics, not_done=NOT_DONE,
        conditions={"board": board.key, "mac": mac, "array": array, "dsp_blocks": dsp,
                    "clock_mhz": chosen.clock_mhz, "depths": chosen.spec.gemm.depths, "seed": 1},
        provenance=provenance(PROG, tools=("amaranth", "amaranth-boards", "pyosys", wheel)))


def _metrics(chosen: Design, built: Built) -> dict[str, Metric]:
    """Cells, the clock, and what the array could do at it."""
    array = chosen.spec.gemm.array
    units = array.rows * array.cols * array.mac.lanes
    capacity = FAMILIES[chosen.board.family].chips[chosen.pins.die]
    fullest = max((100 * used / available, name) for name, (used, available) in built.used.items()
                  if available and name in _COUNTED)
    return {
        "fits": Metric(True),
        "luts": Metric(built.cells["luts"], "LUT"),
        "flip_flops": Metric(built.cells["flip_flops"], "flip-flop"),
        "dsps": Metric(built.cells["dsps"], "DSP block"),
        "block_rams": Metric(built.cells["block_rams"], "block RAM"),
        "luts_of_board": Metric(capacity["luts"], "LUT"),
        "fullest": Metric(round(fullest[0], 1), "%"), "fullest_cells": Metric(fullest[1]),
        "fmax": Metric(built.fmax_mhz, "MHz"), "meets_clock": Metric(built.meets_clock),
        "peak": Metric(round(units * built.fmax_mhz / 1000, 3), "GMAC/s"),
        "bitstream": Metric(built.bitstream.stat().st_size, "byte"),
        "build_time": Metric(round(sum(built.seconds.values()), 1), "s"),
        "cpu_time": Metric(built.cpu_seconds, "s"),
    }


#: Cells of place and route that an array grows with.
_COUNTED = {"TRELLIS_COMB", "TRELLIS_FF", "MULT18X18D", "DP16KD", "ICESTORM_LC", "ICESTORM_DSP",
            "ICESTORM_RAM", "LUT4", "DFF", "ALU", "BSRAM", "MULT9X9", "MULT18X18", "MULTALU18X18",
            "MULTALU36X18", "MULTADDALU18X18", "MULT36X36", "ALU54D"}


def inferred(mac: str, array: str) -> ArraySpec:
    """Array of that size, whose adders and multipliers are operators."""
    return parse_array(array, f"{mac},adder=inferred,multiplier=inferred")


def plan() -> dict[str, Any]:
    """What boards.toml says: ``macs``, spelled with their accumulators, and the size ``array``."""
    return tomllib.loads(POINTS.read_text(encoding="utf-8"))


def _points(boards: Sequence[Board], array: str | None) -> Iterator[Point]:
    """Points of boards.toml, of these boards and perhaps of another size."""
    for family in {board.family for board in boards}:
        required(FAMILIES[family].place.split()[0], install=INSTALL)
    data = plan()
    size = array or data["array"]
    for board, mac, dsp in itertools.product(boards, data["macs"], (True, False)):
        yield ({"board": board.key, "mac": mac, "array": size, "dsp_blocks": dsp},
               partial(measure, board, mac, size, dsp=dsp))


def _line(record: Record) -> str:
    """A record in one line."""
    found, where = record.metrics, record.conditions
    dsp = "with" if where["dsp_blocks"] else "without"
    values = ", ".join(f"{name} {value} {unit}".strip() for name, (value, unit) in found.items())
    return f"{where['board']} {where['mac']} {where['array']} {dsp} DSP blocks: {values}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if a tool failed, 2 for wrong arguments."""
    parser = board_parser(PROG, "Build bitstreams for boards and record what they take.", RECORDS)
    parser.add_argument("--array", metavar="ROWSxCOLS",
                        help="size of the arrays (default: that of boards.toml)")
    options = parser.parse_args(arguments)
    return run(parser, options, lambda boards: _points(boards, options.array), _line)


if __name__ == "__main__":
    sys.exit(main())
