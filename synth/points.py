# SPDX-License-Identifier: Apache-2.0
"""Points of a sweep: read them from a file, and measure one.

A file holds grids, each the product of its lists::

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

This module is imported by name in every process that measures, on this machine or another.
"""

import itertools
import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from hw.emit.yosys import YosysError
from hw.spec import ArraySpec, Dataflow, GemmSpec, MacSpec, parse_array, parse_gemm, parse_mac
from hw.spec.errors import DIGITS, LONGEST, SpecError, require
from hw.spec.files import readable
from hw.spec.grammar import DEFAULT_DEPTHS
from hw.spec.packages import library_remedy
from synth.flow import osu018
from synth.flow.cache import Entry
from synth.flow.design import of_unit
from synth.flow.liberty import Library, read
from synth.flow.timing import StaError, sta_version
from synth.measure import Job, measure
from synth.power.energy import NetlistMismatch
from synth.record import Metric, Record, provenance

#: The default library; `synth.flow.osu018` finds it.
OSU018 = "osu018"
#: Most points of a file.
MOST = 1_000_000


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
    data = _toml(path)
    grids = data.get("grid")
    require(
        list(data) == ["grid"]
        and isinstance(grids, list)
        and all(isinstance(grid, dict) for grid in grids),
        "Points",
        "tables [[grid]]",
        sorted(data),
    )
    points: list[Point] = []
    for grid in data["grid"]:
        points += _points(grid, path.parent, MOST - len(points))
    _require_different(points)
    return points


def _toml(path: Path) -> dict[str, Any]:
    """Data of a TOML file. An error names the line."""
    reason = ""
    try:
        text = readable(path).read_text(encoding="utf-8")
    except OSError as error:
        reason = f": {(error.strerror or str(error)).lower()}"
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        reason = f", line {line}: it is not UTF-8"
    else:
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            place = re.fullmatch(
                r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error)
            )
            assert place is not None
            line = int(place[2] or text.count("\n") + 1)
            reason = f", line {line}: {place[1][0].lower()}{place[1][1:]}"
        except RecursionError:
            reason = ": it is nested too deeply"
        except ValueError:  # Python converts no more digits.
            long = re.search(rf"\d{{{DIGITS + 1},}}", text.replace("_", ""))
            line = text.count("\n", 0, long.start() if long else 0) + 1
            reason = f", line {line}: a number has more than {DIGITS} digits"
    raise SpecError(f"Points file {str(path)!r} cannot be read as TOML{reason}")


def _require_different(points: Iterable[Point]) -> None:
    """Raise if two points are the same, even if their units are spelled differently."""
    seen = set()
    for point in points:
        try:
            key: tuple[Any, ...] = (point.unit(), replace(point, mac="", array=None, depth=None))
        except SpecError:
            key = (point,)
        require(key not in seen, "Points", "different", f"{point} twice")
        seen.add(key)


def _points(grid: Mapping[str, Any], folder: Path, most: int) -> list[Point]:
    """Points of one grid, at most ``most``."""
    require("mac" in grid, "Grid", "a table with a list mac", sorted(grid))
    lists = {name: _list(name, value) for name, value in grid.items()}
    metrics = tuple(lists.pop("metrics", ()))
    number = math.prod(map(len, lists.values()))
    require(number <= most, "Points", f"at most {MOST:,}", number)
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
    for item in value:
        if name == "clock":
            require(0 < item < math.inf, "Grid clock", "numbers of ns above 0", item)
        if isinstance(item, str) and name != "library":
            require(
                len(item) <= LONGEST, f"Grid {name}", f"texts of at most {LONGEST} characters", item
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
        return failed(point, command, str(error))
    except Exception as error:  # Whatever it is, the other points are measured.
        return failed(point, command, f"{type(error).__name__}: {error}")


def failed(point: Point, command: str, reason: str) -> dict[str, Any]:
    """Record of a point that failed."""
    return Record(
        subject=point.mac,
        metrics={"failed": Metric(reason)},
        conditions={"point": str(point)},
        provenance=provenance(command),
    ).to_json()


def entry(point: Point) -> Entry:
    """Cache entry of the record of a point."""
    return Entry(
        "point",
        {"point": point, "library": _library(point.library), "sta": sta_version()},
        (measure_point,),
    )
