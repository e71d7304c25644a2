# SPDX-License-Identifier: Apache-2.0
"""Which port clocks a mapped netlist, and why some netlists cannot be timed.

Each clock pin is traced back through gates to the ports and registers that drive it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import product

from hw.spec.errors import SpecError
from synth.flow.cells import outputs
from synth.flow.functions import Function, read_function
from synth.flow.liberty import Cell, Library
from synth.flow.netlists import CellInstance, aliases, instances, ports
from synth.record import NotDone


@dataclass(frozen=True, slots=True)
class Clocking:
    """How a flat netlist is clocked.

    ``port`` is the bit of a port that clocks it, None without flip-flops. ``is_falling`` is
    whether its falling edge alone does. ``is_uniform`` is whether every path between flip-flops
    lasts a whole period: one edge, no latch, and a clock that is at clock pins only. ``latches`` is
    their number.
    """

    port: str | None
    is_falling: bool = False
    is_uniform: bool = True
    latches: int = 0


@dataclass(frozen=True, slots=True)
class _Cone:
    """What drives a clock pin: ports and registers, and whether only buffers are in between.

    ``ports`` are by name; their values tell whether the pin follows the port, its inverse, or both.
    """

    ports: Mapping[str, set[bool]]
    registers: frozenset[str]
    is_direct: bool


def find_clock(module: str, library: Library, wanted: str | None = None) -> Clocking:
    """Find the clock of a flat netlist.

    Parameters
    ----------
    module, library
        The netlist and its cells.
    wanted
        Port that is the clock, where the netlist alone does not tell.

    Raises
    ------
    NotDone
        If there are several clocks, a register drives the clock, or latches have another enable.
    SpecError
        If ``wanted`` clocks nothing.
    """
    netlist = _Drivers(module, library)
    flip_flops, latches = netlist.flip_flops, netlist.latches
    cones = {name: netlist.cone(net) for name, (net, _) in flip_flops.items()}
    if wanted is not None and not any(
        wanted in (port, shown(port)) for cone in cones.values() for port in cone.ports
    ):
        known = sorted({shown(port) for cone in cones.values() for port in cone.ports})
        raise SpecError(
            f"Clock port must be one of {', '.join(known) or 'none (no flip-flops)'}, "
            f"not {wanted!r}"
        )
    if not flip_flops:
        if latches:
            raise NotDone(f"{len(latches)} latches and no flip-flop: there is no clock to time")
        return Clocking(None)
    port = _port(cones, wanted)
    enables = {name: netlist.cone(net) for name, net in latches.items()}
    strange = sorted({p for cone in enables.values() if port not in cone.ports for p in cone.ports})
    free = [name for name, cone in enables.items() if port not in cone.ports]
    if free:
        by = f" ({', '.join(map(shown, strange[:3]))})" if strange else ""
        raise NotDone(f"{len(free)} latches with an enable{by} that is not the clock {shown(port)}")
    edges = {
        inverted != falling
        for name, (_, falling) in flip_flops.items()
        for inverted in cones[name].ports[port]
    }
    is_uniform = len(edges) == 1 and not latches and netlist.is_plain(port)
    return Clocking(port, edges == {True}, is_uniform, len(latches))


def _port(cones: Mapping[str, _Cone], wanted: str | None) -> str:
    """The one port that clocks all flip-flops."""
    direct = sorted({port for cone in cones.values() if cone.is_direct for port in cone.ports})
    if len(direct) > 1:
        raise NotDone(f"several clocks: {', '.join(map(shown, direct))}")
    shared = set.intersection(*(set(cone.ports) for cone in cones.values()))
    if wanted is not None:
        named = {port for port in shared if wanted in (port, shown(port))}
    else:
        named = shared & set(direct) if direct else shared
    if len(named) == 1:
        return named.pop()
    divided = [cone for cone in cones.values() if not cone.ports]
    if divided:
        number = len(divided)
        source = shown(min(min(cone.registers, default="a constant") for cone in divided))
        raise NotDone(f"divided clock: {source} clocks {number} flip-flops")
    if shared and wanted is None and not direct:
        choice = sorted(map(shown, shared))
        raise NotDone(
            f"gated clock, {' or '.join(choice)} may be the clock: give --clock-port NAME"
        )
    every = sorted({shown(port) for cone in cones.values() for port in cone.ports})
    raise NotDone(f"several clocks: {', '.join(every)}")


def shown(name: str) -> str:
    """A name of Verilog as people write it, without the escape."""
    return name.removeprefix("\\").replace(" ", "")


@dataclass(frozen=True)
class _Drivers:
    """A flat netlist as a graph of its clock pins."""

    module: str
    library: Library

    @cached_property
    def inputs(self) -> set[str]:
        """Bits of input ports."""
        return {
            bit.strip()
            for port in ports(self.module)
            if port.direction == "input"
            for bit in port.bits()
        }

    @cached_property
    def aliases(self) -> dict[str, str]:
        """Nets that are assigned, with what they are assigned."""
        return aliases(self.module)

    @cached_property
    def placed(self) -> list[tuple[CellInstance, Cell]]:
        """Instances and their cells."""
        return [
            (instance, self.library.cells[instance.cell]) for instance in instances(self.module)
        ]

    @cached_property
    def drivers(self) -> dict[str, tuple[CellInstance, Cell, Function]]:
        """Instance that drives each net, and the function of its output."""
        return {
            instance.nets[pin].strip(): (instance, cell, function)
            for instance, cell in self.placed
            for pin, function in outputs(cell).items()
            if instance.nets.get(pin, "").strip()
        }

    @cached_property
    def flip_flops(self) -> dict[str, tuple[list[str], bool]]:
        """Clock nets of each flip-flop, and whether it stores at the falling edge."""
        found = {}
        for instance, cell in self.placed:
            if cell.flip_flop:
                function = read_function(cell.flip_flop.clock)
                nets = [instance.nets[pin] for pin in sorted(function.variables)]
                found[instance.name] = (nets, function.operator == "~")
        return found

    @cached_property
    def latches(self) -> dict[str, list[str]]:
        """Nets of the enable of each latch."""
        return {
            instance.name: [
                instance.nets[pin] for pin in sorted(read_function(cell.enable).variables)
            ]
            for instance, cell in self.placed
            if cell.enable is not None
        }

    def is_plain(self, port: str) -> bool:
        """Whether a port is connected to clock pins of flip-flops and to nothing else."""
        clocked = {
            (instance.name, pin)
            for instance, cell in self.placed
            if cell.flip_flop
            for pin in read_function(cell.flip_flop.clock).variables
        }
        loads = {
            (instance.name, pin)
            for instance, _ in self.placed
            for pin, net in instance.nets.items()
            if net.strip() == port
        }
        return loads == clocked and port not in self.aliases.values()

    def cone(self, nets: Sequence[str]) -> _Cone:
        """What drives ``nets``."""
        found: dict[str, set[bool]] = {}
        registers: set[str] = set()
        is_direct = len(nets) == 1
        todo, seen = [(net.strip(), False) for net in nets], set[tuple[str, bool]]()
        while todo:
            net, inverted = todo.pop()
            net = self.aliases.get(net, net)
            if (net, inverted) in seen:
                continue
            seen.add((net, inverted))
            if net in self.inputs:
                found.setdefault(net, set()).add(inverted)
            elif net in self.drivers:
                instance, cell, function = self.drivers[net]
                if cell.is_register:
                    registers.add(net)
                    is_direct = False
                    continue
                is_direct &= len(function.variables) == 1
                todo += [
                    (instance.nets[pin].strip(), inverted != sense)
                    for pin in sorted(function.variables)
                    for sense in senses(function, pin)
                ]
        return _Cone(found, frozenset(registers), is_direct)


@cache
def senses(function: Function, pin: str) -> frozenset[bool]:
    """How a function follows one of its variables: False as it is, True inverted."""
    others = sorted(function.variables - {pin})
    found = set()
    for values in product((False, True), repeat=len(others)):
        known = dict(zip(others, values, strict=True))
        low, high = (bool(function.evaluate(known | {pin: value})) for value in (False, True))
        if low != high:
            found.add(low)
    return frozenset(found)
