# SPDX-License-Identifier: Apache-2.0
"""Slews and delays in a mapped netlist, from its Liberty tables: what power and glitches need.

Wires weigh nothing; inputs and clock are steep. Times are in the unit of the library's file. The
critical path is OpenSTA's business (`synth.flow.timing`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from synth.power.graph import Instance, Net, Netlist
from synth.power.tables import Arc, CellTables, Energy

__all__ = ["STEEP", "Delays", "Slews"]

#: Slews of a rise and of a fall.
Slews = tuple[float, float]
#: At input ports and at the clock.
STEEP: Slews = (0.0, 0.0)


@dataclass(frozen=True)
class Delays:
    """Slews of all nets and delays of all cells of a netlist; ``tables`` are by cell."""

    netlist: Netlist
    tables: Mapping[str, CellTables]

    @cached_property
    def slews(self) -> dict[Net, Slews]:
        """Worst slew of the rise and of the fall of each net."""
        found: dict[Net, Slews] = {}
        for instance in [*self.netlist.registers, *self.netlist.gates]:
            for pin in instance.outputs:
                net = instance.pins[pin]
                worst = [0.0, 0.0]
                for arc, cause in self._arcs(instance, pin):
                    before = found.get(instance.pins.get(cause, "x"), STEEP)
                    for edge, table in enumerate(arc.slews):
                        if table is not None:
                            worst[edge] = max(worst[edge], *(
                                table(before[at], self.netlist.loads.get(net, 0.0))
                                for at in _causes(arc.sense, edge)))
                found[net] = (worst[0], worst[1])
        return found

    @cached_property
    def _joules(self) -> dict[tuple[str, str, int], tuple[float, float]]:
        """What `joules` found, by instance, cause and place of the table in memory."""
        return {}

    def joules(self, instance: Instance, energy: Energy, cause: str) -> tuple[float, float]:
        """Energy of a rise and of a fall of ``energy.pin`` that ``cause`` causes."""
        key = (instance.name, cause, id(energy))
        if key not in self._joules:
            load = self.netlist.loads.get(instance.pins.get(energy.pin, "x"), 0.0)
            slew = self.slew(instance, cause)
            self._joules[key] = (energy.rise(slew, load), energy.fall(slew, load))
        return self._joules[key]

    def slew(self, instance: Instance, pin: str) -> float:
        """Mean of the slews of rise and fall at a pin."""
        return sum(self.slews.get(instance.pins.get(pin, "x"), STEEP)) / 2

    def delay(self, instance: Instance, pin: str, cause: str) -> float:
        """Mean delay from ``cause`` to the output ``pin``, not below 0."""
        load = self.netlist.loads.get(instance.pins[pin], 0.0)
        times = [table(self.slew(instance, cause), load)
                 for arc, name in self._arcs(instance, pin) if name == cause
                 for table in arc.delays if table is not None]
        return max(0.0, sum(times) / len(times)) if times else 0.0

    def _arcs(self, instance: Instance, pin: str) -> Iterator[tuple[Arc, str]]:
        """Arcs to an output and the pins where they start."""
        for arc in self.tables[instance.cell.name].arcs:
            if arc.pin == pin:
                yield from ((arc, cause) for cause in arc.related)


def _causes(sense: str, edge: int) -> tuple[int, ...]:
    """Edges of the input that may cause ``edge`` of the output; 0 is a rise."""
    return {"positive_unate": (edge,), "negative_unate": (1 - edge,)}.get(sense, (0, 1))
