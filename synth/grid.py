# SPDX-License-Identifier: Apache-2.0
"""Points of a sweep: a TOML file of grids, each the product of its lists.

::

    [[grid]]
    mac = ["int8", "e4m3"]
    acc = ["exact", "fp32"]        # acc, lanes, pipeline, ...: any setting of a MAC's spelling
    array = ["4x4"]                # none: the MAC alone
    dataflow = ["ws"]              # of the array; none: os
    depth = [16]                   # of the accumulator memory of a weight-stationary one
    bus = ["wishbone"]             # the engine around the array, without array and memories
    depths = ["64x64x64"]          # of its memories
    flat = [false, true]
    resolve = [false]              # a carry-save MAC without the adder that resolves its sum
    always_valid = [true]          # a MAC whose i_valid is 1
    recipe = ["keep", "fast"]
    clock = [4.0, 8.0]             # ns
    library = ["osu018", ["a.lib.gz", "b.lib.gz"]]
    metrics = ["cells", "clock"]   # of every point: some of synth.measure.record.METRICS; none: all

Paths are from the folder of the file, and may have environment variables in them.
"""

import itertools
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hw.spec import ArraySpec, Dataflow, GemmSpec, MacSpec, parse_array, parse_gemm, parse_mac
from hw.spec.errors import SpecError, require
from hw.spec.grammar import DEFAULT_DEPTHS

__all__ = ["OSU018", "Point", "read_points"]

#: The default library, which `synth.flow.osu018` knows where to find.
OSU018 = "osu018"


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One measurement: a unit by its spelling, and how it is mapped; ``clock`` in ns."""

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
        """The unit; SpecError if there is no such."""
        mac = parse_mac(self.mac)
        if self.array is None:
            require(self.bus is None, "Grid bus", "given with an array", self.bus)
            return mac
        array = parse_array(self.array, mac, dataflow=self.dataflow, depth=self.depth)
        return array if self.bus is None else parse_gemm(array, depths=self.depths, bus=self.bus)

    @property
    def _flow(self) -> str | None:
        """Dataflow, if it is not the default one."""
        return None if self.dataflow == Dataflow.OS.value else self.dataflow

    def to_json(self) -> dict[str, Any]:
        """The point as plain data."""
        return asdict(self)

    def __str__(self) -> str:
        shown = [self.mac, self.array, self._flow, self.bus, "flat" if self.flat else None,
                 None if self.resolve else "unresolved",
                 "always valid" if self.always_valid else None, self.recipe,
                 None if self.clock is None else f"{self.clock:g} ns",
                 Path(self.library[0]).name]
        return " ".join(part for part in shown if part)


_TYPES: dict[str, tuple[type, ...]] = {
    "mac": (str,), "array": (str,), "dataflow": (str,), "depth": (int,), "bus": (str,),
    "depths": (str,), "flat": (bool,),
    "resolve": (bool,), "always_valid": (bool,), "recipe": (str,), "clock": (int, float),
    "library": (str, list), "metrics": (str,)}
_SETTING = (str, int)


def read_points(path: str | Path) -> list[Point]:
    """Points of a file, in its order.

    Raises
    ------
    SpecError
        If the file cannot be read or is not as described. Whether a unit, a recipe or a library
        exists is only found at its point.
    """
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SpecError(f"Points must be a readable TOML file, not {str(path)!r}") from error
    grids = data.get("grid")
    require(list(data) == ["grid"] and isinstance(grids, list) and all(
        isinstance(grid, dict) for grid in grids), "Points", "tables [[grid]]", sorted(data))
    return [point for grid in data["grid"] for point in _points(grid, path.parent)]


def _points(grid: Mapping[str, Any], folder: Path) -> list[Point]:
    """Points of one grid."""
    require("mac" in grid, "Grid", "one with a list mac", sorted(grid))
    lists = {name: _list(name, value) for name, value in grid.items()}
    metrics = tuple(lists.pop("metrics", ()))
    points = []
    for values in itertools.product(*lists.values()):
        chosen = dict(zip(lists, values, strict=True))
        fields = {name: value for name, value in chosen.items() if name in _TYPES}
        settings = [f"{name}={value}" for name, value in chosen.items() if name not in _TYPES]
        fields["mac"] = ",".join([chosen["mac"], *settings])
        if "library" in fields:
            fields["library"] = _library(fields["library"], folder)
        points.append(Point(**fields, metrics=metrics))
    return points


def _list(name: str, value: Any) -> list[Any]:
    """Values of a name, each of the right type."""
    types = _TYPES.get(name, _SETTING)
    require(isinstance(value, list) and bool(value) and all(
        isinstance(item, types) and (bool in types or not isinstance(item, bool))
        for item in value), f"Grid {name}",
        f"a list of {' or '.join(kind.__name__ for kind in types)}", value)
    return list(value)


def _library(value: str | list[str], folder: Path) -> tuple[str, ...]:
    """Files of a library."""
    files = [value] if isinstance(value, str) else value
    require(bool(files) and all(isinstance(file, str) for file in files), "Grid library",
            "a path or a list of paths", value)
    return tuple(file if file == OSU018 else str((folder / os.path.expandvars(file)).resolve())
                 for file in files)
