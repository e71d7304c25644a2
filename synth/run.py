# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.run``: one unit through the flow, one record."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from hw.emit.yosys import YosysError
from hw.spec import SpecError
from hw.spec.command import (
    Parser,
    add_output_options,
    add_unit_options,
    chosen_design,
    run_command,
)
from hw.spec.errors import require
from synth.flow import osu018
from synth.flow.design import Design, of_files, of_unit
from synth.flow.gates import recipes
from synth.flow.liberty import Library, read
from synth.flow.timing import StaError
from synth.measure import METRICS, Job, measure
from synth.power.energy import NetlistMismatch
from synth.record import write_records

TOOL_ERRORS = (YosysError, StaError, NetlistMismatch)


def _parser() -> Parser:
    parser = Parser(
        prog="python -m synth.run",
        description="Measure a unit: two-input gates, the paper's cost, area, timing, energy.",
    )
    unit = parser.add_argument_group("what is measured: a generated unit, or files of anyone")
    add_unit_options(unit)
    add_output_options(unit)
    unit.add_argument(
        "--flat",
        action="store_true",
        help="flatten an array instead of counting its parts as often as placed",
    )
    unit.add_argument(
        "--unresolved",
        action="store_true",
        help="leave out the adder that resolves the sum of a carry-save MAC",
    )
    unit.add_argument("--always-valid", action="store_true", help="tie i_valid of a MAC to 1")
    unit.add_argument("--verilog", metavar="FILE", nargs="+", help="SystemVerilog files")
    unit.add_argument("--top", metavar="MODULE", help="top module of --verilog")
    flow = parser.add_argument_group("how")
    flow.add_argument(
        "--liberty",
        metavar="FILE",
        nargs="+",
        help="Liberty files of one library, gzipped or not "
        "(default: OSU 0.18 um, from `make library`)",
    )
    flow.add_argument(
        "--recipe",
        metavar="NAME",
        default="keep",
        help=f"recipe for the cells: {', '.join(recipes('cells'))} (default: %(default)s)",
    )
    flow.add_argument(
        "--clock",
        metavar="NS",
        help="clock period in ns that the slack is told for and that recipes with a target map for",
    )
    flow.add_argument(
        "--metrics",
        metavar="NAME",
        nargs="+",
        default=(),
        help=f"some of {', '.join(metric.__name__ for metric in METRICS)} (default: all)",
    )
    parser.add_argument("--json", action="store_true", help="print the record as JSON")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write the record to FILE")
    return parser


def chosen_library(files: Sequence[str] | None) -> Library | None:
    """Library of ``files``, else OSU018, else None with a line on stderr."""
    if files:
        return read(files)
    found = osu018.find()
    if found is None:
        print(
            "OSU018 cell library is missing (`make library` gets it): no cells, no timing.",
            file=sys.stderr,
        )
        return None
    return read([found])


def _design(options: argparse.Namespace) -> Design:
    """Design that the command line asks for."""
    generated = options.spec or options.mac or getattr(options, "from")
    require(
        (generated is None) != (options.verilog is None),
        "What to measure",
        "given by one of --spec, --mac, --from and --verilog",
        generated,
    )
    if options.verilog is None:
        require(options.top is None, "Top", "given with --verilog only", options.top)
        return of_unit(
            chosen_design(options),
            flat=options.flat,
            resolve=not options.unresolved,
            always_valid=options.always_valid,
        )
    require(
        not (options.unresolved or options.always_valid),
        "What is left of a MAC",
        "asked for with --mac only",
        "--verilog",
    )
    require(options.top is not None, "Top", "given by --top MODULE", options.top)
    return of_files(options.verilog, options.top)


def _clock(text: str | None) -> float | None:
    """Clock period in ns."""
    try:
        period = None if text is None else float(text)
    except ValueError:
        period = 0.0
    require(period is None or 0 < period < float("inf"), "Clock", "a number of ns above 0", text)
    return period


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if a tool failed, 2 for wrong arguments."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    return run_command(_parser(), partial(_body, given), given, tool_errors=TOOL_ERRORS)


def _body(given: Sequence[str], options: argparse.Namespace) -> None:
    job = Job(
        clock_ns=_clock(options.clock),
        design=_design(options),
        recipe=options.recipe,
        library=chosen_library(options.liberty),
    )
    try:
        record = measure(
            job,
            shlex.join(["python", "-m", "synth.run", *given]),
            only=options.metrics,
            progress=True,
        )
    except TOOL_ERRORS as error:
        if options.verilog:  # Then the files are wrong, not the tool.
            raise SpecError(str(error)) from error
        raise
    if options.out is not None:
        print(write_records(options.out, [record]))
    if options.json:
        print(json.dumps(record.to_json(), indent=2))
    elif options.out is None:
        width = max(map(len, record.metrics))
        print(record.subject)
        for name, (value, unit) in record.metrics.items():
            print(f"{name:{width}}  {value} {unit}")
        print(f"{'not done':{width}}  " + ", ".join(record.not_done))


if __name__ == "__main__":
    sys.exit(main())
