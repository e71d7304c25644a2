# SPDX-License-Identifier: Apache-2.0
"""``python -m hw.flash``: builds a bitstream with an array and writes it to an FPGA board."""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hw.board.design import Design, design
from hw.board.listing import listing
from hw.board.platforms import board_named
from hw.board.tools import ToolError, program, require_loader
from hw.build import verilog
from hw.emit.yosys import YosysError
from hw.progress import Progress
from hw.spec import folders
from hw.spec.board import DEFAULT_BAUD
from hw.spec.command import (
    Parser,
    add_drain_options,
    add_unit_options,
    as_called,
    chosen_array,
    run_command,
)
from hw.spec.errors import SpecError, require, whole_number

DEFAULT_ARRAY = "4x4"
FOLDER = Path("build/boards")


def parser() -> Parser:
    parser = Parser(
        prog="python -m hw.flash",
        description="Build a GEMM engine for an FPGA board and load it.",
        examples=(
            "--board icebreaker --mac int8 --array 2x2",
            "--board ulx3s_85f --mac e4m3 --acc fp16 --array 4x4 --build-only",
        ),
    )
    parser.add_argument("--board", metavar="NAME", help="board; see --list-boards")
    add_unit_options(parser, array=DEFAULT_ARRAY)
    add_drain_options(parser)
    parser.add_argument(
        "--depths",
        metavar="AxBxC",
        help="words in the memories of A, B and C (default: each as deep as a block RAM at its "
        "widest)",
    )
    parser.add_argument(
        "--clock-mhz",
        metavar="MHZ",
        help="clock of the design, made by the PLL (default: the board's clock)",
    )
    parser.add_argument(
        "--baud",
        metavar="N",
        default=str(DEFAULT_BAUD),
        help="bits per second on the serial line (default: %(default)s)",
    )
    parser.add_argument(
        "--dsp",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="use DSP blocks for multipliers (default: yes)",
    )
    parser.add_argument(
        "--seed", metavar="N", default="1", help="seed for place and route (default: %(default)s)"
    )
    parser.add_argument(
        "--build-only",
        action="store_true",
        help="only build the bitstream; needs neither a board nor a loader",
    )
    parser.add_argument(
        "--out", metavar="DIR", type=Path, help=f"folder for the bitstream (default: {FOLDER}/NAME)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument(
        "--list-boards",
        action="store_true",
        help="list the boards with their cells and the largest arrays, and exit",
    )
    return parser


def _number(noun: str, text: str | None, *, low: float, high: float) -> float | None:
    """Number in the text of an option."""
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = low - 1
    require(low <= value <= high, noun, f"a number from {low:g} to {high:g}", text)
    return value


def _chosen(options: argparse.Namespace) -> Design:
    """Design that the options spell; adders and multipliers are inferred by default."""
    if options.board is None:
        raise SpecError("No board is given; add --board NAME (--list-boards lists the names)")
    if options.spec is None:
        options.adder = options.adder or "inferred"
        options.multiplier = options.multiplier or "inferred"
    board, array = board_named(options.board), chosen_array(options)
    if not options.build_only:
        require_loader(board)
    return design(
        board,
        array,
        depths=options.depths,
        clock_mhz=_number("Board clock", options.clock_mhz, low=1, high=1000),
        baud=whole_number("Baud rate", options.baud, 1, 100_000_000),
    )


def _flash(options: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """Build the bitstream, and write it to the board unless ``--build-only``; return the facts."""
    from hw.board.build import build

    seed = whole_number("Seed", options.seed, 1, 2**31 - 1)
    chosen = _chosen(options)
    chosen.require_room()
    built = build(
        chosen.sources(verilog(chosen.spec)),
        chosen.board,
        chosen.pins,
        name=chosen.spec.name,
        clock_mhz=chosen.clock_mhz,
        dsp=options.dsp,
        seed=seed,
        out=options.out or FOLDER / chosen.board.key,
        progress=progress.at_once,
    )
    if not options.build_only:
        program(chosen.board, built.bitstream)
    return {
        "board": chosen.board.key,
        "design": chosen.spec.name,
        "dsp_blocks": options.dsp,
        **asdict(built),
        "bitstream": str(built.bitstream),
        "programmed": not options.build_only,
        "port": chosen.board.port,
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 0 on success, 1 if a tool failed, 2 for a user error.

    130 after Ctrl-C.
    """
    return run_command(parser(), _body, arguments, tool_errors=(ToolError, YosysError))


def _body(options: argparse.Namespace) -> None:
    if options.list_boards:
        print(listing(folders.RECORDS, as_json=options.json))
        return
    progress = Progress()
    done = _flash(options, progress)
    progress.done()
    if options.json:
        print(json.dumps(done, indent=2))
        return
    lines = [
        f"{name}: {used:,} of {available:,} ({100 * used / available:.1f} %)"
        for name, (used, available) in done["used"].items()
        if available
    ]
    lines.append(f"Clock: {done['clock_mhz']:g} MHz, highest {done['fmax_mhz']:g} MHz")
    lines.append(
        "Time: "
        + ", ".join(
            f"{name.replace('_', ' ')} {value:g} s" for name, value in done["seconds"].items()
        )
    )
    lines.append(f"Next: {_next(options, done)}")
    progress.note("\n".join(lines))
    print(done["bitstream"])


def _next(options: argparse.Namespace, done: dict[str, Any]) -> str:
    """Next command for the user: it writes the bitstream, or checks the board."""
    if done["programmed"]:
        return as_called(f"python -m hw.selftest --port {done['port']} --baud {options.baud}")
    words = [
        word.replace("{bitstream}", done["bitstream"])
        for word in board_named(done["board"]).program
    ]
    return " && ".join(words)


if __name__ == "__main__":
    sys.exit(main())
