# SPDX-License-Identifier: Apache-2.0
"""Read mapped netlists and simulate every net, cycle by cycle.

The simulation has no delays: a net has one value per cycle, so there are no glitches (those are in
`synth.power.glitches`). The stream is split into pieces that are simulated in parallel. Each piece
starts from the final state of the piece before; this repeats until no state changes. The result
equals stepping through the whole stream, but takes a hundredth of the time.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.emit.yosys import run_yosys
from hw.spec.errors import SpecError, require
from synth.flow.cells import has_model, outputs
from synth.flow.functions import Function, read_function
from synth.flow.liberty import Cell, Library

#: A net by number, or a constant "0" or "1"; an undriven net is "x".
Net = int | str


@dataclass(frozen=True)
class Instance:
    """Cell of a netlist, and the net on each connected pin."""

    name: str
    cell: Cell
    pins: Mapping[str, Net]

    @cached_property
    def outputs(self) -> dict[str, Function]:
        """Function of each connected output."""
        return {pin: function for pin, function in outputs(self.cell).items() if pin in self.pins}


@dataclass(frozen=True)
class Netlist:
    """Flat netlist: ports as nets, low bit first, and instances in the file's order.

    ``inputs`` and ``outputs`` are by port. ``clock`` is the net of the port ``clock_port``, None
    without that port.
    """

    top: str
    inputs: Mapping[str, tuple[Net, ...]]
    outputs: Mapping[str, tuple[Net, ...]]
    instances: tuple[Instance, ...]
    clock_port: str = "clk"

    @property
    def clock(self) -> Net | None:
        """Net of the clock."""
        return self.inputs[self.clock_port][0] if self.clock_port in self.inputs else None

    @cached_property
    def registers(self) -> list[Instance]:
        """Flip-flops."""
        return [instance for instance in self.instances if instance.cell.flip_flop]

    @cached_property
    def program(self) -> list[tuple[Callable[..., Any], tuple[Net, ...], Net]]:
        """Compiled functions of the gates in order, with the nets that they read and drive."""
        return [
            (
                function.compiled(),
                tuple(gate.pins[name] for name in sorted(function.variables)),
                gate.pins[pin],
            )
            for gate in self.gates
            for pin, function in gate.outputs.items()
        ]

    @cached_property
    def gates(self) -> list[Instance]:
        """All cells except flip-flops in topological order. Raises SpecError on a loop."""
        drivers = {
            instance.pins[pin]: instance
            for instance in self.instances
            for pin in instance.outputs
            if not instance.cell.flip_flop
        }
        done: dict[str, Instance] = {}
        for net in drivers:
            self._visit(net, drivers, done)
        return list(done.values())

    def _visit(self, net: Net, drivers: Mapping[Net, Instance], done: dict[str, Instance]) -> None:
        """Add the driver of ``net`` after all of its own drivers, without recursion."""
        stack, open_ = [(drivers[net], self._sources(drivers[net], drivers))], {net}
        while stack:
            instance, sources = stack[-1]
            source = next(sources, None)
            if source is None:
                done.setdefault(instance.name, instance)
                open_ -= set(instance.pins.values())
                stack.pop()
            elif drivers[source].name not in done:
                if source in open_:
                    raise SpecError(
                        f"Netlist {self.top} has a combinational loop through {instance.name!r}"
                    )
                open_.add(source)
                stack.append((drivers[source], self._sources(drivers[source], drivers)))

    @staticmethod
    def _sources(instance: Instance, drivers: Mapping[Net, Instance]) -> Iterator[Net]:
        """Nets on the inputs of ``instance`` that gates drive."""
        return iter(
            [
                instance.pins[pin.name]
                for pin in instance.cell.pins_of("input")
                if instance.pins.get(pin.name) in drivers
            ]
        )

    @cached_property
    def loads(self) -> dict[Net, float]:
        """Pin capacitance on each net in farad. Wires and output ports have none."""
        by_net: dict[Net, float] = {}
        for instance in self.instances:
            for pin in instance.cell.pins_of("input"):
                net = instance.pins.get(pin.name, "x")
                by_net[net] = by_net.get(net, 0.0) + pin.capacitance
        return by_net


def read_netlist(verilog: str, top: str, library: Library, clock_port: str = "clk") -> Netlist:
    """Read a netlist of cells of ``library``. Hierarchy below the top is flattened.

    Raises
    ------
    SpecError
        If a cell is not in the library or has no model, or a flip-flop is not clocked by the rising
        edge of the port ``clock_port``.
    YosysError
        If the text is not Verilog.
    """
    with tempfile.TemporaryDirectory(prefix="netlist-") as scratch:
        folder = Path(scratch)
        (folder / "mapped.v").write_text(verilog, encoding="utf-8")
        run_yosys("read_verilog mapped.v\nflatten\nwrite_json mapped.json", cwd=folder)
        modules = json.loads((folder / "mapped.json").read_text(encoding="utf-8"))["modules"]
    require(top in modules, "Netlist", f"one with a module {top}", sorted(modules))
    module = modules[top]
    ports = {
        way: {
            name: tuple(port["bits"])
            for name, port in module["ports"].items()
            if port["direction"] == way
        }
        for way in ("input", "output")
    }
    instances = []
    for name, cell in module["cells"].items():
        kind = cell["type"]
        if kind != "$scopeinfo":
            require(
                kind in library.cells and has_model(library.cells[kind]),
                "Netlist cell",
                f"one with a model in the library {library.name}",
                kind,
            )
            instances.append(
                Instance(
                    name,
                    library.cells[kind],
                    {pin: bits[0] for pin, bits in cell["connections"].items() if bits},
                )
            )
    netlist = Netlist(top, ports["input"], ports["output"], tuple(instances), clock_port)
    for register in netlist.registers:
        assert register.cell.flip_flop is not None
        function = read_function(register.cell.flip_flop.clock)
        rising = function.operator == "name" and register.pins.get(function.text) == netlist.clock
        if not rising:
            raise SpecError(
                f"Flip-flop {register.name!r} of netlist {top} must be clocked by the rising "
                f"edge of {clock_port}"
            )
    return netlist


Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Trace:
    """Value of each net in each step, (steps,), over ``cycles`` clock cycles.

    Without delays, a step is a cycle. The clock is not included.
    """

    netlist: Netlist
    values: Mapping[Net, Bits]
    cycles: int

    def port(self, name: str) -> Bits:
        """Values of an output port, (steps, width), low bit first."""
        return np.stack([self.values[net] for net in self.netlist.outputs[name]], axis=1)

    def pins(self, instance: Instance) -> dict[str, Bits]:
        """Values of an instance's pins, including unconnected outputs but not the clock."""
        by_pin = {pin: self.values[net] for pin, net in instance.pins.items() if net in self.values}
        ff, known = instance.cell.flip_flop, dict(by_pin)
        if ff is not None:
            for pin, function in instance.outputs.items():
                inverted = function.evaluate({ff.state: False, ff.inverse: True})
                known |= {ff.state: by_pin[pin] ^ inverted, ff.inverse: ~by_pin[pin] ^ inverted}
        return known | {
            pin: function.evaluate(known) ^ self.values["0"]
            for pin, function in outputs(instance.cell).items()
            if pin not in by_pin and function.variables <= known.keys()
        }

    @cached_property
    def toggles(self) -> dict[Net, int]:
        """Number of changes of each net."""
        return {net: int((bits[1:] != bits[:-1]).sum()) for net, bits in self.values.items()}


def simulate(netlist: Netlist, inputs: Mapping[str, npt.NDArray[Any]], *, piece: int = 64) -> Trace:
    """Simulate a netlist on a stream. Flip-flops start at 0.

    Parameters
    ----------
    netlist
        The netlist.
    inputs
        Bits of each input port in each cycle, (cycles, width), low bit first. Other ports are 0.
    piece
        Cycles per piece; the result does not depend on it.
    """
    lengths = {len(bits) for bits in inputs.values()}
    require(len(lengths) == 1, "Inputs", "arrays of equal length", sorted(lengths))
    cycles = lengths.pop()
    require(cycles >= 2, "Inputs", "arrays of two or more cycles", cycles)
    pieces = -(-cycles // piece)
    values = _sources(netlist, inputs, pieces * piece)
    zeros = np.zeros(pieces * piece, bool)
    values |= {"0": zeros, "1": ~zeros, "x": zeros}
    states = _settle(netlist, values, pieces, piece)
    for register in netlist.registers:
        values |= _stored(register, states[register.name], True)
    for function, causes, net in netlist.program:
        # A tie cell has no input from which to take the shape.
        values[net] = function(True, *(values[cause] for cause in causes)) ^ zeros
    return Trace(netlist, {net: bits[:cycles] for net, bits in values.items()}, cycles - 1)


def _sources(
    netlist: Netlist, inputs: Mapping[str, npt.NDArray[Any]], length: int
) -> dict[Net, Bits]:
    """Values of the nets of input ports; the last value is repeated up to ``length``."""
    sources: dict[Net, Bits] = {}
    for name, nets in netlist.inputs.items():
        if nets[0] == netlist.clock:
            continue
        bits = np.asarray(inputs.get(name, np.zeros((1, len(nets)))), bool)
        require(
            bits.ndim == 2 and bits.shape[1] == len(nets),
            f"Input {name}",
            f"bits of shape (cycles, {len(nets)})",
            bits.shape,
        )
        filled = np.pad(bits, ((0, length - len(bits)), (0, 0)), "edge")
        sources |= {net: np.ascontiguousarray(filled[:, place]) for place, net in enumerate(nets)}
    return sources


def _settle(
    netlist: Netlist, sources: Mapping[Net, Bits], pieces: int, piece: int
) -> dict[str, Bits]:
    """State of each register in each cycle, with the pieces concatenated.

    During simulation, a net is an integer with one bit per piece.
    """
    packed = {net: _integers(bits.reshape(pieces, piece)) for net, bits in sources.items()}
    start = {register.name: 0 for register in netlist.registers}
    mask = (1 << pieces) - 1
    history: list[dict[str, int]] = []
    for _ in range(pieces + 1):
        history, state = [], start
        for step in range(piece):
            history.append(state)
            state = _next(netlist, {net: bits[step] for net, bits in packed.items()}, state, mask)
        shifted = {name: bits << 1 & mask for name, bits in state.items()}
        if shifted == start:
            break
        start = shifted
    return {name: _bits([state[name] for state in history], pieces) for name in start}


def _integers(bits: Bits) -> list[int]:
    """Columns of ``bits`` as integers; the first row is the lowest bit."""
    return [
        int.from_bytes(column.tobytes(), "little")
        for column in np.packbits(bits.T, axis=1, bitorder="little")
    ]


def _bits(integers: list[int], rows: int) -> Bits:
    """Inverse of `_integers`, with the rows concatenated."""
    data = b"".join(number.to_bytes(-(-rows // 8), "little") for number in integers)
    table = np.frombuffer(data, np.uint8).reshape(len(integers), -1)
    bits: Bits = np.unpackbits(table, axis=1, bitorder="little")[:, :rows].T.astype(bool).ravel()
    return bits


def _next(
    netlist: Netlist, values: dict[Net, int], state: Mapping[str, int], mask: int
) -> dict[str, int]:
    """State after the next clock edge. ``values`` holds inputs and constants."""
    for register in netlist.registers:
        values |= _stored(register, state[register.name], mask)
    for function, causes, net in netlist.program:
        values[net] = function(mask, *[values[cause] for cause in causes])
    following = {}
    for register in netlist.registers:
        ff = register.cell.flip_flop
        assert ff is not None
        pins = {pin: values[net] for pin, net in register.pins.items() if net in values}
        pins |= {ff.state: state[register.name], ff.inverse: mask ^ state[register.name]}
        after = _apply(ff.next_state, pins, mask)
        for text, value in ((ff.preset, mask), (ff.clear, 0)):
            if text is not None:
                forced = _apply(text, pins, mask)
                after = after & (mask ^ forced) | forced & value
        following[register.name] = after
    return following


def _apply(text: str, pins: Mapping[str, int], mask: int) -> int:
    """Evaluate a function bitwise on the values of the pins."""
    function, names = _compiled(text)
    value: int = function(mask, *[pins[name] for name in names])
    return value


@cache
def _compiled(text: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Compiled function of a flip-flop and the names of its arguments."""
    function = read_function(text)
    return function.compiled(), tuple(sorted(function.variables))


def _stored(register: Instance, state: Any, mask: Any) -> dict[Net, Any]:
    """Values of the nets that a register drives."""
    ff = register.cell.flip_flop
    assert ff is not None
    pins = {ff.state: state, ff.inverse: state ^ mask}
    return {
        register.pins[pin]: pins[function.text]
        if function.operator == "name"
        else pins[function.inputs[0].text] ^ mask
        for pin, function in register.outputs.items()
    }
