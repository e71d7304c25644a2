# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.sweep``: measure many units, on this machine or on a cluster.

Points are those of a file of grids (`synth.points`). Measured points are cached, so a sweep that
was interrupted continues where it stopped. A point that fails gives a record with the reason, and
the command ends with status 1.
"""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hw import manners
from hw.progress import Progress
from hw.spec.command import Parser, run_command
from hw.spec.errors import SpecError, require
from synth.flow.cache import Missing
from synth.points import Point, entry, read_points
from synth.record import Record, write_records
from synth.workers import in_processes, on_cluster

OUT = Path("build/sweep.json")


def sweep(
    points: Sequence[Point], command: str, *, jobs: int | None = None, scheduler: str | None = None
) -> list[Record]:
    """Measure ``points`` and return their records in order.

    Parameters
    ----------
    points
        From `synth.points.read_points`.
    command
        Command for the provenance.
    jobs
        Processes on this machine; by default one per core, and never more than points.
    scheduler
        Address of a Dask scheduler whose workers measure instead. Each worker needs this version
        of the package, and the libraries at the same paths.

    Raises
    ------
    SpecError
        If Dask is not installed or does not answer.
    """
    report = _Report(points)
    measured: dict[int, dict[str, Any]] = {}
    for number, point in enumerate(points):
        try:
            measured[number] = Record.from_json(entry(point).load()).to_json()
        except (Missing, SpecError):  # Libraries that cannot be read are reported later.
            continue
        report(number, measured[number], " (cached)")
    missing = [number for number in range(len(points)) if number not in measured]
    calls = [(points[number], command) for number in missing]
    report.start(len(calls))
    for index, record in on_cluster(calls, scheduler) if scheduler else in_processes(calls, jobs):
        number = missing[index]
        measured[number] = record
        if "failed" not in record["metrics"]:
            entry(points[number]).store(record)
        report(number, record)
    return [Record.from_json(measured[number]) for number in range(len(points))]


class _Report:
    """Progress on stderr, a line for each point; with ``--quiet`` only what failed."""

    def __init__(self, points: Sequence[Point]) -> None:
        self.points = points
        self.done = 0
        self.progress = Progress()

    def start(self, number: int) -> None:
        """Some points must be measured, which may take long."""
        if number:
            self.progress.at_once(f"measuring {number} points")

    def __call__(self, number: int, record: dict[str, Any], how: str = "") -> None:
        """Report a point that is done."""
        self.done += 1
        failed = record["metrics"].get("failed")
        end = f"{how}: failed: {failed['value']}" if failed else how
        self.progress.done()
        if failed or not manners.is_quiet():
            manners.say(f"[{self.done}/{len(self.points)}] {self.points[number]}{end}")
        self.start(len(self.points) - self.done)


def add_options(parser: ArgumentParser) -> None:
    """Add the options that choose where to measure."""
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=int,
        help="processes on this machine (default: one per core, at most one per point)",
    )
    parser.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="measure on the workers of this Dask scheduler, for instance tcp://host:8786",
    )


def sweep_file(path: str | Path, options: Namespace) -> list[Record]:
    """Measure the points of a TOML file. Reports on stderr how many failed.

    ``options`` holds those of `add_options`, and ``command`` for the provenance. Raises SpecError
    if the file or an option is invalid.
    """
    require(options.jobs is None or options.jobs > 0, "Jobs", "at least 1", options.jobs)
    if options.jobs is not None and options.scheduler is not None:
        raise SpecError("--jobs and --scheduler cannot be combined: give only one of them")
    records = sweep(
        read_points(path), options.command, jobs=options.jobs, scheduler=options.scheduler
    )
    failed = sum(map(has_failed, records))
    if failed:
        manners.say(f"{failed} of {len(records)} points failed; their records give the reasons.")
    return records


def has_failed(record: Record) -> bool:
    """Whether the point of a record could not be measured."""
    return "failed" in record.metrics


def parser() -> Parser:
    """Options of the command."""
    parser = Parser(
        prog="python -m synth.sweep",
        description="Measure all combinations of units, recipes, libraries and clocks in a file, "
        "and write their records.",
        examples=(
            "points.toml --out records.json",
            "points.toml --jobs 4",
            "points.toml --scheduler tcp://host:8786",
        ),
    )
    parser.add_argument(
        "points",
        metavar="FILE",
        help="TOML file with tables [[grid]]; each is measured for all combinations of its lists: "
        "mac, acc, lanes, array, bus, flat, resolve, always_valid, recipe, clock, library and "
        "other settings of a MAC",
    )
    add_options(parser)
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=Path,
        default=OUT,
        help="write the records to FILE (default: build/sweep.json)",
    )
    parser.add_argument(
        "--json", action="store_true", help="print the records as JSON instead of the name of FILE"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0, or 1 if a point failed, or 2 if something given is wrong."""
    return run_command(parser(), _body, arguments)


def _body(options: Namespace) -> int:
    options.command = f"python -m synth.sweep {options.points}"
    records = sweep_file(options.points, options)
    written = write_records(options.out, records)
    print(written.read_text(encoding="utf-8").rstrip() if options.json else written)
    return int(any(has_failed(record) for record in records))


if __name__ == "__main__":
    sys.exit(main())
