# SPDX-License-Identifier: Apache-2.0
"""Gates of a generated Verilog file, read through Yosys, and what they compute in any logic."""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from hw.emit.yosys import run_yosys

__all__ = ["Circuit", "Gate", "Logic", "read_verilog"]

#: Down to gates of one bit, nothing optimised but what is constant or unused.
_SCRIPT = """read_verilog design.v
hierarchy -check -top {top}
proc
flatten -noscopeinfo
opt_expr
dffunmap
techmap
simplemap
opt_clean
write_json design.json"""

#: Nets of constants; others are numbers from 2. An undefined bit is an error.
_CONSTANTS = {"0": 0, "1": 1}


class Logic(Protocol):
    """What values are and how gates combine them."""

    zero: Any
    one: Any

    def inv(self, x: Any) -> Any: ...
    def conj(self, x: Any, y: Any) -> Any: ...
    def disj(self, x: Any, y: Any) -> Any: ...
    def xor(self, x: Any, y: Any) -> Any: ...
    def mux(self, select: Any, one: Any, zero: Any) -> Any: ...


class Gate(NamedTuple):
    """One gate: its kind, the net that it drives, the nets that it reads."""

    kind: str
    out: int
    inputs: tuple[int, ...]


_INPUTS = {"$_NOT_": "A", "$_AND_": "AB", "$_OR_": "AB", "$_XOR_": "AB", "$_MUX_": "SBA"}


@dataclass(frozen=True, slots=True)
class Circuit:
    """Module as gates in an order in which each reads nets that are known.

    Members
    -------
    inputs, outputs
        Nets of each port, bit 0 first.
    registers
        Net of each register's input by that of its output; all of them are clocked by ``clk``.
    names
        Name of the signal and bit that a register's output is, for messages.
    """

    gates: tuple[Gate, ...]
    inputs: Mapping[str, tuple[int, ...]]
    outputs: Mapping[str, tuple[int, ...]]
    registers: Mapping[int, int]
    names: Mapping[int, tuple[str, int]]

    def evaluate(self, logic: Logic, known: Mapping[int, Any],
                 fixed: Mapping[int, Any] | None = None) -> dict[int, Any]:
        """Value of every net from those of inputs and registers; ``fixed`` nets keep theirs."""
        values = {0: logic.zero, 1: logic.one, **known}
        kept = fixed or {}
        values |= kept
        call: dict[str, Callable[..., Any]] = {
            "$_NOT_": logic.inv, "$_AND_": logic.conj, "$_OR_": logic.disj, "$_XOR_": logic.xor,
            "$_MUX_": logic.mux}
        for kind, out, inputs in self.gates:
            if out not in kept:
                values[out] = call[kind](*(values[net] for net in inputs))
        return values


def read_verilog(text: str, top: str) -> Circuit:
    """Gates of module ``top`` of a Verilog text, its children flattened into it."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "design.v").write_text(text, encoding="utf-8")
        run_yosys(_SCRIPT.format(top=top), cwd=Path(folder))
        data = json.loads(Path(folder, "design.json").read_text(encoding="utf-8"))
    return _circuit(data["modules"][top])


def _circuit(module: Mapping[str, Any]) -> Circuit:
    """The module of a Yosys JSON netlist."""
    driver, registers = {}, {}
    clock = module["ports"]["clk"]["bits"]
    for cell in module["cells"].values():
        pins = {pin: _net(bits[0]) for pin, bits in cell["connections"].items()}
        if cell["type"] == "$_DFF_P_":
            if cell["connections"]["C"] != clock:
                raise ValueError("Registers must be clocked by clk")
            registers[pins["Q"]] = pins["D"]
        else:
            order = _INPUTS[cell["type"]]
            driver[pins["Y"]] = Gate(cell["type"], pins["Y"], tuple(pins[pin] for pin in order))
    graph = {out: [net for net in gate.inputs if net in driver] for out, gate in driver.items()}
    gates = tuple(driver[net] for net in TopologicalSorter(graph).static_order())
    ports = {"input": {}, "output": {}}
    for name, port in module["ports"].items():
        ports[port["direction"]][name] = tuple(map(_net, port["bits"]))
    return Circuit(gates, ports["input"], ports["output"], registers,
                   _register_names(module, registers))


def _register_names(module: Mapping[str, Any],
                    registers: Iterable[int]) -> dict[int, tuple[str, int]]:
    """Signal and bit of each register, the shortest name first."""
    names: dict[int, tuple[str, int]] = {}
    for name, signal in sorted(module["netnames"].items(), key=lambda item: -len(item[0])):
        names |= {_net(bit): (name, index) for index, bit in enumerate(signal["bits"])}
    return {net: names[net] for net in registers}


def _net(bit: int | str) -> int:
    return _CONSTANTS[bit] if isinstance(bit, str) else bit
