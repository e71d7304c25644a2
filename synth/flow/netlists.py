# SPDX-License-Identifier: Apache-2.0
"""Netlists as data: modules, ports, cells and their connections.

Reads Verilog written by Yosys, and rewrites it for OpenSTA.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import partial

_MODULE = re.compile(r"^module (\\\S+ |[\w$]+)\(.*?^endmodule$", re.MULTILINE | re.DOTALL)
_NAME = r"(\\\S+ |[\w$]+)"
_PORT = re.compile(rf"^  (input|output) (?:signed )?(?:\[(\d+):(\d+)\] )?{_NAME};$", re.MULTILINE)
_INSTANCE = re.compile(rf"^  {_NAME} {_NAME} \(\n(.*?)\n  \);$", re.MULTILINE | re.DOTALL)
_PLACED = re.compile(rf"^  (\w+) {_NAME} ?\(", re.MULTILINE)
_PIN = re.compile(rf"^    \.{_NAME}\((.*)\),?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Port:
    """Port of a netlist: bits ``lsb`` to ``lsb + width - 1``. ``vector``: it has a range."""

    name: str
    direction: str
    width: int
    lsb: int
    vector: bool

    def bits(self) -> list[str]:
        """Names of its bits, lowest first."""
        if not self.vector:
            return [self.name]
        return [f"{self.name}[{bit}]" for bit in range(self.lsb, self.lsb + self.width)]


@dataclass(frozen=True, slots=True)
class CellInstance:
    """Instance of ``cell`` in a netlist, with nets by pin. An open pin has the net ""."""

    name: str
    cell: str
    nets: dict[str, str]


def modules(verilog: str) -> dict[str, str]:
    """Texts of the modules, by name."""
    return {match[1]: match[0] for match in _MODULE.finditer(verilog)}


def ports(module: str) -> list[Port]:
    """Ports of a module, in the order of its text."""
    declared = []
    for direction, left, right, name in _PORT.findall(module):
        low, high = sorted((int(left or 0), int(right or 0)))
        declared.append(Port(name, direction, high - low + 1, low, bool(left)))
    return declared


def instances(module: str) -> list[CellInstance]:
    """Instances of cells and modules in a module, in the order of its text."""
    return [
        CellInstance(name, cell, dict(_PIN.findall(pins)))
        for cell, name, pins in _INSTANCE.findall(module)
    ]


def repeated(verilog: str) -> list[str]:
    """Modules that are instantiated more than once, in Verilog of Yosys or of this project."""
    texts = modules(verilog)
    placed = [Counter(kind for kind, _ in _PLACED.findall(text)) for text in texts.values()]
    return [name for name in texts if any(counts[name] > 1 for counts in placed)]


def placed(verilog: str, top: str) -> dict[str, str]:
    """Modules that ``top`` instantiates, by instance name."""
    texts = modules(verilog)
    return {name.strip(): kind for kind, name in _PLACED.findall(texts[top]) if kind in texts}


_IDENTIFIER = r"\\\S+ |[A-Za-z_$][\w$]*"
_DECLARED = re.compile(
    rf"^  (?:wire|input|output) (?:signed )?(?:\[(\d+):(\d+)\] )?({_IDENTIFIER});$", re.MULTILINE
)
_ASSIGN = re.compile(r"^  assign (.+?) = (.+);$", re.MULTILINE)
_PART = re.compile(rf"(\d+)'[bh]([01xz]+)|({_IDENTIFIER})\s*(?:\[(\d+)(?::(\d+))?\])?")


def aliases(module: str) -> dict[str, str]:
    """Bits of a module that are assigned, with the bit or constant that they get."""
    widths = _widths(module)
    return {
        left.strip(): right.strip()
        for match in _ASSIGN.finditer(module)
        for left, right in zip(_bits(match[1], widths), _bits(match[2], widths), strict=True)
    }


def plain(verilog: str) -> str:
    """The same netlist without ``signed``, and with single-bit assignments only."""
    text = re.sub(r"\bsigned ", "", verilog)
    for module in modules(text).values():
        changed = _ASSIGN.sub(partial(_single, _widths(module)), module)
        text = text.replace(module, changed, 1)
    return text


def _widths(module: str) -> dict[str, tuple[int, int, bool]]:
    """Range of each net of a module, and whether it has one."""
    return {
        name.strip(): (int(left or 0), int(right or 0), bool(left))
        for left, right, name in _DECLARED.findall(module)
    }


def _single(widths: dict[str, tuple[int, int, bool]], match: re.Match[str]) -> str:
    """Split an assignment into assignments of its bits, highest first."""
    left, right = _bits(match[1], widths), _bits(match[2], widths)
    assert len(left) == len(right), match[0]
    return "\n".join(f"  assign {x} = {y};" for x, y in zip(left, right, strict=True))


def _bits(expression: str, widths: dict[str, tuple[int, int, bool]]) -> list[str]:
    """Bits of a name, a part select, a constant, or a concatenation."""
    bits = []
    for width, digits, name, high, low in _PART.findall(expression):
        if width:
            bits += [f"1'b{digit}" for digit in digits.rjust(int(width), "0")]
            continue
        left, right, vector = widths[name.strip()]
        if high:
            left, right = int(high), int(low or high)
        step = -1 if left >= right else 1
        bits += [f"{name}[{bit}]" for bit in range(left, right + step, step)] if vector else [name]
    return bits
