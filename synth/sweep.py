# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.sweep``: measure many units, on this machine or on a cluster.

Measured points are cached, so a sweep that was interrupted continues where it stopped. A point that
fails gives a record with the reason. Points are a TOML file of grids, each the product of its
lists::

    [[grid]]
    mac = ["int8", "e4m3"]
    acc = ["exact", "fp32"]        # acc, lanes, pipeline, ...: any setting of a MAC
    array = ["4x4"]                # without it: the MAC alone
    dataflow = ["ws"]              # of the array; default: os
    depth = [16]                   # of the accumulator memory of a weight-stationary array
    bus = ["wishbone"]             # the engine around the array, without array and memories
    depths = ["64x64x64"]          # of its memories
    flat = [false, true]
    resolve = [false]              # a carry-save MAC without the adder that resolves its sum
    always_valid = [true]          # a MAC with i_valid tied to 1
    recipe = ["keep", "fast"]
    clock = [4.0, 8.0]             # ns
    library = ["osu018", ["a.lib.gz", "b.lib.gz"]]
    metrics = ["cells", "clock"]   # for every point, from synth.measure.METRICS; default: all

Paths are relative to the folder of the file and may contain environment variables.
"""

import itertools
import os
import sys
import tomllib
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from hw import manners
from hw.emit.yosys import YosysError
from hw.spec import ArraySpec, Dataflow, GemmSpec, MacSpec, parse_array, parse_gemm, parse_mac
from hw.spec.command import Parser, run_command
from hw.spec.errors import SpecError, require
from hw.spec.files import readable
from hw.spec.grammar import DEFAULT_DEPTHS
from hw.spec.packages import library_remedy
from synth.flow import osu018
from synth.flow.cache import Entry, Missing
from synth.flow.design import of_unit
from synth.flow.liberty import Library, read
from synth.flow.timing import StaError, sta_version
from synth.measure import Job, measure
from synth.power.energy import NetlistMismatch
from synth.record import Metric, Record, provenance, write_records

#: The default library; `synth.flow.osu018` finds it.
OSU018 = "osu018"
OUT = Path("build/sweep.json")


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One measurement: a unit as text, and how to map it; ``clock`` in ns."""

    mac: str
    array: str | None = None
    dataflow: str = Dataflow.OS.value
    depth: int | None = None
    bus: str | None = None
    depths: str = DEFAULT_DEPTHS
    flat: bool = False
    resolve: bool = True
    always_valid: bool = False
    recipe: str = "keep"
    clock: float | None = None
    library: tuple[str, ...] = (OSU018,)
    metrics: tuple[str, ...] = ()

    def unit(self) -> MacSpec | ArraySpec | GemmSpec:
        """The unit. Raises SpecError if there is no such unit."""
        mac = parse_mac(self.mac)
        if self.array is None:
            if self.bus is not None:
                raise SpecError("Grid bus needs an array")
            return mac
        array = parse_array(self.array, mac, dataflow=self.dataflow, depth=self.depth)
        return array if self.bus is None else parse_gemm(array, depths=self.depths, bus=self.bus)

    def __str__(self) -> str:
        shown = [
            self.mac,
            self.array,
            None if self.dataflow == Dataflow.OS.value else self.dataflow,
            self.bus,
            "flat" if self.flat else None,
            None if self.resolve else "unresolved",
            "always valid" if self.always_valid else None,
            self.recipe,
            None if self.clock is None else f"{self.clock:g} ns",
            Path(self.library[0]).name,
        ]
        return " ".join(part for part in shown if part)


_TYPES: dict[str, tuple[type, ...]] = {
    "mac": (str,),
    "array": (str,),
    "dataflow": (str,),
    "depth": (int,),
    "bus": (str,),
    "depths": (str,),
    "flat": (bool,),
    "resolve": (bool,),
    "always_valid": (bool,),
    "recipe": (str,),
    "clock": (int, float),
    "library": (str, list),
    "metrics": (str,),
}
_SETTING = (str, int)


def read_points(path: str | Path) -> list[Point]:
    """Read the points of a file, in order.

    Raises
    ------
    SpecError
        If the file cannot be read or is invalid. Unknown units, recipes and libraries are reported
        later, when their point is measured.
    """
    path = Path(path)
    try:
        data = tomllib.loads(readable(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"Points file {str(path)!r} cannot be read as TOML") from error
    grids = data.get("grid")
    require(
        list(data) == ["grid"]
        and isinstance(grids, list)
        and all(isinstance(grid, dict) for grid in grids),
        "Points",
        "tables [[grid]]",
        sorted(data),
    )
    return [point for grid in data["grid"] for point in _points(grid, path.parent)]


def _points(grid: Mapping[str, Any], folder: Path) -> list[Point]:
    """Points of one grid."""
    require("mac" in grid, "Grid", "a table with a list mac", sorted(grid))
    lists = {name: _list(name, value) for name, value in grid.items()}
    metrics = tuple(lists.pop("metrics", ()))
    points = []
    for values in itertools.product(*lists.values()):
        chosen = dict(zip(lists, values, strict=True))
        fields = {name: value for name, value in chosen.items() if name in _TYPES}
        settings = [f"{name}={value}" for name, value in chosen.items() if name not in _TYPES]
        fields["mac"] = ",".join([chosen["mac"], *settings])
        if "library" in fields:
            fields["library"] = _files(fields["library"], folder)
        points.append(Point(**fields, metrics=metrics))
    return points


def _list(name: str, value: Any) -> list[Any]:
    """Check the values of a setting."""
    types = _TYPES.get(name, _SETTING)
    require(
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(item, types) and (bool in types or not isinstance(item, bool))
            for item in value
        ),
        f"Grid {name}",
        f"a list of {' or '.join(kind.__name__ for kind in types)}",
        value,
    )
    return list(value)


def _files(value: str | list[str], folder: Path) -> tuple[str, ...]:
    """Files of a library."""
    files = [value] if isinstance(value, str) else value
    require(
        bool(files) and all(isinstance(file, str) for file in files),
        "Grid library",
        "a path or a list of paths",
        value,
    )
    return tuple(
        file if file == OSU018 else str((folder / os.path.expandvars(file)).resolve())
        for file in files
    )


@cache
def _library(files: tuple[str, ...]) -> Library:
    """Library of a point, read once per process."""
    library = osu018.find()
    if OSU018 in files and library is None:
        raise SpecError(f"The OSU018 cell library is missing: run `{library_remedy()}`")
    return read([library if file == OSU018 and library else file for file in files])


def measure_point(point: Point, command: str) -> dict[str, Any]:
    """Measure a point. Returns the record as plain data, with the metric ``failed`` on failure."""
    try:
        require(
            point.clock is None or point.clock > 0, "Clock", "a number of ns above 0", point.clock
        )
        design = of_unit(
            point.unit(), flat=point.flat, resolve=point.resolve, always_valid=point.always_valid
        )
        job = Job(
            design=design,
            library=_library(point.library),
            recipe=point.recipe,
            clock_ns=point.clock,
        )
        return measure(job, command, only=point.metrics).to_json()
    except (SpecError, YosysError, StaError, NetlistMismatch) as error:
        return _failed(point, command, str(error))


def _failed(point: Point, command: str, reason: str) -> dict[str, Any]:
    """Record of a point that failed."""
    return Record(
        subject=point.mac,
        metrics={"failed": Metric(reason)},
        conditions={"point": str(point)},
        provenance=provenance(command),
    ).to_json()


def _entry(point: Point) -> Entry:
    """Cache entry of the record of a point."""
    return Entry(
        "point",
        {"point": point, "library": _library(point.library), "sta": sta_version()},
        (measure_point,),
    )


def sweep(
    points: Sequence[Point], command: str, *, jobs: int | None = None, scheduler: str | None = None
) -> list[Record]:
    """Measure ``points`` and return their records in order.

    Parameters
    ----------
    points
        From `synth.sweep.read_points`.
    command
        Command for the provenance.
    jobs
        Processes on this machine; by default one per core.
    scheduler
        Address of a Dask scheduler whose workers measure instead. Each worker needs this checkout
        as its working folder, and the libraries at the same paths.

    Raises
    ------
    SpecError
        If Dask is not installed or does not answer.
    """
    measured: dict[int, dict[str, Any]] = {}
    for number, point in enumerate(points):
        try:
            measured[number] = Record.from_json(_entry(point).load()).to_json()
        except (Missing, SpecError):  # Libraries that cannot be read are reported later.
            continue
        _tell(len(measured), points, number, measured[number], " (cached)")
    missing = [number for number in range(len(points)) if number not in measured]
    calls = [(points[number], command) for number in missing]
    results = _on_cluster(calls, scheduler) if scheduler else _here(calls, jobs)
    for index, record in results:
        number = missing[index]
        measured[number] = record
        if "failed" not in record["metrics"]:
            _entry(points[number]).store(record)
        _tell(len(measured), points, number, record)
    return [Record.from_json(measured[number]) for number in range(len(points))]


def _tell(
    done: int, points: Sequence[Point], number: int, record: dict[str, Any], how: str = ""
) -> None:
    """Progress on stderr; with ``--quiet`` only what failed."""
    failed = record["metrics"].get("failed")
    if failed or not manners.is_quiet():
        manners.say(
            f"[{done}/{len(points)}] {points[number]}{how}"
            + (f": failed: {failed['value']}" if failed else "")
        )


def _here(
    calls: Sequence[tuple[Point, str]], jobs: int | None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Indexed results in the order of completion, from processes on this machine."""
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        waiting = {pool.submit(measure_point, *call): index for index, call in enumerate(calls)}
        for future in as_completed(waiting):
            yield waiting[future], _result(future, *calls[waiting[future]])


def _result(future: Future[dict[str, Any]], point: Point, command: str) -> dict[str, Any]:
    """Result of a point, or a failure record if its process died."""
    error = future.exception()
    if error is None:
        return future.result()
    return _failed(point, command, f"{type(error).__name__}: {error}")


def _on_cluster(
    calls: Sequence[tuple[Point, str]], scheduler: str
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Indexed results in the order of completion, from the workers of a Dask scheduler."""
    try:
        import distributed  # An optional dependency, slow to import.
    except ImportError as error:
        raise SpecError(
            "--scheduler needs Dask, which is not installed: run `pip install '.[cluster]'`"
        ) from error
    try:
        client = distributed.Client(scheduler, timeout=10)
    except (OSError, ValueError) as error:
        raise SpecError(f"No Dask scheduler answers at {scheduler!r}") from error
    with client:
        waiting = {
            client.submit(measure_point, *call, pure=False): index
            for index, call in enumerate(calls)
        }
        for future in distributed.as_completed(list(waiting)):
            yield waiting[future], _result(future, *calls[waiting[future]])


def add_options(parser: ArgumentParser) -> None:
    """Add the options that choose where to measure."""
    parser.add_argument(
        "--jobs", metavar="N", type=int, help="processes on this machine (default: one per core)"
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
    records = sweep(
        read_points(path), options.command, jobs=options.jobs, scheduler=options.scheduler
    )
    failed = sum("failed" in record.metrics for record in records)
    if failed:
        print(
            f"{failed} of {len(records)} points failed; their records give the reasons.",
            file=sys.stderr,
        )
    return records


def parser() -> Parser:
    """Options of the command."""
    parser = Parser(
        prog="python -m synth.sweep",
        description="Measure all combinations of units, recipes, libraries and clocks in a file, "
        "and write their records.",
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
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command. Returns 0 if all points have a record, or 2 if the arguments are wrong."""
    return run_command(parser(), _body, arguments)


def _body(options: Namespace) -> None:
    options.command = f"python -m synth.sweep {options.points}"
    print(write_records(options.out, sweep_file(options.points, options)))


if __name__ == "__main__":
    sys.exit(main())
