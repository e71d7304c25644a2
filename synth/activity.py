# SPDX-License-Identifier: Apache-2.0
"""What every net of a mapped netlist does, cycle by cycle.

There is no delay: a net takes one value a cycle, so there are no glitches (`synth.glitches` has
them). The stream is cut into pieces that are stepped side by side, each from the state in which its
predecessor ended; this is repeated until no state changes any more, which is the same as stepping
through the whole stream and takes a hundredth of the time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec.errors import require
from synth.cells import outputs
from synth.functions import read_function
from synth.graph import Instance, Net, Netlist

__all__ = ["Bits", "Trace", "simulate"]

Bits = npt.NDArray[np.bool_]
State = dict[str, Bits]


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
    sources = _sources(netlist, inputs, pieces * piece)
    states = _settle(netlist, sources, pieces, piece)
    values = sources | _constants(pieces * piece)
    for register in netlist.registers:
        values |= _stored(register, states[register.name])
    evaluate(netlist, values)
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


def _constants(length: int) -> dict[Net, Bits]:
    """Values of the nets that are constants."""
    return {"0": np.zeros(length, bool), "1": np.ones(length, bool), "x": np.zeros(length, bool)}


def _settle(netlist: Netlist, sources: Mapping[Net, Bits], pieces: int, piece: int) -> State:
    """State of each register in each cycle, all pieces behind each other."""
    split = {net: bits.reshape(pieces, piece).T for net, bits in sources.items()}
    start = {register.name: np.zeros(pieces, bool) for register in netlist.registers}
    history: list[State] = []
    for _ in range(pieces + 1):
        history, state = [], start
        for step in range(piece):
            history.append(state)
            state = _next(netlist, {net: bits[step] for net, bits in split.items()}, state, pieces)
        shifted = {name: np.concatenate([[False], bits[:-1]]) for name, bits in state.items()}
        if all((shifted[name] == start[name]).all() for name in start):
            break
        start = shifted
    return {name: np.stack([state[name] for state in history], axis=1).ravel() for name in start}


def _next(netlist: Netlist, sources: Mapping[Net, Bits], state: State, pieces: int) -> State:
    """State behind the next clock edge."""
    values = {**sources, **_constants(pieces)}
    for register in netlist.registers:
        values |= _stored(register, state[register.name])
    evaluate(netlist, values)
    following = {}
    for register in netlist.registers:
        ff = register.cell.flip_flop
        assert ff is not None
        pins = {pin: values[net] for pin, net in register.pins.items() if net in values}
        pins |= {ff.state: state[register.name], ff.inverse: ~state[register.name]}
        after = read_function(ff.next_state).evaluate(pins) ^ np.zeros(pieces, bool)
        for text, value in ((ff.preset, True), (ff.clear, False)):
            if text is not None:
                after = np.where(read_function(text).evaluate(pins), value, after)
        following[register.name] = after
    return following


def evaluate(netlist: Netlist, values: dict[Net, Bits]) -> None:
    """Add the values of the nets that gates drive to those of inputs and registers."""
    for gate in netlist.gates:
        pins = {pin: values[net] for pin, net in gate.pins.items() if net in values}
        for pin, function in gate.outputs.items():
            # A tie's function has no input whose shape it could take.
            values[gate.pins[pin]] = function.evaluate(pins) ^ values["0"]


def _stored(register: Instance, state: Bits) -> dict[Net, Bits]:
    """Values of the nets that a register drives."""
    ff = register.cell.flip_flop
    assert ff is not None
    pins = {ff.state: state, ff.inverse: ~state}
    return {register.pins[pin]: function.evaluate(pins)
            for pin, function in register.outputs.items()}
