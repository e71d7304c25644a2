# SPDX-License-Identifier: Apache-2.0
"""Modules that place other modules as instances, so that each becomes one Verilog module.

Amaranth resolves each bit of a bus separately, which takes minutes for the buses of an array.
Regular structures (rows, the grid, delays of vectors, wide memories) are therefore described as a
`Netlist` of ports, wires, vector registers, memories and instances, and written as Verilog
directly. Logic is described in Amaranth; such components use `instantiate`.
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
        Ports except clock and reset, which every module has.
    """

    module_name: str
    ports: list[Port]
    children: dict[str, Any] = field(default_factory=dict)
    _wires: list[str] = field(default_factory=list)
    _body: list[str] = field(default_factory=list)

    def wire(self, name: str, width: int) -> str:
        """Declare a wire; return its name."""
        self._wires.append(f"  wire [{width - 1}:0] {name};")
        return name

    def register(
        self, name: str, width: int, source: str, *, enable: str, reset: bool = False
    ) -> str:
        """Declare a register that loads ``source`` while ``enable`` is 1; return its name.

        With ``reset``, the module's reset clears it even if it is not enabled.
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
        """Declare a memory with one write port and one read port, like a block RAM.

        The initial contents are undefined. So is the value read from a word while it is written.
        Returns the name of the register with the value read.

        Parameters
        ----------
        name, width, depth
            Name, bits per word, and number of words.
        write, read
            Enable and address; the write enable has one bit for each entry of ``data``.
        data
            Source of each range of bits of a word.
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
        """Add an instance of ``child``; children of the same module name share one module."""
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
        """Add an instance of ``child`` with its ports connected to wires of the same names.

        ``wires`` connects ports to other wires. For ports in ``declare`` the wires are declared.
        """
        ports = [port for port in module_ports(child) if port not in CLOCKING]
        for port in ports:
            if port.name in declare:
                self.wire(port.name, port.width)
        self.instantiate(
            child, name, **{port.name: wires.get(port.name, port.name) for port in ports}
        )

    def verilog(self) -> str:
        """Verilog of this module only."""
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
        """Range of a port; a port of one bit without part-selects is a scalar."""
        scalar = port.width == 1 and not re.search(rf"\b{port.name}\[", body)
        return "" if scalar else f"[{port.width - 1}:0] "


def module_ports(module: "Netlist | wiring.Component") -> list[Port]:
    """Verilog ports of a module, clock and reset first."""
    if isinstance(module, Netlist):
        return [*CLOCKING, *module.ports]
    ports = list(CLOCKING)
    for path, member, value in module.signature.flatten(module):
        direction = "input" if member.flow is wiring.In else "output"
        ports.append(Port("__".join(map(str, path)), len(Value.cast(value)), direction))
    return ports


class Hierarchy:
    """Elaboration platform that creates instances and collects their components.

    Without it, a component elaborates to one tree for Amaranth's simulator.
    """

    def __init__(self) -> None:
        #: Components by module name, in the order of their first use.
        self.components: dict[str, wiring.Component] = {}

    def instance(self, component: Any) -> Instance:
        """Instance of the component's module, connected to the component's ports."""
        self.components.setdefault(component.module_name, component)
        ports = {}
        for path, member, value in component.signature.flatten(component):
            prefix = "i" if member.flow is wiring.In else "o"
            ports[f"{prefix}_{'__'.join(map(str, path))}"] = value
        return Instance(component.module_name, i_clk=ClockSignal(), i_rst=ResetSignal(), **ports)


def instantiate(m: Module, platform: Any, component: wiring.Component, *, name: str) -> None:
    """Add ``component`` to ``m`` as ``name``; it needs a clock and a ``module_name``."""
    m.submodules[name] = (
        platform.instance(component) if isinstance(platform, Hierarchy) else component
    )
