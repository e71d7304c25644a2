# SPDX-License-Identifier: Apache-2.0
"""Mapped netlists as data: instances of a library's cells and the nets between them."""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from hw.emit.yosys import run_yosys
from hw.spec.errors import require
from synth.flow.cells import has_model, outputs
from synth.flow.functions import Function, read_function
from synth.flow.liberty import Cell, Library

__all__ = ["Instance", "Net", "Netlist", "read_netlist"]

#: A net by number, or a constant "0" or "1"; what nothing drives is "x".
Net = int | str


@dataclass(frozen=True)
class Instance:
    """Cell of a netlist and the net on each of its pins that has one."""

    name: str
    cell: Cell
    pins: Mapping[str, Net]

    @cached_property
    def outputs(self) -> dict[str, Function]:
        """Function of each output that is connected."""
        return {pin: function for pin, function in outputs(self.cell).items() if pin in self.pins}


@dataclass(frozen=True)
class Netlist:
    """Flat netlist: ports as nets, low bit first, and instances in the file's order.

    ``inputs`` and ``outputs`` are by port; ``clock`` is the net of the port ``clk``, if any.
    """

    top: str
    inputs: Mapping[str, tuple[Net, ...]]
    outputs: Mapping[str, tuple[Net, ...]]
    instances: tuple[Instance, ...]

    @property
    def clock(self) -> Net | None:
        """Net of the clock."""
        return self.inputs["clk"][0] if "clk" in self.inputs else None

    @cached_property
    def registers(self) -> list[Instance]:
        """Flip-flops."""
        return [instance for instance in self.instances if instance.cell.flip_flop]

    @cached_property
    def program(self) -> list[tuple[Callable[..., Any], tuple[Net, ...], Net]]:
        """The gates' functions in order, compiled, with the nets they take and the one they drive.
        """
        return [(function.compiled(), tuple(gate.pins[name] for name in sorted(function.variables)),
                 gate.pins[pin]) for gate in self.gates for pin, function in gate.outputs.items()]

    @cached_property
    def gates(self) -> list[Instance]:
        """All but the flip-flops, each behind those that drive it; SpecError in a loop."""
        drivers = {instance.pins[pin]: instance for instance in self.instances
                   for pin in instance.outputs if not instance.cell.flip_flop}
        done: dict[str, Instance] = {}
        for net in drivers:
            self._visit(net, drivers, done)
        return list(done.values())

    def _visit(self, net: Net, drivers: Mapping[Net, Instance], done: dict[str, Instance]) -> None:
        """Add what drives ``net`` behind all that it needs, without recursion."""
        stack, open_ = [(drivers[net], self._sources(drivers[net], drivers))], {net}
        while stack:
            instance, sources = stack[-1]
            source = next(sources, None)
            if source is None:
                done.setdefault(instance.name, instance)
                open_ -= set(instance.pins.values())
                stack.pop()
            elif drivers[source].name not in done:
                require(source not in open_, f"Netlist {self.top}", "free of loops of gates",
                        instance.name)
                open_.add(source)
                stack.append((drivers[source], self._sources(drivers[source], drivers)))

    @staticmethod
    def _sources(instance: Instance, drivers: Mapping[Net, Instance]) -> Iterator[Net]:
        """Nets on the inputs of ``instance`` that gates drive."""
        return iter([instance.pins[pin.name] for pin in instance.cell.pins_of("input")
                     if instance.pins.get(pin.name) in drivers])

    @cached_property
    def loads(self) -> dict[Net, float]:
        """Capacitance of the pins on each net in farad; wires and output ports have none."""
        found: dict[Net, float] = {}
        for instance in self.instances:
            for pin in instance.cell.pins_of("input"):
                net = instance.pins.get(pin.name, "x")
                found[net] = found.get(net, 0.0) + pin.capacitance
        return found


def read_netlist(verilog: str, top: str, library: Library) -> Netlist:
    """Read a netlist of cells of ``library``, flat or not; below the top it is flattened.

    Raises
    ------
    SpecError
        If a cell is not in the library or has no model, or a flip-flop is not clocked by the rising
        edge of the port ``clk``.
    YosysError
        If the text is no Verilog.
    """
    with tempfile.TemporaryDirectory(prefix="netlist-") as scratch:
        folder = Path(scratch)
        (folder / "mapped.v").write_text(verilog, encoding="utf-8")
        run_yosys("read_verilog mapped.v\nflatten\nwrite_json mapped.json", cwd=folder)
        modules = json.loads((folder / "mapped.json").read_text(encoding="utf-8"))["modules"]
    require(top in modules, "Netlist", f"one with a module {top}", sorted(modules))
    module = modules[top]
    ports = {way: {name: tuple(port["bits"]) for name, port in module["ports"].items()
                   if port["direction"] == way} for way in ("input", "output")}
    instances = tuple(_instance(name, cell, library) for name, cell in module["cells"].items()
                      if cell["type"] != "$scopeinfo")
    netlist = Netlist(top, ports["input"], ports["output"], instances)
    for register in netlist.registers:
        _require_clock(register, netlist)
    return netlist


def _instance(name: str, cell: Mapping[str, Any], library: Library) -> Instance:
    """Instance of the JSON netlist."""
    kind = cell["type"]
    require(kind in library.cells and has_model(library.cells[kind]), "Netlist cell",
            f"one with a model in the library {library.name}", kind)
    return Instance(name, library.cells[kind], {pin: bits[0] for pin, bits in
                                                cell["connections"].items() if bits})


def _require_clock(register: Instance, netlist: Netlist) -> None:
    """Raise unless the register has the clock of the netlist."""
    assert register.cell.flip_flop is not None
    function = read_function(register.cell.flip_flop.clock)
    rising = function.operator == "name" and register.pins.get(function.text) == netlist.clock
    require(rising, f"Netlist {netlist.top}", "clocked by the rising edge of clk alone",
            register.name)
