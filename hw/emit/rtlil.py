# SPDX-License-Identifier: Apache-2.0
"""Reads and writes RTLIL, the text form of a Yosys design, as plain data.

Only what is left after ``proc`` and ``flatten`` is read: modules of wires, memories, cells and
connections. A bit is a constant (``"0"``, ``"1"``, ``"x"``, ``"z"``) or a pair of the name of a
wire and an index. A signal is a list of bits, the lowest first.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

Bit = str | tuple[str, int]
Signal = list[Bit]

_CONSTANT = re.compile(r"(\d+)'([01xz-]*)")
_RANGE = re.compile(r"\[(\d+)(?::(\d+))?\]")
_TOKEN = re.compile(r"\{|\}|\[[\d:]+\]|[^\s{}]+")


@dataclass(slots=True)
class Wire:
    """Wire of ``width`` bits; ``port`` is ``input N`` or ``output N`` for a port."""

    name: str
    width: int
    port: str = ""
    offset: int = 0
    init: str = ""

    @property
    def bits(self) -> Signal:
        """All bits."""
        return [(self.name, place) for place in range(self.width)]


@dataclass(slots=True)
class Cell:
    """Cell, or instance of a module; ``parameters`` are texts, in their order."""

    kind: str
    name: str
    parameters: dict[str, str] = field(default_factory=dict)
    ports: dict[str, Signal] = field(default_factory=dict)


@dataclass(slots=True)
class RtlModule:
    """Module; ``head`` and ``memories`` are lines that nothing here looks into."""

    name: str
    head: list[str]
    wires: dict[str, Wire] = field(default_factory=dict)
    memories: list[str] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    connections: list[tuple[Signal, Signal]] = field(default_factory=list)

    def text(self) -> str:
        """RTLIL of the module."""
        lines = [*self.head, f"module {self.name}"]
        for wire in self.wires.values():
            if wire.init:
                lines.append(f"  attribute \\init {len(wire.init)}'{wire.init}")
            offset = f" offset {wire.offset}" if wire.offset else ""
            port = f" {wire.port}" if wire.port else ""
            lines.append(f"  wire width {wire.width}{offset}{port} {wire.name}")
        lines += self.memories
        for cell in self.cells:
            lines.append(f"  cell {cell.kind} {cell.name}")
            lines += [f"    parameter {key} {value}" for key, value in cell.parameters.items()]
            lines += [
                f"    connect {key} {self._spelled(bits)}" for key, bits in cell.ports.items()
            ]
            lines.append("  end")
        lines += [
            f"  connect {self._spelled(to)} {self._spelled(source)}"
            for to, source in self.connections
        ]
        return "\n".join([*lines, "end", ""])

    def _spelled(self, bits: Signal) -> str:
        """``bits`` as RTLIL, the longest runs in one part."""
        parts, at = [], 0
        while at < len(bits):
            end, first = at + 1, bits[at]
            if isinstance(first, str):
                while end < len(bits) and isinstance(bits[end], str):
                    end += 1
                parts.append(f"{end - at}'{''.join(map(str, reversed(bits[at:end])))}")
            else:
                name, low = first
                while end < len(bits) and bits[end] == (name, low + end - at):
                    end += 1
                high, wire = low + end - at - 1, self.wires[name]
                whole = low == 0 and high == wire.width - 1
                parts.append(name if whole else f"{name} [{high}:{low}]")
            at = end
        return parts[0] if len(parts) == 1 else f"{{ {' '.join(reversed(parts))} }}"


def read_rtlil(text: str) -> list[RtlModule]:
    """Modules of a design."""
    lines = iter(text.splitlines())
    modules: list[RtlModule] = []
    head: list[str] = []
    for line in lines:
        word, _, rest = line.partition(" ")
        if word == "attribute":
            head.append(line)
        elif word == "module":
            module = RtlModule(rest, head)
            _read_module(module, lines)
            modules.append(module)
            head = []
    return modules


def _read_module(module: RtlModule, lines: Iterator[str]) -> None:
    """Read ``lines`` up to the end of the module."""
    init = ""
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        match word:
            case "end":
                return
            case "attribute":
                key, _, value = rest.partition(" ")
                if key == "\\init":
                    init = value
            case "wire":
                wire = _wire(rest, init)
                module.wires[wire.name] = wire
                init = ""
            case "memory":
                module.memories.append(line)
            case "cell":
                kind, _, name = rest.partition(" ")
                module.cells.append(_read_cell(Cell(kind, name), module, lines))
            case "connect":
                tokens = _TOKEN.findall(rest)
                to = _signal(tokens, module)
                module.connections.append((to, _signal(tokens, module)))
            case _:
                raise ValueError(f"Unknown line of RTLIL: {line}")


def _wire(text: str, init: str) -> Wire:
    """Wire by the words of its line."""
    *words, name = text.split()
    wire = Wire(name, 1)
    while words:
        word = words.pop(0)
        match word:
            case "width":
                wire.width = int(words.pop(0))
            case "input" | "output":
                wire.port = f"{word} {words.pop(0)}"
            case "signed":
                pass
            case _:
                raise ValueError(f"Unknown option of a wire in RTLIL: {text}")
    if init:
        bits = _constant(init)
        wire.init = "".join(map(str, reversed(bits + ["0"] * (wire.width - len(bits)))))
    return wire


def _read_cell(cell: Cell, module: RtlModule, lines: Iterator[str]) -> Cell:
    """Read ``lines`` up to the end of the cell."""
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        if word == "end":
            break
        key, _, value = rest.partition(" ")
        if word == "parameter":
            if key == "signed":
                key, _, value = value.partition(" ")
            cell.parameters[key] = value
        elif word == "connect":
            cell.ports[key] = _signal(_TOKEN.findall(value), module)
    return cell


def _constant(text: str) -> Signal:
    """Bits of a constant; a plain number has 32."""
    found = _CONSTANT.fullmatch(text)
    digits = found[2] if found else f"{int(text) & 0xFFFFFFFF:032b}"
    return ["x" if digit == "-" else digit for digit in reversed(digits)]


def _signal(tokens: list[str], module: RtlModule) -> Signal:
    """Take one signal from the front of ``tokens``."""
    token = tokens.pop(0)
    if token == "{":
        parts = []
        while tokens[0] != "}":
            parts.append(_signal(tokens, module))
        tokens.pop(0)
        return [bit for part in reversed(parts) for bit in part]
    bits = module.wires[token].bits if token in module.wires else _constant(token)
    while tokens and (found := _RANGE.fullmatch(tokens[0])):
        tokens.pop(0)
        high = int(found[1])
        bits = bits[int(found[2] or high) : high + 1]
    return bits
