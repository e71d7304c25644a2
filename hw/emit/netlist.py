# SPDX-License-Identifier: Apache-2.0
"""Modules that place others as instances, so that each becomes one Verilog module of its own.

Amaranth resolves every bit of every bus on its own, which for an array's buses takes minutes. What
is regular (rows, the grid, delays of whole vectors, wide memories) is therefore described as a
`Netlist`: ports, wires, registers of vectors, memories and instances, written as Verilog directly.
Logic stays in Amaranth, whose components `instantiate` others.
"""

import re
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from amaranth import *
from amaranth.hdl import Value
from amaranth.lib import wiring


@dataclass(frozen=True, slots=True)
class Port:
    """Port of a module; ``direction`` is ``input`` or ``output``."""

    name: str
    width: int
    direction: str


CLOCKING = (Port("clk", 1, "input"), Port("rst", 1, "input"))


def lane(vector: str, index: int, width: int) -> str:
    """Part-select of one lane of a vector."""
    return f"{vector}[{(index + 1) * width - 1}:{index * width}]"


@dataclass(slots=True)
class Netlist:
    """Module made of wires, vector registers, memories and instances.

    Parameters
    ----------
    module_name
        Name of the Verilog module.
    ports
        Ports without clock and reset, which every module has.
    """

    module_name: str
    ports: list[Port]
    children: dict[str, Any] = field(default_factory=dict)
    _wires: list[str] = field(default_factory=list)
    _body: list[str] = field(default_factory=list)

    def wire(self, name: str, width: int) -> str:
        """Declare a wire; gives its name."""
        self._wires.append(f"  wire [{width - 1}:0] {name};")
        return name

    def register(
        self, name: str, width: int, source: str, *, enable: str, reset: bool = False
    ) -> str:
        """Declare a register that takes ``source`` while ``enable``; gives its name.

        With ``reset`` the module's reset clears it, whether enabled or not.
        """
        self._wires.append(f"  reg [{width - 1}:0] {name};")
        clear = f"if (rst) {name} <= 0; else " if reset else ""
        self._body.append(f"  always @(posedge clk) {clear}if ({enable}) {name} <= {source};")
        return name

    def memory(
        self,
        name: str,
        width: int,
        depth: int,
        *,
        write: tuple[str, str],
        data: dict[str, str],
        read: tuple[str, str],
    ) -> str:
        """Declare a memory with a port that writes and one that reads, as block RAM has them.

        It starts with whatever is in it. What a word reads as while it is written is up to the
        memory. Gives the name of the register with what was read.

        Parameters
        ----------
        name, width, depth
            Words of ``width`` bits.
        write, read
            Enable and address; the enable that writes is one bit for each entry of ``data``.
        data
            What is written, by range of the word.
        """
        self._wires += [
            f"  reg [{width - 1}:0] {name} [0:{depth - 1}];",
            f"  reg [{width - 1}:0] {name}_q;",
        ]
        self._body.append("  always @(posedge clk) begin")
        self._body += [
            f"    if ({write[0]}[{place}]) {name}[{write[1]}][{bits}] <= {source};"
            for place, (bits, source) in enumerate(data.items())
        ]
        self._body += [f"    if ({read[0]}) {name}_q <= {name}[{read[1]}];", "  end"]
        return f"{name}_q"

    def assign(self, target: str, source: str) -> None:
        """Drive a wire or an output."""
        self._body.append(f"  assign {target} = {source};")

    def instantiate(self, child: Any, name: str, **connections: str) -> None:
        """Instance of ``child``, of which only the first of its module name is kept."""
        child = self.children.setdefault(child.module_name, child)
        known = {port.name for port in module_ports(child)} - {port.name for port in CLOCKING}
        if unknown := set(connections) - known:
            raise KeyError(f"{child.module_name} has no port {', '.join(sorted(unknown))}")
        wires = ", ".join(
            f".{port}({wire})"
            for port, wire in ({port.name: port.name for port in CLOCKING} | connections).items()
        )
        self._body.append(f"  {child.module_name} {name} ({wires});")

    def join(self, child: Any, name: str, *, declare: Container[str] = (), **wires: str) -> None:
        """Instance of ``child``, whose ports are joined to the wires of their own names.

        Ports among ``wires`` are joined to those instead; wires of those in ``declare`` are
        declared here.
        """
        ports = [port for port in module_ports(child) if port not in CLOCKING]
        for port in ports:
            if port.name in declare:
                self.wire(port.name, port.width)
        self.instantiate(
            child, name, **{port.name: wires.get(port.name, port.name) for port in ports}
        )

    def verilog(self) -> str:
        """Text of this module alone."""
        ports = module_ports(self)
        body = "\n".join(self._body)
        declarations = [
            f"  {port.direction} {self._range(port, body)}{port.name};" for port in ports
        ]
        return "\n".join(
            [
                f"module {self.module_name}({', '.join(port.name for port in ports)});",
                *declarations,
                *self._wires,
                body,
                "endmodule",
                "",
            ]
        )

    def _range(self, port: Port, body: str) -> str:
        """Range of a port; one bit that no part-select names is a scalar."""
        scalar = port.width == 1 and not re.search(rf"\b{port.name}\[", body)
        return "" if scalar else f"[{port.width - 1}:0] "


def module_ports(module: "Netlist | wiring.Component") -> list[Port]:
    """Ports of a module in Verilog, clock and reset first."""
    if isinstance(module, Netlist):
        return [*CLOCKING, *module.ports]
    ports = list(CLOCKING)
    for path, member, value in module.signature.flatten(module):
        direction = "input" if member.flow is wiring.In else "output"
        ports.append(Port("__".join(map(str, path)), len(Value.cast(value)), direction))
    return ports


class Hierarchy:
    """Elaboration platform that places instances and collects the components behind them.

    Elaborated without it, a component is one tree that Amaranth's own simulator runs.
    """

    def __init__(self) -> None:
        #: Components by module name, in order of placing.
        self.components: dict[str, wiring.Component] = {}

    def instance(self, component: Any) -> Instance:
        """Instance of the component's module, wired to the component's own ports."""
        self.components.setdefault(component.module_name, component)
        ports = {}
        for path, member, value in component.signature.flatten(component):
            prefix = "i" if member.flow is wiring.In else "o"
            ports[f"{prefix}_{'__'.join(map(str, path))}"] = value
        return Instance(component.module_name, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)


def instantiate(m: Module, platform: Any, component: wiring.Component, *, name: str) -> None:
    """Add ``component``, which is clocked and has a ``module_name``, to ``m`` as ``name``."""
    m.submodules[name] = (
        platform.instance(component) if isinstance(platform, Hierarchy) else component
    )
