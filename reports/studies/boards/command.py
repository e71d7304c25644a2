# SPDX-License-Identifier: Apache-2.0
"""What the commands that measure boards have in common: one record a point, kept at once."""

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hw.board.platforms import BOARDS, Board, board_named
from hw.board.tools import ToolError
from hw.emit.yosys import YosysError
from hw.spec import SpecError
from hw.spec.command import Parser
from synth.record import ROOT, Record, read_records, write_records

__all__ = ["Point", "board_parser", "run"]

#: Conditions that tell a point from all others, and what measures it.
Point = tuple[Mapping[str, Any], Callable[[], Record]]


def board_parser(prog: str, description: str, records: Path) -> Parser:
    """Parser of a command whose records are in the file ``records`` unless told otherwise."""
    parser = Parser(prog=prog, description=description)
    parser.add_argument("--board", metavar="NAME", action="append",
                        help="board to measure, may be repeated (default: every one)")
    parser.add_argument("--missing", action="store_true",
                        help="keep the records that there are, measure only what is missing")
    parser.add_argument("--out", metavar="FILE", type=Path, default=records,
                        help=f"file of the records (default: {records.relative_to(ROOT)})")
    parser.add_argument("--json", action="store_true", help="print the records as well")
    return parser


def run(parser: Parser, options: argparse.Namespace,
        points: Callable[[Sequence[Board]], Iterable[Point]], line: Callable[[Record], str]) -> int:
    """Measure the points of the chosen boards; ``line`` tells a record in a line.

    Returns
    -------
    int
        Exit status: 0 if all went well, 1 if a tool failed. Wrong arguments end the program with 2.
    """
    try:
        boards = [board_named(key) for key in options.board or [board.key for board in BOARDS]]
        records = read_records(options.out) if options.missing and options.out.exists() else []
        wanted = [measure for conditions, measure in points(boards)
                  if not any(conditions.items() <= record.conditions.items() for record in records)]
        for number, measure in enumerate(wanted, 1):
            records.append(measure())
            print(f"[{number}/{len(wanted)}] {line(records[-1])}", file=sys.stderr)
            write_records(options.out, records)
    except SpecError as error:
        parser.error(str(error))
    except (ToolError, YosysError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    if options.json:
        print(json.dumps([record.to_json() for record in records], indent=2))
    print(options.out)
    return 0
