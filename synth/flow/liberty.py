# SPDX-License-Identifier: Apache-2.0
"""Read Liberty files: cells with area, leakage, pins and functions.

Every tool reads the normal form of a file, which `synth.flow.normal` makes and `Library.texts`
holds, never the file itself. So all tools see what we see. ABC and OpenSTA read timing and power
tables from it, and so does `synth.power.tables`.
"""

import codecs
import gzip
import hashlib
import tomllib
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hw.spec.errors import SpecError, require, shortened
from synth.flow.groups import Group, LibertyError, parse, write
from synth.flow.normal import UNITS, normalise, number

EXCLUDED = Path(__file__).with_name("libraries.toml")
GZIP = b"\x1f\x8b"
#: SI prefixes of units, which are written as "1ns", "100ps" or (1, ff).
_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3}


@dataclass(frozen=True, slots=True)
class Pin:
    """Pin of a cell. ``capacitance`` is in farad, ``function`` in Liberty syntax, or None.

    ``three_state`` is the condition under which an output is not driven, or None;
    ``max_capacitance`` is the largest load of an output in farad, or None.
    """

    name: str
    direction: str
    capacitance: float
    function: str | None
    three_state: str | None = None
    max_capacitance: float | None = None


@dataclass(frozen=True, slots=True)
class FlipFlop:
    """Flip-flop of a cell: at the edge of ``clock``, ``state`` becomes ``next_state``.

    ``inverse`` is the name of the inverted state. ``clear`` and ``preset`` are asynchronous.
    """

    state: str
    inverse: str
    clock: str
    next_state: str
    clear: str | None
    preset: str | None


@dataclass(frozen=True, slots=True)
class Cell:
    """Standard cell. ``area`` is in um2, ``leakage`` in watt.

    ``enable`` is the condition under which a latch is transparent, None for other cells.
    """

    name: str
    area: float
    leakage: float
    pins: tuple[Pin, ...]
    flip_flop: FlipFlop | None
    dont_use: bool
    enable: str | None = None

    @property
    def is_register(self) -> bool:
        """Whether the cell stores a state: a flip-flop or a latch."""
        return self.flip_flop is not None or self.enable is not None

    def pins_of(self, direction: str) -> list[Pin]:
        """Pins of one direction, in the file's order."""
        return [pin for pin in self.pins if pin.direction == direction]


@dataclass(frozen=True, slots=True)
class Library:
    """Cells from one or more files of one corner.

    ``voltage`` is in volt, ``temperature`` in degrees Celsius; either is None if no file gives it.
    ``texts`` are the files in their normal form, by name; ``sha256`` are the digests of the
    original files. ``dont_use`` are patterns of cells that libraries.toml excludes, in addition to
    those marked in the files.
    """

    name: str
    corner: str
    voltage: float | None
    temperature: float | None
    cells: dict[str, Cell]
    texts: dict[str, str]
    sha256: dict[str, str]
    dont_use: tuple[str, ...] = ()

    @property
    def cache_key(self) -> dict[str, str]:
        """Digests that identify the library."""
        return self.sha256

    @property
    def supply(self) -> float:
        """Voltage in volt. Raises SpecError if no file gives it."""
        if self.voltage is None:
            raise SpecError(f"The Liberty library {self.name!r} gives no voltage: add nom_voltage")
        return self.voltage

    def to_json(self) -> dict[str, Any]:
        """Description of the library for records."""
        return {
            "name": self.name,
            "corner": self.corner,
            "voltage": self.voltage,
            "temperature": self.temperature,
            "sha256": dict(self.sha256),
            "normalised_sha256": {
                name: hashlib.sha256(text.encode()).hexdigest() for name, text in self.texts.items()
            },
            "dont_use": list(self.dont_use),
        }


def read(files: Iterable[str | Path]) -> Library:
    """Read Liberty files, optionally gzipped, as one library.

    Raises
    ------
    SpecError
        If a file is missing or not Liberty (with the line), if files have different corners, the
        same name or the same cells, or if no cell is a flip-flop.
    """
    texts: dict[str, str] = {}
    sha256: dict[str, str] = {}
    cells: dict[str, Cell] = {}
    first: _File | None = None
    for path in map(Path, files):
        name, text, digest = _unpacked(path)
        if name in texts:
            raise SpecError(f"Two Liberty files have the name {name!r}: rename one of them")
        file = _file(path, text)
        first = first or file
        require(
            (file.corner, file.voltage, file.temperature)
            == (first.corner, first.voltage, first.temperature),
            f"Liberty corner of {path.name}",
            f"that of {first.name}, {first.corner}",
            file.corner,
        )
        for cell in file.cells:
            if cell.name in cells:
                raise SpecError(f"Liberty file {str(path)!r} defines the cell {cell.name!r} again")
            cells[cell.name] = cell
        texts[name], sha256[path.name] = file.text, digest
    if first is None:
        raise SpecError("There must be at least one Liberty file")
    name = first.name
    entries = tomllib.loads(EXCLUDED.read_text(encoding="utf-8")).values()
    excluded = tuple(
        pattern
        for entry in entries
        if fnmatchcase(name, entry["library"])
        for pattern in entry["dont_use"]
    )
    for cell in cells.values():
        if any(fnmatchcase(cell.name, pattern) for pattern in excluded):
            cells[cell.name] = replace(cell, dont_use=True)
    if not any(cell.flip_flop for cell in cells.values()):
        raise SpecError(f"The Liberty library {name!r} has no flip-flop")
    return Library(
        name, first.corner, first.voltage, first.temperature, cells, texts, sha256, excluded
    )


def _unpacked(path: Path) -> tuple[str, str, str]:
    """File name without .gz, uncompressed text, and digest of the original file."""
    require(path.is_file(), "Liberty file", "a readable file", str(path))
    try:
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        text = _decoded(gzip.decompress(data) if data.startswith(GZIP) else data)
    except (OSError, EOFError, zlib.error, ValueError) as error:
        raise SpecError(f"Liberty file must be text or gzipped text, not {str(path)!r}") from error
    return path.name.removesuffix(".gz"), text.replace("\r\n", "\n").replace("\r", "\n"), digest


def _decoded(data: bytes) -> str:
    """Text in UTF-8, UTF-16 or Latin-1. ValueError if it is none."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16")
    if b"\0" in data:
        raise ValueError("a NUL byte")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


@dataclass(frozen=True, slots=True)
class _File:
    """What one file gives, and its text in the form that every tool reads."""

    name: str
    corner: str
    voltage: float | None
    temperature: float | None
    cells: list[Cell]
    text: str


def _file(path: Path, text: str) -> _File:
    """Read one file. An error names the line."""
    try:
        top = parse(text)
        if not top.args:
            raise LibertyError("library must have a name", top.place)
        normalise(top)
        corner = top.simple.get("default_operating_conditions", "nominal")
        watt = _unit(top, "leakage_power_unit")
        farad = _unit(top, "capacitive_load_unit")
        cells = [_cell(group, watt, farad) for group in top.named("cell")]
        if cells and not any(cell.area for cell in cells):
            (first, *_) = top.named("cell")
            raise LibertyError("cells must have areas, and none has one", first.place)
        return _File(
            name=top.args[0],
            corner=corner,
            voltage=number(top, "nom_voltage"),
            temperature=number(top, "nom_temperature"),
            cells=cells,
            text=write(top).encode("ascii", "replace").decode(),
        )
    except LibertyError as error:
        line = text.count("\n", 0, error.place) + 1
        raise SpecError(f"Liberty file {str(path)!r}, line {line}: {error}") from error


def _unit(library: Group, name: str) -> float:
    """SI value of a unit of the library."""
    text = "".join(library.items(name)) or library.simple[name]
    try:
        return si_unit(text)
    except (ValueError, KeyError, IndexError) as error:
        place = library.places.get(name, library.place)
        message = f"{name} must be a unit such as {UNITS[name]}, not {shortened(text)}"
        raise LibertyError(message, place) from error


def si_unit(text: str) -> float:
    """SI value of a unit such as 1nW, 1ff or 1.0000pf."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    letters = text[len(number) :]
    return float(number) * (_PREFIX[letters[0].lower()] if len(letters) > 1 else 1.0)


def _cell(group: Group, watt: float, farad: float) -> Cell:
    """Cell from a group cell in the normal form."""
    pins = tuple(
        Pin(
            pin.args[0],
            pin.simple.get("direction", "internal"),
            (number(pin, "capacitance") or 0.0) * farad,
            pin.simple.get("function"),
            pin.simple.get("three_state"),
            float(limit) * farad if (limit := pin.simple.get("max_capacitance")) else None,
        )
        for pin in group.named("pin")
    )
    flip_flops = [_flip_flop(ff) for ff in group.named("ff")]
    return Cell(
        name=group.args[0],
        area=number(group, "area") or 0.0,
        leakage=(number(group, "cell_leakage_power") or 0.0) * watt,
        pins=pins,
        flip_flop=flip_flops[0] if flip_flops else None,
        dont_use=group.simple.get("dont_use", "false").lower() == "true",
        enable=next((g.simple.get("enable", "1") for g in group.named("latch")), None),
    )


def _flip_flop(group: Group) -> FlipFlop:
    """Flip-flop from a group ff."""
    simple = group.simple
    state, inverse = group.args
    return FlipFlop(
        state,
        inverse,
        simple["clocked_on"],
        simple["next_state"],
        simple.get("clear"),
        simple.get("preset"),
    )
