# SPDX-License-Identifier: Apache-2.0
"""Energy of a run of a mapped netlist, from the tables of its Liberty file.

Each change of a pin takes energy. Switching energy is C V^2 / 2 for each change of a net, where C
is the capacitance of the input pins on it. Nets driven by input ports or the clock count too,
because their pins belong to the unit. Internal energy comes from the tables, for the pin that
changes, the slew at the pin that causes it, the load, and the condition ``when`` in that step. If
several inputs change at once, they share the energy equally. Wires have no capacitance; inputs and
clock have ideal edges.

OpenSTA is not used, because Debian's version (2.0.17) overwrites pin activities with activities
that it propagates itself, and counts every input of a gate as a cause.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from synth.power.activity import Bits, Instance, Trace
from synth.power.tables import Delays, Energy


@dataclass(frozen=True, slots=True)
class InstanceEnergy:
    """Energy of one cell in a run, in joule. ``switching`` is that of the nets it drives."""

    internal: float
    switching: float


@dataclass(frozen=True, slots=True)
class RunEnergy:
    """Energy of a run in joule: by instance, and of nets driven by ports. Leakage is in watt."""

    instances: Mapping[str, InstanceEnergy]
    inputs: float
    clock: float
    leakage: float

    @property
    def total(self) -> float:
        """Total without leakage, which depends on the length of a cycle."""
        return (
            self.inputs
            + self.clock
            + sum(part.internal + part.switching for part in self.instances.values())
        )


def run_energy(trace: Trace, delays: Delays, voltage: float) -> RunEnergy:
    """Energy of the run in ``trace``, at ``voltage`` in volt."""
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
    """Sums the internal energy of one instance over the steps in which a pin changes.

    ``before`` and ``after`` are the values of its pins before and after these steps.
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
            # The clock has no values in the trace; it causes every step.
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
        """Energy of one kind of edge, shared equally among its causes."""
        joules = [
            self.delays.joules(self.instance, energy, cause)[number] for energy, cause, _ in parts
        ]
        chosen = np.array([mask[edge] for _, _, mask in parts], float)
        number_of_causes = chosen.sum(axis=0)
        # Changes that no table covers get the average of the tables.
        unexplained = int((number_of_causes == 0).sum()) * sum(joules) / len(joules)
        shares = (chosen / np.maximum(number_of_causes, 1)).sum(axis=1)
        return float(np.dot(shares, joules)) + unexplained

    def clock(self, name: str, energies: Sequence[Energy]) -> float:
        """Energy of the clock pin: one rise and one fall per cycle."""
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
    """Steps in which each table applies. A table without a condition applies if no other does."""
    masks: list[tuple[Energy, Bits]] = []
    rest = always
    for energy in energies:
        if energy.when is not None:
            known = energy.when.variables <= values.keys()
            mask = energy.when.evaluate(values) & always if known else ~always
            masks.append((energy, mask))
            rest = rest & ~mask
    return masks + [(energy, rest) for energy in energies if energy.when is None]
