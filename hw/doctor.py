# SPDX-License-Identifier: Apache-2.0
"""``python -m hw.doctor``: what is installed, what is missing, and what installs it."""

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from hw.board import usb
from hw.board.needs import found, needs
from hw.board.platforms import BOARDS
from hw.spec.command import Parser, run_command


def examine() -> dict[str, Any]:
    """What each use finds, whether the rules of USB are there, and who may open serial ports."""
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
    """The state for people: a line a use, then what is to be done about USB."""
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
    """Who may use USB devices and serial ports."""
    lines = []
    without = [device for device, present in state["usb_rules"].items() if not present]
    if without:
        lines += [
            "Only root may program boards over USB until a udev rule opens them. As root,",
            f"write into {usb.RULES_FILE}:",
            "",
            *map(usb.rule, without),
            "",
            "then run `udevadm control --reload && udevadm trigger`, and connect again.",
        ]
    else:
        lines.append("udev rules open all boards to whoever sits at this machine.")
    lines.append(
        "Serial ports are open to this user."
        if state["serial_ports_open"]
        else f"Serial ports belong to a group: `sudo usermod -aG {usb.SERIAL_GROUP} $USER`, "
        "then log in again."
    )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 whatever is missing, as nothing is needed by every use."""
    parser = Parser(
        prog="python -m hw.doctor",
        description="Tell what is installed and what is missing, use by use.",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of lines")
    return run_command(parser, _body, arguments)


def _body(options: argparse.Namespace) -> None:
    state = examine()
    print(json.dumps(state, indent=2) if options.json else "\n".join(_lines(state)))


if __name__ == "__main__":
    sys.exit(main())
