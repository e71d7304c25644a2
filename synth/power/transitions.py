# SPDX-License-Identifier: Apache-2.0
"""Energy that a run takes in a mapped netlist, from the tables of its Liberty file.

Each change of a pin is paid for. Switching: half of C V^2 for each change of a net, C being that of
the input pins on it; a net that an input port or the clock drives counts as well, because its pins
belong to the unit. Internal: what the tables say for the pin that changes, the slew at the pin that
causes it and the load, the condition ``when`` taken as it is in that step; where several inputs
change at once, each is the cause in equal parts. Wires weigh nothing, inputs and clock are steep.

OpenSTA is not asked, because the version that Debian has (2.0.17) replaces activities that are set
on a pin by those that it propagates itself, and adds up all inputs of a gate as causes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from synth.power.activity import Bits, Instance, Trace
from synth.power.tables import Delays, Energy


@dataclass(frozen=True, slots=True)
class InstanceEnergy:
    """Energy of one cell in a run, in joule; ``switching`` is that of the nets it drives."""

    internal: float
    switching: float


@dataclass(frozen=True, slots=True)
class RunEnergy:
    """Energy of a run in joule: by instance, and of the nets that ports drive; leakage in watt."""

    instances: Mapping[str, InstanceEnergy]
    inputs: float
    clock: float
    leakage: float

    @property
    def total(self) -> float:
        """All of it but the leakage, which depends on how long a cycle takes."""
        return (
            self.inputs
            + self.clock
            + sum(part.internal + part.switching for part in self.instances.values())
        )


def run_energy(trace: Trace, delays: Delays, voltage: float) -> RunEnergy:
    """Energy of the run that ``trace`` shows, at ``voltage`` in volt."""
    netlist = trace.netlist
    half = 0.5 * voltage**2
    joule = {
        net: half * netlist.loads.get(net, 0.0) * toggles for net, toggles in trace.toggles.items()
    }
    instances = {}
    for instance in netlist.instances:
        meter = _Meter(instance, trace, delays)
        energies = delays.tables[instance.cell.name].energies
        internal = sum(meter.pin(name, own) for name, own in _by_pin(energies).items())
        switching = sum(joule[instance.pins[pin]] for pin in instance.outputs)
        instances[instance.name] = InstanceEnergy(internal, switching)
    driven = {instance.pins[pin] for instance in netlist.instances for pin in instance.outputs}
    clock = 2 * half * netlist.loads.get(netlist.clock or "", 0.0) * trace.cycles
    return RunEnergy(
        instances=instances,
        inputs=sum(joule[net] for net in joule if net not in driven),
        clock=clock,
        leakage=sum(instance.cell.leakage for instance in netlist.instances),
    )


def _by_pin(energies: Iterable[Energy]) -> dict[str, list[Energy]]:
    """Tables by pin."""
    by_pin: dict[str, list[Energy]] = {}
    for energy in energies:
        by_pin.setdefault(energy.pin, []).append(energy)
    return by_pin


class _Meter:
    """Adds up the internal energy of one instance, over the steps in which one of its pins changes.

    ``before`` and ``after`` are the values of its pins on both sides of these steps.
    """

    def __init__(self, instance: Instance, trace: Trace, delays: Delays) -> None:
        self.instance, self.trace, self.delays = instance, trace, delays
        self.values = trace.pins(instance)
        busy = np.zeros(len(trace.values["0"]) - 1, bool)
        for value in self.values.values():
            busy |= value[1:] ^ value[:-1]
        steps = np.flatnonzero(busy)
        self.before = {pin: value[steps] for pin, value in self.values.items()}
        self.after = {pin: value[steps + 1] for pin, value in self.values.items()}
        self.always = np.ones(len(steps), bool)

    def pin(self, name: str, energies: Sequence[Energy]) -> float:
        """Energy of the changes of one pin."""
        if self.instance.pins.get(name) == self.trace.netlist.clock:
            return self.clock(name, energies)
        if name not in self.values:
            return 0.0
        before, after = self.before[name], self.after[name]
        edges = (~before & after, before & ~after)
        causes = sorted({cause for energy in energies for cause in energy.related}) or [name]
        parts = []
        for cause in causes:
            own = [energy for energy in energies if cause in energy.related or not energy.related]
            # The clock, which has no values, is behind every step.
            changes = (
                self.before[cause] ^ self.after[cause] if cause in self.before else self.always
            )
            parts += [
                (energy, cause, mask & changes)
                for energy, mask in _masks(own, self.after, self.always)
            ]
        return sum(self.edge_energy(edges[edge], edge, parts) for edge in (0, 1))

    def edge_energy(
        self, edge: Bits, number: int, parts: Sequence[tuple[Energy, str, Bits]]
    ) -> float:
        """Energy of one kind of edge, each shared out among the causes that are there."""
        joules = [
            self.delays.joules(self.instance, energy, cause)[number] for energy, cause, _ in parts
        ]
        chosen = np.array([mask[edge] for _, _, mask in parts], float)
        number_of_causes = chosen.sum(axis=0)
        # What no table covers costs what the tables say on average.
        unexplained = int((number_of_causes == 0).sum()) * sum(joules) / len(joules)
        shares = (chosen / np.maximum(number_of_causes, 1)).sum(axis=1)
        return float(np.dot(shares, joules)) + unexplained

    def clock(self, name: str, energies: Sequence[Energy]) -> float:
        """Energy of a rise and a fall a cycle of the clock pin."""
        after = {pin: value[1:] for pin, value in self.values.items()}
        always = np.ones(len(self.trace.values["0"]) - 1, bool)
        joules = sum(
            float(mask.mean()) * sum(self.delays.joules(self.instance, energy, name))
            for energy, mask in _masks(energies, after, always)
        )
        return joules * self.trace.cycles


def _masks(
    energies: Sequence[Energy], values: Mapping[str, Bits], always: Bits
) -> list[tuple[Energy, Bits]]:
    """Steps in which each table holds; one without condition holds where no other does."""
    masks: list[tuple[Energy, Bits]] = []
    rest = always
    for energy in energies:
        if energy.when is not None:
            known = energy.when.variables <= values.keys()
            mask = energy.when.evaluate(values) & always if known else ~always
            masks.append((energy, mask))
            rest = rest & ~mask
    return masks + [(energy, rest) for energy in energies if energy.when is None]
