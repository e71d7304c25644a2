# SPDX-License-Identifier: Apache-2.0
"""Chips, pins and loaders of the boards, as records for pages."""

import sys
from collections.abc import Sequence
from pathlib import Path

from hw.board.families import FAMILIES
from hw.board.pins import pins
from hw.board.platforms import BOARDS, Board
from hw.spec import SpecError
from hw.spec.command import Parser
from synth.record import ROOT, Metric, Record, provenance, write_records

__all__ = ["facts", "main"]

RECORDS = ROOT / "reports" / "data" / "board_facts.json"


def facts(board: Board) -> Record:
    """What is known of a board without building anything."""
    found, family = pins(board), FAMILIES[board.family]
    capacity = family.chips[found.die]
    return Record(
        subject=board.key,
        metrics={"luts": Metric(capacity["luts"], "LUT"),
                 "dsps": Metric(capacity["dsps"], "DSP block"),
                 "block_rams": Metric(capacity["block_rams"], "block RAM"),
                 "clock": Metric(found.clock_hz / 1e6, "MHz")},
        conditions={"title": board.title, "family": board.family, "chips": family.name,
                    "die": found.die, "pins": dict(found.ports), "usb": board.usb,
                    "hands": board.hands,
                    "port": board.port, "program": list(board.program), "loader": board.loader},
        provenance=provenance("python -m reports.studies.boards.facts", tools=("amaranth-boards",)))


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 2 for wrong arguments."""
    parser = Parser(prog="python -m reports.studies.boards.facts",
                    description="Record what the boards have, for the pages about them.")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the records (default: reports/data/board_facts.json)")
    options = parser.parse_args(arguments)
    try:
        print(write_records(options.out, [facts(board) for board in BOARDS]))
    except SpecError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
