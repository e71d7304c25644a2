# SPDX-License-Identifier: Apache-2.0
"""Mapped netlists as data: ports, cells and what each pin is connected to.

Reads what Yosys writes for a flat netlist of library cells, and no other Verilog.
"""

import re
from dataclasses import dataclass

from hw.spec.errors import require
from synth.liberty import Library

__all__ = ["CellInstance", "Port", "clock_port", "instances", "ports"]

_NAME = r"(\\\S+ |[\w$]+)"
_PORT = re.compile(
    rf"^  (input|output) (?:signed )?(?:\[(\d+):(\d+)\] )?{_NAME};$", re.MULTILINE)
_INSTANCE = re.compile(rf"^  {_NAME} {_NAME} \(\n(.*?)\n  \);$", re.MULTILINE | re.DOTALL)
_PIN = re.compile(rf"^    \.{_NAME}\((.*)\),?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Port:
    """Port of a netlist: bits ``lsb`` to ``lsb + width - 1``; ``vector`` if it has a range."""

    name: str
    direction: str
    width: int
    lsb: int
    vector: bool

    def bits(self) -> list[str]:
        """Names of its bits, the lowest first."""
        if not self.vector:
            return [self.name]
        return [f"{self.name}[{bit}]" for bit in range(self.lsb, self.lsb + self.width)]


@dataclass(frozen=True, slots=True)
class CellInstance:
    """Cell ``cell`` in a netlist, nets by pin; an open pin has the net ""."""

    name: str
    cell: str
    nets: dict[str, str]


def ports(verilog: str) -> list[Port]:
    """Ports in the order of the text."""
    found = []
    for direction, left, right, name in _PORT.findall(verilog):
        low, high = sorted((int(left or 0), int(right or 0)))
        found.append(Port(name, direction, high - low + 1, low, bool(left)))
    return found


def instances(verilog: str) -> list[CellInstance]:
    """Cells in the order of the text."""
    return [CellInstance(name, cell, dict(_PIN.findall(pins)))
            for cell, name, pins in _INSTANCE.findall(verilog)]


def clock_port(verilog: str, library: Library) -> str | None:
    """Port that clocks all flip-flops, None if there are none.

    Raises
    ------
    SpecError
        If they have several clocks or one that comes from a cell.
    """
    nets = set()
    for instance in instances(verilog):
        flip_flop = library.cells[instance.cell].flip_flop
        if flip_flop:
            nets |= {net for pin, net in instance.nets.items()
                     if re.search(rf"\b{re.escape(pin)}\b", flip_flop.clock)}
    inputs = {bit for port in ports(verilog) if port.direction == "input" for bit in port.bits()}
    require(len(nets) <= 1 and nets <= inputs, "Clock", "one input of the design",
            ", ".join(sorted(nets)))
    return nets.pop() if nets else None
