# SPDX-License-Identifier: Apache-2.0
"""Simulate a mapped netlist with delays, to include glitches.

A cycle is divided into equal steps. The output of a register changes one clock-to-output delay
after the edge; an input port changes as if driven by such a register. The output of a gate follows
each input after the mean delay of that arc. Pulses that are shorter than the mean delay of a gate
do not pass it (inertial delay).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from hw.spec.errors import require
from synth.power.activity import Bits, Instance, Net, Netlist, Trace
from synth.power.tables import Delays

#: Steps per cycle; the longest path takes all but a few. Twice as many change the toggles of a MAC
#: by 2 %, half as many by 4 %.
STEPS = 768
#: Extra steps after the longest path, to allow for rounding.
SPARE = 64
#: Cycles at a time, to save memory.
CHUNK = 32


def with_glitches(trace: Trace, delays: Delays, cycles: int) -> Iterator[Trace]:
    """Simulate the first ``cycles`` cycles of a trace with delays, in chunks of cycles."""
    require(1 <= cycles <= trace.cycles, "Cycles", f"from 1 to {trace.cycles}", cycles)
    timed = Timed(trace.netlist, delays)
    for start in range(0, cycles, CHUNK):
        yield timed.run(trace, start, min(start + CHUNK, cycles))


@dataclass(frozen=True)
class Timed:
    """A netlist and the delays of its cells."""

    netlist: Netlist
    delays: Delays

    @cached_property
    def launch(self) -> dict[Net, float]:
        """Time after the clock edge at which registers and inputs change."""
        delays = {
            register.pins[pin]: max(
                (
                    self.delays.delay(register, pin, cause.name)
                    for cause in register.cell.pins_of("input")
                ),
                default=0.0,
            )
            for register in self.netlist.registers
            for pin in register.outputs
        }
        mean = sum(delays.values()) / len(delays) if delays else 0.0
        return delays | {net: mean for nets in self.netlist.inputs.values() for net in nets}

    @cached_property
    def arcs(self) -> dict[tuple[str, str], dict[str, float]]:
        """Delay from each input of a gate, by gate and output."""
        return {
            (gate.name, pin): {
                cause: self.delays.delay(gate, pin, cause) for cause in sorted(function.variables)
            }
            for gate in self.netlist.gates
            for pin, function in gate.outputs.items()
        }

    @cached_property
    def longest(self) -> float:
        """Time at which the last net has settled."""
        arrival = dict(self.launch)
        for gate in self.netlist.gates:
            for pin in gate.outputs:
                arrival[gate.pins[pin]] = max(
                    (
                        arrival.get(gate.pins[cause], 0.0) + delay
                        for cause, delay in self.arcs[gate.name, pin].items()
                    ),
                    default=0.0,
                )
        return max(arrival.values(), default=0.0)

    def steps(self, time: float) -> int:
        """Time in steps, rounded."""
        return round(time / self.longest * (STEPS - SPARE)) if self.longest else 0

    def run(self, trace: Trace, start: int, end: int) -> Trace:
        """Simulate the cycles from ``start`` to ``end``, step by step."""
        waves: dict[Net, Bits] = {}
        for net, bits in trace.values.items():
            if net in self.launch or isinstance(net, str):
                # It changes at one step of each cycle, but not at the first.
                late = np.arange(STEPS) >= max(1, self.steps(self.launch.get(net, 0.0)))
                waves[net] = np.where(late, bits[start + 1 : end + 1, None], bits[start:end, None])
        for gate in self.netlist.gates:
            for pin in gate.outputs:
                net = gate.pins[pin]
                waves[net] = self._output(gate, pin, waves, trace.values[net][start : end + 1])
        first = {net: trace.values[net][start : start + 1] for net in waves}
        return Trace(
            self.netlist,
            {net: np.concatenate([first[net], wave.ravel()]) for net, wave in waves.items()},
            end - start,
        )

    def _output(self, gate: Instance, pin: str, waves: dict[Net, Bits], settled: Bits) -> Bits:
        """Wave of a gate's output; ``settled`` is its value at the ends of the cycles."""
        arcs = self.arcs[gate.name, pin]
        inputs = {
            cause: _later(waves[gate.pins[cause]], self.steps(delay))
            for cause, delay in arcs.items()
        }
        wave = gate.outputs[pin].evaluate(inputs) ^ waves["0"]
        pulse = self.steps(sum(arcs.values()) / len(arcs)) if arcs else 0
        calm = _without_pulses(wave, settled[:-1], pulse)
        require(
            bool((calm[:, -1] == settled[1:]).all()),
            "Cycle",
            f"long enough for {gate.name} to settle",
            STEPS,
        )
        return calm


def _later(waves: Bits, steps: int) -> Bits:
    """Waves, delayed within their cycles. Until then, a net keeps the value from before."""
    if not steps:
        return waves
    return np.concatenate([np.repeat(waves[:, :1], steps, axis=1), waves[:, :-steps]], axis=1)


def _without_pulses(waves: Bits, before: Bits, length: int) -> Bits:
    """Waves without pulses shorter than ``length`` steps; they keep the value from before."""
    padded = np.concatenate([before[:, None], waves], axis=1)
    changes = padded[:, 1:] != padded[:, :-1]
    # After a single change, the net has its settled value and stays there.
    rows = np.flatnonzero(changes.sum(axis=1) > 1) if length > 1 else np.zeros(0, np.intp)
    if len(rows) == 0:
        return waves
    calm = waves.copy()
    calm[rows] = _held(padded[rows], changes[rows], length)
    return calm


def _held(padded: Bits, changes: Bits, length: int) -> Bits:
    """Each step takes the value of the last stable step, or at first the value from before."""
    count = np.cumsum(changes, axis=1, dtype=np.int16)
    ahead = np.concatenate(
        [count[:, length - 1 :], np.repeat(count[:, -1:], length - 1, axis=1)], axis=1
    )
    places = np.arange(1, count.shape[1] + 1, dtype=np.int16)
    last = np.maximum.accumulate(np.where(ahead == count, places, np.int16(0)), axis=1)
    held: Bits = np.take_along_axis(padded, last.astype(np.intp), axis=1)
    return held
