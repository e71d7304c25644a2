# SPDX-License-Identifier: Apache-2.0
"""What every net of a mapped netlist does, cycle by cycle.

There is no delay: a net takes one value a cycle, so there are no glitches (`synth.power.glitches` has
them). The stream is cut into pieces that are stepped side by side, each from the state in which its
predecessor ended; this is repeated until no state changes any more, which is the same as stepping
through the whole stream and takes a hundredth of the time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec.errors import require
from synth.flow.cells import outputs
from synth.flow.functions import read_function
from synth.power.graph import Instance, Net, Netlist

__all__ = ["Bits", "Trace", "simulate"]

Bits = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Trace:
    """Value of each net in each step, (steps,); ``cycles`` clock cycles lie between the ends.

    Without delays a step is a cycle. The clock itself is not among the nets.
    """

    netlist: Netlist
    values: Mapping[Net, Bits]
    cycles: int

    def port(self, name: str) -> Bits:
        """Values of an output port, (steps, width), low bit first."""
        return np.stack([self.values[net] for net in self.netlist.outputs[name]], axis=1)

    def pins(self, instance: Instance) -> dict[str, Bits]:
        """Values of an instance's pins, of outputs that go nowhere too, but not of its clock."""
        found = {pin: self.values[net] for pin, net in instance.pins.items() if net in self.values}
        ff, known = instance.cell.flip_flop, dict(found)
        if ff is not None:
            for pin, function in instance.outputs.items():
                inverted = function.evaluate({ff.state: False, ff.inverse: True})
                known |= {ff.state: found[pin] ^ inverted, ff.inverse: ~found[pin] ^ inverted}
        return known | {pin: function.evaluate(known) ^ self.values["0"]
                        for pin, function in outputs(instance.cell).items()
                        if pin not in found and function.variables <= known.keys()}

    @cached_property
    def toggles(self) -> dict[Net, int]:
        """Changes of each net."""
        return {net: int((bits[1:] != bits[:-1]).sum()) for net, bits in self.values.items()}


def simulate(netlist: Netlist, inputs: Mapping[str, npt.NDArray[Any]], *, piece: int = 64) -> Trace:
    """Run a stream through a netlist whose flip-flops hold 0 before the first cycle.

    Parameters
    ----------
    netlist
        What is run.
    inputs
        Bits of each input port in each cycle, (cycles, width), low bit first; others are 0.
    piece
        Cycles that are stepped one by one; the result does not depend on it.
    """
    lengths = {len(bits) for bits in inputs.values()}
    require(len(lengths) == 1, "Inputs", "of one length", sorted(lengths))
    cycles = lengths.pop()
    require(cycles >= 2, "Inputs", "of two cycles or more", cycles)
    pieces = -(-cycles // piece)
    values = _sources(netlist, inputs, pieces * piece)
    zeros = np.zeros(pieces * piece, bool)
    values |= {"0": zeros, "1": ~zeros, "x": zeros}
    states = _settle(netlist, values, pieces, piece)
    for register in netlist.registers:
        values |= _stored(register, states[register.name], True)
    for function, causes, net in netlist.program:
        # A tie's function has no input whose shape it could take.
        values[net] = function(True, *(values[cause] for cause in causes)) ^ zeros
    return Trace(netlist, {net: bits[:cycles] for net, bits in values.items()}, cycles - 1)


def _sources(netlist: Netlist, inputs: Mapping[str, npt.NDArray[Any]], length: int
             ) -> dict[Net, Bits]:
    """Values of the input ports' nets, the last one repeated up to ``length``."""
    found: dict[Net, Bits] = {}
    for name, nets in netlist.inputs.items():
        if nets[0] == netlist.clock:
            continue
        bits = np.asarray(inputs.get(name, np.zeros((1, len(nets)))), bool)
        require(bits.ndim == 2 and bits.shape[1] == len(nets), f"Input {name}",
                f"bits of shape (cycles, {len(nets)})", bits.shape)
        filled = np.pad(bits, ((0, length - len(bits)), (0, 0)), "edge")
        found |= {net: np.ascontiguousarray(filled[:, place]) for place, net in enumerate(nets)}
    return found


def _settle(netlist: Netlist, sources: Mapping[Net, Bits], pieces: int, piece: int
            ) -> dict[str, Bits]:
    """State of each register in each cycle, all pieces behind each other.

    While it is stepped a net is an integer with a bit for each piece.
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
    """Columns of ``bits`` as integers, the first row the lowest bit."""
    return [int.from_bytes(column.tobytes(), "little")
            for column in np.packbits(bits.T, axis=1, bitorder="little")]


def _bits(integers: list[int], rows: int) -> Bits:
    """Integers as `_integers` makes them, back in rows behind each other."""
    data = b"".join(number.to_bytes(-(-rows // 8), "little") for number in integers)
    table = np.frombuffer(data, np.uint8).reshape(len(integers), -1)
    found: Bits = np.unpackbits(table, axis=1, bitorder="little")[:, :rows].T.astype(bool).ravel()
    return found


def _next(netlist: Netlist, values: dict[Net, int], state: Mapping[str, int], mask: int
          ) -> dict[str, int]:
    """State behind the next clock edge; ``values`` has those of inputs and constants."""
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
    """Value of a function for each bit of the pins."""
    function, names = _compiled(text)
    value: int = function(mask, *[pins[name] for name in names])
    return value


@cache
def _compiled(text: str) -> tuple[Callable[..., Any], tuple[str, ...]]:
    """Function of a flip-flop and the names that it takes."""
    function = read_function(text)
    return function.compiled(), tuple(sorted(function.variables))


def _stored(register: Instance, state: Any, mask: Any) -> dict[Net, Any]:
    """Values of the nets that a register drives."""
    ff = register.cell.flip_flop
    assert ff is not None
    pins = {ff.state: state, ff.inverse: state ^ mask}
    return {register.pins[pin]: pins[function.text] if function.operator == "name"
            else pins[function.inputs[0].text] ^ mask
            for pin, function in register.outputs.items()}
