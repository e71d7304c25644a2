# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.formal``: prove every unit, write reports/data/formal.json.

Exit status 1 if a claim is refuted, 2 for wrong arguments. An open claim is no error: it is
recorded as what it is.
"""

import argparse
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

from hw.spec.command import Parser, run_command
from hw.spec.errors import require
from hw.spec.folders import ROOT
from synth.record import provenance, write_records
from tests.formal.units import UNITS, Result, prove

RECORDS = ROOT / "reports" / "data" / "formal.json"
COMMAND = "python -m tests.formal"
#: Units at a time.
WORKERS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 unless a claim is refuted."""
    parser = Parser(prog=COMMAND, description="Prove the RTL of units equal to specifications.")
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="prove the units whose spelling contains TEXT; records nothing unless --out is given",
    )
    parser.add_argument("--list", action="store_true", help="print the units and stop")
    parser.add_argument(
        "--timeout",
        metavar="S",
        type=_seconds,
        default=20.0,
        help="seconds that the solver has for one case (default: %(default)g)",
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        help="write the records to FILE (default: reports/data/formal.json)",
    )
    parser.add_argument("--json", action="store_true", help="print the results as JSON")
    return run_command(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    """Prove or list the units that are asked for."""
    units = [spelling for spelling in UNITS if options.only in spelling]
    require(bool(units), "--only", "part of a unit's spelling", options.only)
    if options.list:
        print(*units, sep="\n")
        return 0
    results = sorted(_prove(units, options.timeout), key=lambda result: units.index(result.name))
    print(
        json.dumps([result.to_json() for result in results], indent=2)
        if options.json
        else "\n".join(map(str, results))
    )
    out = options.out or (None if options.only else RECORDS)
    if out:
        origin = provenance(COMMAND, tools=("amaranth", "pyosys", "z3-solver"))
        written = write_records(out, [result.record(origin) for result in results])
        print(written, file=sys.stderr if options.json else sys.stdout)
    return int(any(result.refuted for result in results))


def _seconds(text: str) -> float:
    """Positive number of seconds."""
    value = float(text)
    if value <= 0:
        raise ValueError(text)
    return value


def _prove(units: Sequence[str], timeout: float) -> Iterator[Result]:
    """Result of each unit as it is ready; the slowest units start first."""
    started = time.monotonic()
    with ProcessPoolExecutor(WORKERS, mp_context=multiprocessing.get_context("spawn")) as pool:
        slowest = sorted(units, key=lambda spelling: -_weight(spelling))
        pending = [pool.submit(prove, spelling, timeout) for spelling in slowest]
        for count, future in enumerate(as_completed(pending), 1):
            result = future.result()
            print(
                f"[{count}/{len(units)}] {time.monotonic() - started:.0f} s: {result}",
                file=sys.stderr,
            )
            yield result


def _weight(spelling: str) -> int:
    """Rough relative run time of a unit; wide floating-point accumulators take longest."""
    unit = UNITS[spelling]
    return unit.spec.acc.width * (1 if unit.kind == "fixed" else 10)


if __name__ == "__main__":
    sys.exit(main())
