# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.sweep``: many units through the flow, on this machine or on a cluster.

A point that was measured before comes from the cache, so a sweep that was killed goes on where it
was. A point that fails is a record with its reason.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from functools import cache
from pathlib import Path
from typing import Any

from hw.emit.yosys import YosysError, yosys_version
from hw.spec import SpecError
from hw.spec.command import Parser, run_command
from hw.spec.errors import require
from synth.flow import osu018
from synth.flow.cache import digest_of_files, load, store
from synth.flow.design import Design, of_unit
from synth.flow.liberty import Library, read
from synth.flow.timing import StaError, sta_version
from synth.grid import OSU018, Point, read_points
from synth.measure.record import Job, measure
from synth.power.energy import NetlistMismatch
from synth.record import ROOT, Metric, Record, provenance, write_records

__all__ = ["add_options", "main", "measure_point", "sweep", "sweep_file"]

OUT = ROOT / "build" / "sweep.json"


@cache
def _library(files: tuple[str, ...]) -> Library:
    """Library of a point, read once a process."""
    found = osu018.find()
    require(OSU018 not in files or found is not None, "Library",
            "one that is there: `make library` gets it", OSU018)
    return read([found if file == OSU018 and found else file for file in files])


def measure_point(point: Point, command: str) -> dict[str, Any]:
    """Record of a point as plain data; one with the metric ``failed`` if it cannot be measured."""
    try:
        require(point.clock is None or point.clock > 0, "Clock", "a number of ns above 0",
                point.clock)
        job = Job(design=_design(point), library=_library(point.library),
                  recipe=point.recipe, clock_ns=point.clock)
        return measure(job, command, only=point.metrics).to_json()
    except (SpecError, YosysError, StaError, NetlistMismatch) as error:
        return _failed(point, command, str(error))


def _design(point: Point) -> Design:
    """Design of a point."""
    return of_unit(point.unit(), flat=point.flat, resolve=point.resolve,
                   always_valid=point.always_valid)


def _failed(point: Point, command: str, reason: str) -> dict[str, Any]:
    """Record of a point that failed."""
    return Record(subject=point.mac, metrics={"failed": Metric(reason)},
                  conditions={"point": str(point)},
                  provenance=provenance(command)).to_json()


def _inputs(point: Point) -> dict[str, Any]:
    """What the record of a point depends on."""
    code = tuple(sorted(file for folder in ("hw", "synth") for file in (ROOT / folder).rglob("*")
                        if file.suffix in (".py", ".toml", ".genlib")))
    return {"point": point.to_json(), "library": _library(point.library).sha256,
            "code": digest_of_files(code), "yosys": yosys_version(), "sta": sta_version()}


def sweep(points: Sequence[Point], command: str, *, jobs: int | None = None,
          scheduler: str | None = None) -> list[Record]:
    """Records of ``points`` in their order.

    Parameters
    ----------
    points
        From `synth.grid.read_points`.
    command
        What asked for them.
    jobs
        Processes on this machine; as many as it has cores by default.
    scheduler
        Address of a Dask scheduler whose workers measure instead. Each needs this checkout as its
        working folder, and the libraries at the same paths.

    Raises
    ------
    SpecError
        If Dask is not installed or does not answer.
    """
    found: dict[int, dict[str, Any]] = {}
    for number, point in enumerate(points):
        record = _known(point)
        if record is not None:
            found[number] = record
            _tell(len(found), points, number, record, " (cached)")
    missing = [number for number in range(len(points)) if number not in found]
    calls = [(points[number], command) for number in missing]
    results = _on_cluster(calls, scheduler) if scheduler else _here(calls, jobs)
    for index, record in results:
        number = missing[index]
        found[number] = record
        if "failed" not in record["metrics"]:
            store("point", _inputs(points[number]), record)
        _tell(len(found), points, number, record)
    return [Record.from_json(found[number]) for number in range(len(points))]


def _known(point: Point) -> dict[str, Any] | None:
    """Record of an earlier sweep."""
    try:
        return load("point", _inputs(point))
    except SpecError:  # Its library cannot be read, which is told when it is its turn.
        return None


def _tell(done: int, points: Sequence[Point], number: int, record: dict[str, Any],
          how: str = "") -> None:
    """Progress on stderr."""
    failed = record["metrics"].get("failed")
    print(f"[{done}/{len(points)}] {points[number]}{how}"
          + (f": failed: {failed['value']}" if failed else ""), file=sys.stderr)


def _here(calls: Sequence[tuple[Point, str]], jobs: int | None
          ) -> Iterator[tuple[int, dict[str, Any]]]:
    """Results by index as they come, from processes on this machine."""
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        waiting = {pool.submit(measure_point, *call): index for index, call in enumerate(calls)}
        for future in as_completed(waiting):
            yield waiting[future], _result(future, *calls[waiting[future]])


def _result(future: Future[dict[str, Any]], point: Point, command: str) -> dict[str, Any]:
    """Result of a point, or the reason why its process has none."""
    error = future.exception()
    if error is None:
        return future.result()
    return _failed(point, command, f"{type(error).__name__}: {error}")


def _on_cluster(calls: Sequence[tuple[Point, str]], scheduler: str
                ) -> Iterator[tuple[int, dict[str, Any]]]:
    """Results by index as they come, from the workers of a Dask scheduler."""
    try:
        import distributed  # An optional dependency, slow to import.
    except ImportError as error:
        raise SpecError("Scheduler must be left out where Dask is not installed "
                        "(pip install '.[cluster]')") from error
    try:
        client = distributed.Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise SpecError(f"Scheduler must be the address of one that answers, not {scheduler!r}"
                        ) from error
    with client:
        waiting = {client.submit(measure_point, *call, pure=False): index
                   for index, call in enumerate(calls)}
        for future in distributed.as_completed(list(waiting)):
            yield waiting[future], _result(future, *calls[waiting[future]])


def add_options(parser: ArgumentParser) -> None:
    """Add the options that say where points are measured."""
    parser.add_argument("--jobs", metavar="N", type=int,
                        help="processes on this machine (default: one a core)")
    parser.add_argument("--scheduler", metavar="ADDRESS",
                        help="Dask scheduler whose workers measure, for instance tcp://host:8786")


def sweep_file(path: str | Path, options: Namespace) -> list[Record]:
    """Records of the points of a TOML file; says on stderr how many failed.

    ``options`` has those of `add_options`, and ``command``, which asked for the records.

    SpecError if the file or an option is not as it must be.
    """
    require(options.jobs is None or options.jobs > 0, "Jobs", "at least 1", options.jobs)
    records = sweep(read_points(path), options.command, jobs=options.jobs,
                    scheduler=options.scheduler)
    failed = sum("failed" in record.metrics for record in records)
    if failed:
        print(f"{failed} of {len(records)} points failed; their records say why.", file=sys.stderr)
    return records


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if there is a record of every point, 2 for wrong arguments."""
    parser = Parser(prog="python -m synth.sweep",
                    description="Measure every point of a grid of units, recipes, libraries and "
                                "clocks, and write their records.")
    parser.add_argument("points", metavar="FILE", help="TOML file of tables [[grid]], each the "
                        "product of its lists mac, acc, lanes, array, bus, flat, "
                        "resolve, always_valid, recipe, clock, library and other settings of a MAC")
    add_options(parser)
    parser.add_argument("--out", metavar="FILE", type=Path, default=OUT,
                        help="write the records to FILE (default: build/sweep.json)")
    return run_command(parser, _body, arguments)


def _body(options: Namespace) -> None:
    options.command = f"python -m synth.sweep {options.points}"
    print(write_records(options.out, sweep_file(options.points, options)))


if __name__ == "__main__":
    sys.exit(main())
