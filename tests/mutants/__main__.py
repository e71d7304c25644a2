# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.mutants``: plant every fault and see that the tests catch it.

Writes reports/data/mutants.json. Exit status 1 if a fault survives, 2 if one cannot be tried.
"""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from hw.spec.command import Parser
from synth.record import Metric, Record, provenance, write_records
from tests.mutants import FAULTS
from tests.mutants.fault import Fault
from tests.mutants.planting import (
    ROOT,
    Outcome,
    PlantingError,
    copy_tree,
    run_fault,
    run_tests,
)

__all__ = ["main"]

RECORDS = ROOT / "reports" / "data" / "mutants.json"
#: Copies that are tested at a time.
WORKERS = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if every fault is caught."""
    parser = Parser(prog="python -m tests.mutants",
                    description="Plant faults; each must be caught by a test.")
    parser.add_argument("--only", metavar="TEXT", default="",
                        help="plant the faults whose name or file contains TEXT; records nothing")
    parser.add_argument("--list", action="store_true", help="print the faults and stop")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="write the records to FILE (default: %(default)s)")
    options = parser.parse_args(arguments)
    faults = [fault for fault in FAULTS if options.only in f"{fault.name} {fault.file}"]
    if not faults:
        parser.error(f"--only must be part of a fault's name or file, not {options.only!r}")
    if options.list:
        print(*(f"{fault.room:14}{fault.file}: {fault.name}" for fault in faults), sep="\n")
        return 0
    try:
        return _run(faults, None if options.only else options.out)
    except PlantingError as error:
        parser.error(str(error))


def _run(faults: Sequence[Fault], out: Path | None) -> int:
    """Try the tests without a fault, then with each; print the table and write the records."""
    started = time.monotonic()
    tests = sorted({test for fault in faults for test in fault.tests})
    print(f"Running {len(tests)} tests without a fault.", file=sys.stderr)
    # All copies are taken from one, so that the work tree may change meanwhile.
    with TemporaryDirectory(prefix="sound-") as folder, ThreadPoolExecutor(WORKERS) as pool:
        copy_tree(Path(folder))
        if failed := run_tests(tests, Path(folder)).failed:
            raise PlantingError(f"Tests must pass without a fault, and {failed} does not")
        outcomes = list(pool.map(lambda fault: _tell(fault, Path(folder)), faults))
    survivors = [fault for fault, outcome in zip(faults, outcomes, strict=True)
                 if not outcome.failed]
    print(_table(faults, outcomes))
    print(f"{len(faults)} planted, {len(faults) - len(survivors)} caught, "
          f"{len(survivors)} survived")
    if out:
        print(write_records(out, _records(faults, outcomes, time.monotonic() - started)))
    return int(bool(survivors))


def _tell(fault: Fault, source: Path) -> Outcome:
    """Run one fault and say so."""
    outcome = run_fault(fault, source)
    verdict = "caught" if outcome.failed else "SURVIVED"
    print(f"{verdict} in {outcome.seconds:.0f} s: {fault.name} ({fault.file})", file=sys.stderr)
    return outcome


def _table(faults: Sequence[Fault], outcomes: Sequence[Outcome]) -> str:
    """One line a fault: where, what, by which test it was caught."""
    lines = []
    for fault, outcome in zip(faults, outcomes, strict=True):
        test = outcome.failed.partition("::")[2] or "SURVIVED"
        lines.append(f"{fault.room:14}{fault.file:32}{fault.name:56}{test}")
    return "\n".join(lines)


def _records(faults: Sequence[Fault], outcomes: Sequence[Outcome], seconds: float) -> list[Record]:
    """One record a room and one of all."""
    origin = provenance("python -m tests.mutants",
                        tools=("pytest", "amaranth", "pyosys", "cocotb"))
    rooms = list(dict.fromkeys(fault.room for fault in faults))
    records = []
    for room in [*rooms, "all"]:
        caught_by = {f"{fault.file}: {fault.name}": outcome.failed for fault, outcome
                     in zip(faults, outcomes, strict=True) if room in (fault.room, "all")}
        metrics = {"planted": Metric(len(caught_by), "fault"),
                   "caught": Metric(sum(map(bool, caught_by.values())), "fault")}
        if room == "all":
            metrics["runtime"] = Metric(round(seconds, 1), "s")
        conditions = {} if room == "all" else {"caught_by": caught_by}
        records.append(Record(subject=room, metrics=metrics, conditions=conditions,
                              provenance=origin))
    return records


if __name__ == "__main__":
    sys.exit(main())
