# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.boards``: bitstreams for FPGA boards, and what they take of them."""

import json
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hw.board.build import INSTALL, Built, build
from hw.board.design import Design, design
from hw.board.families import FAMILIES
from hw.board.mapping import RoomError
from hw.board.platforms import BOARDS, Board, board_named
from hw.board.tools import ToolError, required
from hw.emit.yosys import YosysError
from hw.spec import ArraySpec, SpecError, parse_array
from hw.spec.command import Parser
from synth.record import ROOT, Metric, Record, provenance, read_records, write_records

__all__ = ["inferred", "main", "measure", "plan"]

POINTS = Path(__file__).with_name("boards.toml")
RECORDS = ROOT / "reports" / "data" / "boards.json"
NOT_DONE = ("a board: nothing was programmed", "power")
#: What tells one point from another.
KEY = ("board", "mac", "array", "dsp_blocks")
Point = tuple[Board, str, str, bool]


def measure(board: Board, mac: str, array: str, *, dsp: bool,
            command: str = "python -m synth.boards") -> Record:
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
        provenance=provenance(command, tools=("amaranth", "amaranth-boards", "pyosys", wheel)))


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
    data = plan()
    return ((board, mac, array or data["array"], dsp)
            for board in boards for mac in data["macs"] for dsp in (True, False))


def _line(record: Record) -> str:
    """A record in one line."""
    found, where = record.metrics, record.conditions
    dsp = "with" if where["dsp_blocks"] else "without"
    values = ", ".join(f"{name} {value} {unit}".strip() for name, (value, unit) in found.items())
    return f"{where['board']} {where['mac']} {where['array']} {dsp} DSP blocks: {values}"


def _parser() -> Parser:
    parser = Parser(prog="python -m synth.boards",
                    description="Build bitstreams for boards and record what they take.")
    parser.add_argument("--board", metavar="NAME", action="append",
                        help="board, may be given more than once (default: every one)")
    parser.add_argument("--array", metavar="ROWSxCOLS",
                        help="size of the arrays (default: that of boards.toml)")
    parser.add_argument("--missing", action="store_true",
                        help="keep the records that there are, measure only what is missing")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the records (default: reports/data/boards.json)")
    parser.add_argument("--json", action="store_true", help="print the records as well")
    return parser


def _measure(records: list[Record], boards: Sequence[Board], array: str | None, out: Path,
             command: str) -> None:
    """Measure what is not among ``records``; each goes into the file at once."""
    known = {tuple(record.conditions[name] for name in KEY) for record in records}
    wanted = [point for point in _points(boards, array)
              if (point[0].key, *point[1:]) not in known]
    for number, (board, mac, size, dsp) in enumerate(wanted, 1):
        records.append(measure(board, mac, size, dsp=dsp, command=command))
        print(f"[{number}/{len(wanted)}] {_line(records[-1])}", file=sys.stderr)
        write_records(out, records)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if a tool failed, 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        boards = [board_named(key) for key in options.board or [board.key for board in BOARDS]]
        for family in {board.family for board in boards}:
            required(FAMILIES[family].place.split()[0], install=INSTALL)
        records = read_records(options.out) if options.missing and options.out.exists() else []
        _measure(records, boards, options.array, options.out, parser.prog)
    except SpecError as error:
        parser.error(str(error))
    except (ToolError, YosysError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([record.to_json() for record in records], indent=2))
    print(options.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
