# SPDX-License-Identifier: Apache-2.0
"""The designs of designs.toml: cells, area and timing, or why they cannot be had.

The packages are pinned. pip downloads their wheels, which are unpacked and not installed.
"""

import os
import subprocess
import sys
import time
import tomllib
import zipfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hw.progress import Progress
from hw.spec import folders
from hw.spec.errors import SpecError
from hw.spec.packages import library_remedy
from reports.registry import Measure
from synth.flow import osu018
from synth.flow.design import Design, of_files
from synth.flow.liberty import Library, read
from synth.flow.sources import Sources
from synth.flow.timing import StaError
from synth.flow.yosys import YosysError
from synth.measure import Job, measure
from synth.record import Metric, Record, provenance

POINTS = Path(__file__).with_name("designs.toml")
FOLDER = folders.data("wheels")
#: Metrics of `synth.measure`; energy would need a stimulus.
METRICS = ("cells", "clock")
#: Wide fan-outs get buffers; without, delays of cores this large would be guesses.
RECIPE, CLOCK_NS = "keep-sized", 10.0


class DownloadError(RuntimeError):
    """A package could not be downloaded. The message is one line."""


@dataclass(frozen=True, kw_only=True)
class Point:
    """A design of designs.toml; see there. ``version`` is that of its package."""

    name: str
    top: str
    package: str
    version: str
    files: tuple[str, ...] = ()
    list: str = ""
    environment: Mapping[str, str] | None = None
    include_dirs: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    clock_port: str | None = None


def points() -> list[Point]:
    """Every design."""
    data = tomllib.loads(POINTS.read_text(encoding="utf-8"))
    found = []
    for entry in data["design"]:
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in entry.items()
        }
        found.append(Point(version=data["packages"][entry["package"]], **fields))
    return found


def fetched(package: str, version: str, wheels: Path | None) -> Path:
    """Folder of the unpacked package, which is downloaded unless its wheel is in ``wheels``."""
    target = FOLDER / f"{package}-{version}"
    inside = target / package.replace("-", "_")
    if not inside.is_dir():
        name = f"{package.replace('-', '_')}-{version}-*.whl"
        found = sorted(wheels.glob(name)) if wheels is not None else []
        if not found:
            words = ["download", "--quiet", "--no-deps", "--only-binary", ":all:"]
            done = subprocess.run(
                [sys.executable, "-m", "pip", *words, "-d", str(FOLDER), f"{package}=={version}"],
                capture_output=True,
                text=True,
                check=False,
            )
            found = sorted(FOLDER.glob(name))
            if done.returncode or not found:
                lines = done.stderr.strip().splitlines() or ["pip says nothing"]
                raise DownloadError(f"{package}=={version} cannot be downloaded: {lines[-1]}")
        with zipfile.ZipFile(found[0]) as wheel:
            wheel.extractall(target)
    return inside


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    """Variables of the environment that a file list uses."""
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def sources_of(point: Point, root: Path) -> Sources:
    """Sources of a design whose package is in ``root``."""
    sources = Sources(params=point.params)
    if point.list:
        variables = {name: str(root / value) for name, value in (point.environment or {}).items()}
        with _variables(variables):
            sources = sources.with_list(root / point.list)
    found = [str(file) for pattern in point.files for file in sorted(root.glob(pattern))]
    return replace(
        sources,
        files=(*sources.files, *dict.fromkeys(found)),
        include_dirs=(*sources.include_dirs, *(str(root / name) for name in point.include_dirs)),
    )


def record_of(point: Point, root: Path, library: Library, command: str) -> Record:
    """Record of one design: its metrics, or the reason why there are none."""
    start = time.monotonic()
    about: dict[str, Any] = {"package": point.package, "version": point.version}
    try:
        sources = sources_of(point, root)
        about["files"] = len(sources.files)
        design = of_files(sources, point.top, clock_port=point.clock_port)
        about |= _shown(design, point)
        job = Job(design=design, library=library, recipe=RECIPE, clock_ns=CLOCK_NS)
        found = measure(job, command, only=METRICS)
    except (SpecError, YosysError, StaError) as error:
        reason = _inside(str(error), root)
        return Record(
            subject=point.name,
            metrics={"refused": Metric(True)},
            conditions=about | {"top": point.top, "reason": reason},
            provenance=provenance(command, tools=("pyosys",), library=library.to_json()),
        )
    took = Metric(round(time.monotonic() - start, 1), "s")
    conditions = {name: value for name, value in found.conditions.items() if name not in about}
    return replace(
        found,
        subject=point.name,
        metrics={**found.metrics, "time": took},
        conditions=conditions | about,
    )


def _shown(design: Design, point: Point) -> dict[str, Any]:
    """What a record says of a design instead of its whole configuration."""
    return {
        "top": point.top,
        "reader": design.configuration["reader"],
        "params": list(point.params),
        "include_dirs": len(point.include_dirs),
    }


def _inside(message: str, root: Path) -> str:
    """A message with places inside the package."""
    for prefix in (str(root), os.path.relpath(root)):
        message = message.replace(f"{prefix}/", "")
    return message


def run(options: Namespace) -> list[Record]:
    """Records of all designs, or of those that ``options`` name."""
    path = osu018.find()
    if path is None:
        raise SpecError(f"The OSU018 cell library is missing: run `{library_remedy()}`")
    library, chosen = read([path]), points()
    if options.only:
        chosen = [point for point in chosen if options.only in point.name]
    roots = {point.package: point.version for point in chosen}
    folders_of = {name: fetched(name, version, options.wheels) for name, version in roots.items()}
    progress, records = Progress(), []
    with ThreadPoolExecutor(max_workers=options.jobs) as pool:
        waiting = [
            pool.submit(record_of, point, folders_of[point.package], library, options.command)
            for point in chosen
        ]
        for number, (point, future) in enumerate(zip(chosen, waiting, strict=True), 1):
            progress.at_once(f"[{number}/{len(chosen)}] {point.name}")
            records.append(future.result())
    progress.done()
    return records


def options(parser: ArgumentParser) -> None:
    """Options of the study."""
    parser.add_argument(
        "--wheels", metavar="FOLDER", type=Path, help="folder of wheels that are there already"
    )
    parser.add_argument("--only", metavar="TEXT", help="only designs whose name contains TEXT")
    parser.add_argument(
        "--jobs",
        metavar="N",
        type=int,
        default=os.cpu_count() or 1,
        help="designs at a time (default: one a processor, %(default)s)",
    )


MEASURE = Measure(run=run, options=options, tool_errors=(DownloadError,))
