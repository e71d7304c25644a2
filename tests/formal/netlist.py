# SPDX-License-Identifier: Apache-2.0
"""Gates of a generated Verilog file, read through Yosys, and what they compute in three logics.

These are solver terms, many patterns at a time, and what depends on what.
"""

import json
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import z3

from hw.emit.yosys import run_yosys

#: Converts to one-bit gates; only constant and unused logic is optimised.
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
    """Kind of values, and how gates combine them."""

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

    def evaluate(
        self, logic: Logic, known: Mapping[int, Any], fixed: Mapping[int, Any] | None = None
    ) -> dict[int, Any]:
        """Value of every net from those of inputs and registers; ``fixed`` nets keep theirs."""
        values = {0: logic.zero, 1: logic.one, **known}
        kept = fixed or {}
        values |= kept
        call: dict[str, Callable[..., Any]] = {
            "$_NOT_": logic.inv,
            "$_AND_": logic.conj,
            "$_OR_": logic.disj,
            "$_XOR_": logic.xor,
            "$_MUX_": logic.mux,
        }
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
    return Circuit(
        gates, ports["input"], ports["output"], registers, _register_names(module, registers)
    )


def _register_names(
    module: Mapping[str, Any], registers: Iterable[int]
) -> dict[int, tuple[str, int]]:
    """Signal and bit of each register, the shortest name first."""
    names: dict[int, tuple[str, int]] = {}
    for name, signal in sorted(module["netnames"].items(), key=lambda item: -len(item[0])):
        names |= {_net(bit): (name, index) for index, bit in enumerate(signal["bits"])}
    return {net: names[net] for net in registers}


def _net(bit: int | str) -> int:
    return _CONSTANTS[bit] if isinstance(bit, str) else bit


class Terms:
    """Boolean terms of the solver; constants are Python's own and disappear on the way."""

    zero, one = False, True

    def inv(self, x):
        return not x if isinstance(x, bool) else z3.Not(x)

    def conj(self, x, y):
        if isinstance(x, bool):
            return y if x else False
        if isinstance(y, bool):
            return x if y else False
        return z3.And(x, y)

    def disj(self, x, y):
        if isinstance(x, bool):
            return True if x else y
        if isinstance(y, bool):
            return True if y else x
        return z3.Or(x, y)

    def xor(self, x, y):
        if isinstance(x, bool):
            return self.inv(y) if x else y
        if isinstance(y, bool):
            return self.inv(x) if y else x
        return z3.Xor(x, y)

    def mux(self, select, one, zero):
        if isinstance(select, bool):
            return one if select else zero
        if isinstance(one, bool):
            return self.disj(select, zero) if one else self.conj(z3.Not(select), zero)
        if isinstance(zero, bool):
            return self.disj(z3.Not(select), one) if zero else self.conj(select, one)
        return z3.If(select, one, zero)


class Patterns:
    """Whole numbers whose bit ``i`` is the value under pattern ``i``."""

    zero = 0

    def __init__(self, count: int):
        self.one = (1 << count) - 1

    def inv(self, x):
        return x ^ self.one

    def conj(self, x, y):
        return x & y

    def disj(self, x, y):
        return x | y

    def xor(self, x, y):
        return x ^ y

    def mux(self, select, one, zero):
        return zero ^ (select & (one ^ zero))


class Support:
    """Sets of sources, as the bits of a number, that a value may depend on."""

    zero = one = 0

    def inv(self, x):
        return x

    def conj(self, x, y):
        return x | y

    disj = xor = conj

    def mux(self, select, one, zero):
        return select | one | zero


def vector(bits: Sequence) -> z3.BitVecRef:
    """Bits, the first one lowest, as a bit-vector of the solver."""
    parts = [
        z3.If(bit, z3.BitVecVal(1, 1), z3.BitVecVal(0, 1))
        if not isinstance(bit, bool)
        else z3.BitVecVal(int(bit), 1)
        for bit in bits
    ]
    return z3.Concat(*reversed(parts)) if len(parts) > 1 else parts[0]


def bits_of(value: z3.BitVecRef) -> list[z3.BoolRef]:
    """Bits of a bit-vector, the lowest first."""
    return [z3.Extract(i, i, value) == 1 for i in range(value.size())]


def complement(neg: z3.BoolRef, magnitude: z3.BitVecRef) -> dict[str, z3.BoolRef]:
    """Bits ``t0``, ``t1`` and so on of a signed magnitude in two's complement."""
    value = z3.ZeroExt(1, magnitude)
    return {f"t{j}": bit for j, bit in enumerate(bits_of(z3.If(neg, -value, value)))}
