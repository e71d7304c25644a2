# SPDX-License-Identifier: Apache-2.0
"""``python -m hw.doctor``: reports what is installed and how to install what is missing.

With ``--install`` it installs what is missing. It prints each command before it runs it.
"""

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from importlib import invalidate_caches
from typing import Any

from hw.board import usb
from hw.board.needs import Need, found, needs
from hw.board.platforms import BOARDS
from hw.spec import folders
from hw.spec.command import Parser, run_command
from hw.spec.errors import require
from hw.spec.packages import installer

#: Default uses of ``--install``: those that need little disk space.
USUAL = ("generate", "simulate", "run networks", "synthesise", "plot", "talk to a board")


def examine() -> dict[str, Any]:
    """Installed and missing packages and tools by task, USB rules, access to serial ports."""
    uses = {}
    for use, wanted in needs().items():
        there = found(wanted)
        uses[use] = {
            "ready": all(item.version is not None for item in there),
            "found": {item.need.name: item.version for item in there if item.version is not None},
            "missing": {
                item.need.name: item.need.install for item in there if item.version is None
            },
        }
    devices = dict.fromkeys(board.usb for board in BOARDS)
    return {
        "uses": uses,
        "usb_rules": {device: usb.has_rule(device) for device in devices},
        "serial_ports_open": usb.in_serial_group(),
    }


def _lines(state: dict[str, Any]) -> list[str]:
    """Report as text: a line per task, then what to do about USB."""
    width = max(map(len, state["uses"]))
    lines = []
    for use, item in state["uses"].items():
        there = ", ".join(f"{name} {version}".strip() for name, version in item["found"].items())
        gone = ", ".join(
            f"{name} is missing: {command}" for name, command in item["missing"].items()
        )
        lines.append(
            f"{use:{width}}  {'ready  ' if item['ready'] else 'missing'}  "
            f"{'; '.join(filter(None, (gone, there)))}"
        )
    return [*lines, "", *_permissions(state)]


def _permissions(state: dict[str, Any]) -> list[str]:
    """Access to USB devices and serial ports."""
    lines = []
    without = [device for device, present in state["usb_rules"].items() if not present]
    if without:
        lines += [
            "Only root may program boards over USB without a udev rule. As root, write these",
            f"lines to {usb.RULES_FILE}:",
            "",
            *map(usb.rule, without),
            "",
            "then run `udevadm control --reload && udevadm trigger`, and reconnect the board.",
        ]
    else:
        lines.append("USB: udev rules give the logged-in user access to all boards.")
    lines.append(
        "Serial ports: this user has access."
        if state["serial_ports_open"]
        else f"Serial ports: no access. Run `sudo usermod -aG {usb.SERIAL_GROUP} $USER`, then log "
        "in again."
    )
    return lines


def chosen_uses(words: Sequence[str]) -> list[str]:
    """Uses that ``words`` name, in full or by the last word; `USUAL` if there are no words.

    Raises
    ------
    SpecError
        If there is no such use.
    """
    known = needs()
    names = {use.rpartition(" ")[2]: use for use in known} | {use: use for use in known}
    for word in words:
        require(word in names, "Use", f"one of {', '.join(known)}", word)
    return [names[word] for word in words] or list(USUAL)


def install(uses: Iterable[str]) -> bool:
    """Install what is missing for the uses, one at a time; return whether all is installed."""
    known = needs()
    wanted = list(dict.fromkeys(need for use in uses for need in known[use]))
    missing = [item.need for item in found(wanted) if item.version is None]
    if not missing:
        _say("Nothing is missing.")
    for command in dict.fromkeys(command for need in missing for command in commands(need)):
        _say(f"Running: {shlex.join(command)}")
        try:
            done = subprocess.run(
                command,
                cwd=folders.ROOT,  # Python finds the project's own modules there.
                check=False,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
            )
        except OSError as error:
            _say(f"Failed: {error}")
            continue
        if done.returncode:
            lines = (done.stderr or done.stdout).strip().splitlines()
            _say(f"Failed: {lines[-1] if lines else f'status {done.returncode}'}")
    invalidate_caches()
    left = [item.need for item in found(missing) if item.version is None]
    for need in left:
        _say(f"{need.name} is still missing. To install it, run: {need.install}")
    return not left


def commands(need: Need) -> list[tuple[str, ...]]:
    """Commands that install ``need``; none if only the user can install it."""
    if need.extra is not None:
        command = installer(need.extra)
        return [tuple(command)] if command else []
    steps: list[tuple[str, ...]] = []
    for step in need.install.split(" && "):
        match step.split():
            case ["apt", "install", *packages]:
                if os.geteuid() != 0 or shutil.which("apt-get") is None:
                    return []
                apt = ("apt-get", "-q", "-y")
                steps += [(*apt, "update")]
                steps += [(*apt, "install", "--no-install-recommends", *packages)]
            case ["pip", *words]:
                steps.append((sys.executable, "-m", "pip", *words))
            case ["python", *words]:
                steps.append((sys.executable, *words))
            case _:
                return []
    return steps


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def parser() -> Parser:
    """Options of the command."""
    parser = Parser(
        prog="python -m hw.doctor",
        description="Show what is installed and what is missing for each use.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    parser.add_argument(
        "--install",
        metavar="USE",
        nargs="*",
        help="install what is missing for these uses, such as ecp5 or 'simulate fast' "
        f"(default: {', '.join(USUAL)})",
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; exit status 0, or 1 if ``--install`` could not install everything."""
    return run_command(parser(), _body, arguments)


def _body(options: argparse.Namespace) -> int:
    is_whole = options.install is None or install(chosen_uses(options.install))
    state = examine()
    print(json.dumps(state, indent=2) if options.json else "\n".join(_lines(state)))
    return int(not is_whole)


if __name__ == "__main__":
    sys.exit(main())
