# SPDX-License-Identifier: Apache-2.0
"""Read Liberty files: cells with area, leakage, pins and functions.

Syntax: ``name (args) { ... }`` is a group, ``name : value ;`` a simple attribute, and
``name (args) ;`` a complex attribute (Liberty Reference Manual, section 1.2). Timing and power
tables are skipped: ABC and OpenSTA read them themselves, and `synth.power.tables` finds them in the
text.
"""

import gzip
import hashlib
import re
import tomllib
import zlib
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from hw.spec.errors import SpecError, require

#: Groups that are read. Tables, the largest part of a library, are skipped.
READ = {"library", "cell", "pin", "ff", "latch", "leakage_power"}

_SPACE = re.compile(r"(?:[\s;\\]|/\*.*?\*/|//[^\n]*)*", re.DOTALL)
_NAME = re.compile(r'"?([\w.\[\]+-]+)"?[ \t]*')
_VALUE = re.compile(r':\s*("[^"]*"|[^;\n}]*)')
_ARGS = re.compile(r'\(((?:"[^"]*"|[^)"])*)\)')
_ARG = re.compile(r'"([^"]*)"|([^\s,"\\]+)')
_BRACE = re.compile(r'"[^"]*"|/\*.*?\*/|[{}]', re.DOTALL)


@dataclass(slots=True)
class Group:
    """Group: name, arguments, attributes and nested groups."""

    name: str
    args: list[str]
    simple: dict[str, str] = field(default_factory=dict)
    complex: dict[str, list[str]] = field(default_factory=dict)
    groups: list["Group"] = field(default_factory=list)


def parse(text: str) -> Group:
    """Parse the group ``library`` of a file. Raises ValueError if it is missing or incomplete."""
    outside = Group("", [])
    if _statement(text, _skip_space(text, 0), outside, READ) < 0 or not outside.groups:
        raise ValueError("no group")
    (library,) = outside.groups
    if library.name != "library":
        raise ValueError("no group library")
    return library


def find(
    text: str, name: str, read: Container[str], wanted: Container[str] | None = None
) -> Iterator[Group]:
    """Find groups ``name (argument)`` anywhere in ``text``, with their nested groups in ``read``.

    ``name`` is one of ``read``. Only arguments in ``wanted`` are read; None means all.
    """
    for match in re.finditer(rf'{name}\s*\(\s*"?([\w.]+)"?\s*\)\s*\{{', text):
        inside_a_word = re.match(r"\w", text[match.start() - 1 : match.start()])
        if not inside_a_word and (wanted is None or match[1] in wanted):
            outside = Group("", [])
            _statement(text, match.start(), outside, read)
            yield outside.groups[0]


def _skip_space(text: str, place: int) -> int:
    """Position after white space and comments."""
    match = _SPACE.match(text, place)
    return match.end() if match else place


def _expect(pattern: re.Pattern[str], text: str, place: int) -> re.Match[str]:
    """Match ``pattern``, or raise ValueError."""
    match = pattern.match(text, place)
    if match is None:
        raise ValueError(f"syntax error at character {place}")
    return match


def _statement(text: str, place: int, group: Group, read: Container[str]) -> int:
    """Read the statement at ``place`` into ``group``. Returns the position after it."""
    name = _expect(_NAME, text, place)
    place = _skip_space(text, name.end())
    if text.startswith(":", place):
        value = _expect(_VALUE, text, place)
        group.simple[name[1]] = value[1].strip().strip('"')
        return value.end()
    arguments = _expect(_ARGS, text, place)
    args = [quoted or plain for quoted, plain in _ARG.findall(arguments[1])]
    args = [part.strip() for arg in args for part in arg.split(",")]
    place = _skip_space(text, arguments.end())
    if not text.startswith("{", place):
        group.complex[name[1]] = args
        return place
    if name[1] not in read:
        return _behind(text, place)
    inner = Group(name[1], args)
    group.groups.append(inner)
    place += 1
    while not text.startswith("}", place := _skip_space(text, place)):
        place = _statement(text, place, inner, read)
    return place + 1


def _behind(text: str, place: int) -> int:
    """Position after the group whose opening brace is at ``place``."""
    depth = 0
    for match in _BRACE.finditer(text, place):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if not depth:
            return match.end()
    raise ValueError("a group does not end")


EXCLUDED = Path(__file__).with_name("libraries.toml")
GZIP = b"\x1f\x8b"
#: SI prefixes of units, which are written as "1ns", "100ps" or (1, ff).
_PREFIX = {"f": 1e-15, "p": 1e-12, "n": 1e-9, "u": 1e-6, "m": 1e-3}


@dataclass(frozen=True, slots=True)
class Pin:
    """Pin of a cell. ``capacitance`` is in farad, ``function`` in Liberty syntax, or None.

    ``three_state`` is the condition under which an output is not driven, or None.
    """

    name: str
    direction: str
    capacitance: float
    function: str | None
    three_state: str | None = None


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

    ``voltage`` is in volt, ``temperature`` in degrees Celsius. ``texts`` are the uncompressed files
    by name; ``sha256`` are the digests of the original files. ``dont_use`` are patterns of cells
    that libraries.toml excludes, in addition to those marked in the files.
    """

    name: str
    corner: str
    voltage: float
    temperature: float
    cells: dict[str, Cell]
    texts: dict[str, str]
    sha256: dict[str, str]
    dont_use: tuple[str, ...] = ()

    @property
    def cache_key(self) -> dict[str, str]:
        """Digests that identify the library."""
        return self.sha256

    def to_json(self) -> dict[str, Any]:
        """Description of the library for records."""
        return {
            "name": self.name,
            "corner": self.corner,
            "voltage": self.voltage,
            "temperature": self.temperature,
            "sha256": dict(self.sha256),
            "dont_use": list(self.dont_use),
        }


def read(files: Iterable[str | Path]) -> Library:
    """Read Liberty files, optionally gzipped, as one library.

    Raises
    ------
    SpecError
        If a file is missing or not Liberty, if files have different corners or the same name, or if
        no cell is a flip-flop.
    """
    texts, sha256, parts = {}, {}, []
    for path in map(Path, files):
        name, text, digest = _unpacked(path)
        parts.append(_library(path, text))
        if name in texts:
            raise SpecError(f"Two Liberty files have the name {name!r}: rename one of them")
        texts[name], sha256[path.name] = text, digest
    if not parts:
        raise SpecError("There must be at least one Liberty file")
    name, *corner = parts[0][:4]
    for file, part in zip(sha256, parts, strict=True):
        require(
            list(part[1:4]) == corner,
            f"Liberty corner of {file}",
            f"that of {name}, {corner[0]}",
            part[1],
        )
    entries = tomllib.loads(EXCLUDED.read_text(encoding="utf-8")).values()
    excluded = tuple(
        pattern
        for entry in entries
        if fnmatchcase(name, entry["library"])
        for pattern in entry["dont_use"]
    )
    cells = {cell.name: cell for part in parts for cell in part[4]}
    for cell in cells.values():
        if any(fnmatchcase(cell.name, pattern) for pattern in excluded):
            cells[cell.name] = replace(cell, dont_use=True)
    if not any(cell.flip_flop for cell in cells.values()):
        raise SpecError(f"The Liberty library {name!r} has no flip-flop")
    return Library(name, *parts[0][1:4], cells, texts, sha256, excluded)


def _unpacked(path: Path) -> tuple[str, str, str]:
    """File name without .gz, uncompressed text, and digest of the original file."""
    require(path.is_file(), "Liberty file", "a readable file", str(path))
    try:
        data = path.read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        text = (gzip.decompress(data) if data.startswith(GZIP) else data).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise SpecError(f"Liberty file must be text or gzipped text, not {str(path)!r}") from error
    return path.name.removesuffix(".gz"), text, digest


def _library(path: Path, text: str) -> tuple[str, str, float, float, list[Cell]]:
    """Name, corner, voltage, temperature and cells of one file."""
    try:
        top = parse(text)
        watt = si_unit(top.simple.get("leakage_power_unit", "1nW"))
        farad = si_unit("".join(top.complex.get("capacitive_load_unit", ["1", "pf"])))
        corner = top.simple.get("default_operating_conditions", "nominal")
        return (
            top.args[0],
            corner,
            float(top.simple["nom_voltage"]),
            float(top.simple["nom_temperature"]),
            [_cell(group, watt, farad) for group in top.groups if group.name == "cell"],
        )
    except (ValueError, KeyError, IndexError) as error:
        raise SpecError(f"Liberty file must be a Liberty library, not {str(path)!r}") from error


def si_unit(text: str) -> float:
    """SI value of a unit such as 1nW, 1ff or 1.0000pf."""
    number = text.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    letters = text[len(number) :]
    return float(number) * (_PREFIX[letters[0].lower()] if len(letters) > 1 else 1.0)


def _cell(group: Group, watt: float, farad: float) -> Cell:
    """Cell from a group cell."""
    pins = tuple(
        Pin(
            name,
            pin.simple.get("direction", "internal"),
            float(pin.simple.get("capacitance", 0)) * farad,
            pin.simple.get("function"),
            pin.simple.get("three_state"),
        )
        for pin in group.groups
        if pin.name == "pin"
        for name in pin.args
    )
    flip_flops = [_flip_flop(ff) for ff in group.groups if ff.name == "ff"]
    return Cell(
        name=group.args[0],
        area=float(group.simple.get("area", 0)),
        leakage=_leakage(group) * watt,
        pins=pins,
        flip_flop=flip_flops[0] if flip_flops else None,
        dont_use=group.simple.get("dont_use", "false") == "true",
        enable=next((g.simple.get("enable", "1") for g in group.groups if g.name == "latch"), None),
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


def _leakage(group: Group) -> float:
    """Leakage of a cell: as stated, else the mean over the states of its inputs."""
    if "cell_leakage_power" in group.simple:
        return float(group.simple["cell_leakage_power"])
    states = [part for part in group.groups if part.name == "leakage_power"]
    rest = [part for part in states if "when" not in part.simple]
    values = [float(part.simple["value"]) for part in states if "when" in part.simple]
    if rest:  # One value per supply pin.
        return sum(float(part.simple["value"]) for part in rest)
    return sum(values) / len(values) if values else 0.0
