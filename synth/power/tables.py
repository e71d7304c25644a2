# SPDX-License-Identifier: Apache-2.0
"""Tables of Liberty cells, and the slews, delays and energies that follow in a netlist.

In the tables, slews and delays are in the time unit of the file, loads in farad, and energies in
joule (the file's unit is its capacitance unit times its voltage unit squared). In a netlist, wires
have no capacitance, and inputs and clock have ideal edges. OpenSTA computes the critical path
(`synth.flow.timing`).
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from hw.spec.errors import SpecError
from synth.flow.functions import Function, read_function
from synth.flow.groups import Group, find
from synth.flow.liberty import Library, si_unit
from synth.power.activity import Instance, Net, Netlist

Floats = tuple[float, ...]

_TABLES = frozenset(
    {"rise_power", "fall_power", "power"}
    | {"cell_rise", "cell_fall", "rise_transition", "fall_transition"}
)
_TEMPLATES = ("lu_table_template", "power_lut_template")
#: Timing types of signal paths; the others are checks, clears and three-state controls.
_TAKEN = {
    "",
    "combinational",
    "combinational_rise",
    "combinational_fall",
    "rising_edge",
    "falling_edge",
}


@dataclass(frozen=True, slots=True)
class Table:
    """Values by slew (rows) and load (columns). An unused axis has one entry."""

    slews: Floats
    loads: Floats
    values: tuple[Floats, ...]

    def __call__(self, slew: float, load: float) -> float:
        """Value by linear interpolation, or extrapolation beyond the last entries."""
        row, down = _place(self.slews, slew)
        column, across = _place(self.loads, load)
        above, below = (
            _between(line, column, across)
            for line in (self.values[row], self.values[min(row + 1, len(self.slews) - 1)])
        )
        return _between((above, below), 0, down)


@dataclass(frozen=True, slots=True)
class Energy:
    """Energy of a change of ``pin`` inside the cell, in joule.

    For an output, the change is caused by a pin in ``related``. It applies if the condition
    ``when``, if any, is true.
    """

    pin: str
    related: tuple[str, ...]
    when: Function | None
    rise: Table
    fall: Table


@dataclass(frozen=True, slots=True)
class Arc:
    """Timing arc from a pin in ``related`` to ``pin``; ``sense`` is as in Liberty.

    ``delays`` and ``slews`` are for a rise and a fall of ``pin``.
    """

    pin: str
    related: tuple[str, ...]
    sense: str
    delays: tuple[Table | None, Table | None]
    slews: tuple[Table | None, Table | None]


@dataclass(frozen=True, slots=True)
class CellTables:
    """Tables of one cell."""

    energies: tuple[Energy, ...]
    arcs: tuple[Arc, ...]


def read_tables(library: Library, names: Iterable[str]) -> dict[str, CellTables]:
    """Tables of the cells ``names``. Raises SpecError if they are malformed."""
    wanted, by_cell = frozenset(names), {}
    for name, text in library.texts.items():
        try:
            reader = _Reader(text)
            for group in find(text, "cell", wanted):
                by_cell[group.args[0]] = reader.cell(group)
        except (ValueError, KeyError, IndexError) as error:
            raise SpecError(f"Liberty tables of {name!r} are incomplete or malformed") from error
    return by_cell


class _Reader:
    """Groups of one file, its units and templates."""

    def __init__(self, text: str) -> None:
        load = _found(r"capacitive_load_unit \(([^)]*)\)", text)
        self.farad = si_unit(re.sub(r'[\s",]', "", load))
        self.joule = self.farad * si_unit(_found(r'voltage_unit : "([^"]*)"', text)) ** 2
        groups = chain.from_iterable(find(text, kind) for kind in _TEMPLATES)
        self.templates = {group.args[0]: group for group in groups}

    def cell(self, group: Group) -> CellTables:
        """Tables of a cell. Ground pins are skipped: their current is counted at the supply."""
        grounds = {
            pin.args[0]
            for pin in group.groups
            if pin.name == "pg_pin" and pin.simple.get("pg_type", "").endswith("ground")
        }
        energies, arcs = [], []
        for pin in group.groups:
            for name in pin.args if pin.name == "pin" else ():
                energies += [
                    self.energy(name, part)
                    for part in pin.groups
                    if part.name == "internal_power"
                    and part.simple.get("related_pg_pin") not in grounds
                ]
                arcs += [
                    self.arc(name, part)
                    for part in pin.groups
                    if part.name == "timing" and part.simple.get("timing_type", "") in _TAKEN
                ]
        return CellTables(tuple(filter(None, energies)), tuple(arcs))

    def energy(self, pin: str, group: Group) -> Energy | None:
        """Energy from a group internal_power."""
        tables = {part.name: self.table(part, self.joule) for part in group.named(*_TABLES)}
        if not tables:
            return None
        nothing = tables.get("power", Table((0.0,), (0.0,), ((0.0,),)))
        rise, fall = (tables.get(name, nothing) for name in ("rise_power", "fall_power"))
        when = group.simple.get("when")
        return Energy(pin, _names(group), read_function(when) if when else None, rise, fall)

    def arc(self, pin: str, group: Group) -> Arc:
        """Arc from a group timing."""
        tables = {part.name: self.table(part, 1.0) for part in group.named(*_TABLES)}
        return Arc(
            pin,
            _names(group),
            group.simple.get("timing_sense", "non_unate"),
            (tables.get("cell_rise"), tables.get("cell_fall")),
            (tables.get("rise_transition"), tables.get("fall_transition")),
        )

    def table(self, group: Group, unit: float) -> Table:
        """Table from a group, with values in ``unit``. Its template defines the axes."""
        name = group.args[0] if group.args else "scalar"
        template = self.templates.get(name, Group("", []))
        values = [float(value) * unit for value in group.items("values")]
        axes: dict[str, Floats] = {}
        for axis in ("1", "2"):
            kind = template.simple.get(f"variable_{axis}")
            index = group.items(f"index_{axis}") or template.items(f"index_{axis}")
            if kind and index:
                axis_kind = "load" if "capacitance" in kind else "slew"
                scale = self.farad if axis_kind == "load" else 1.0
                axes[axis_kind] = tuple(float(entry) * scale for entry in index)
        slews, loads = axes.get("slew", (0.0,)), axes.get("load", (0.0,))
        if len(values) != len(slews) * len(loads):
            raise ValueError(name)
        if list(axes) == ["load", "slew"]:
            rows = tuple(tuple(values[row :: len(slews)]) for row in range(len(slews)))
        else:
            rows = tuple(
                tuple(values[row * len(loads) : (row + 1) * len(loads)])
                for row in range(len(slews))
            )
        return Table(slews, loads, rows)


def _found(pattern: str, text: str) -> str:
    """Matches of ``pattern`` in a library in its normal form."""
    match = re.search(pattern, text)
    assert match is not None
    return match[1]


def _names(group: Group) -> tuple[str, ...]:
    """Related pins, which are listed in one string."""
    return tuple(group.simple.get("related_pin", "").split())


def _place(axis: Floats, value: float) -> tuple[int, float]:
    """Index of the entry below ``value``, and the relative position up to the next entry."""
    if len(axis) == 1:
        return 0, 0.0
    left = min(max(bisect_right(axis, value) - 1, 0), len(axis) - 2)
    return left, (value - axis[left]) / (axis[left + 1] - axis[left])


def _between(line: Floats, left: int, share: float) -> float:
    """Linear interpolation between an entry and the next, if there is one."""
    right = min(left + 1, len(line) - 1)
    return line[left] + share * (line[right] - line[left])


#: Slews of a rise and of a fall.
Slews = tuple[float, float]
#: Slews at input ports and at the clock.
STEEP: Slews = (0.0, 0.0)


@dataclass(frozen=True)
class Delays:
    """Slews of all nets and delays of all cells of a netlist. ``tables`` is by cell."""

    netlist: Netlist
    tables: Mapping[str, CellTables]

    @cached_property
    def slews(self) -> dict[Net, Slews]:
        """Worst slew of the rise and of the fall of each net."""
        by_net: dict[Net, Slews] = {}
        for instance in [*self.netlist.registers, *self.netlist.gates]:
            for pin in instance.outputs:
                net = instance.pins[pin]
                worst = [0.0, 0.0]
                for arc, cause in self._arcs(instance, pin):
                    before = by_net.get(instance.pins.get(cause, "x"), STEEP)
                    for edge, table in enumerate(arc.slews):
                        if table is not None:
                            worst[edge] = max(
                                worst[edge],
                                *(
                                    table(before[at], self.netlist.loads.get(net, 0.0))
                                    for at in _causes(arc.sense, edge)
                                ),
                            )
                by_net[net] = (worst[0], worst[1])
        return by_net

    @cached_property
    def _joules(self) -> dict[tuple[str, str, int], tuple[float, float]]:
        """Cache of `joules`, by instance, cause and id of the table."""
        return {}

    def joules(self, instance: Instance, energy: Energy, cause: str) -> tuple[float, float]:
        """Energy of a rise and of a fall of ``energy.pin`` caused by ``cause``."""
        key = (instance.name, cause, id(energy))
        if key not in self._joules:
            load = self.netlist.loads.get(instance.pins.get(energy.pin, "x"), 0.0)
            slew = self.slew(instance, cause)
            self._joules[key] = (energy.rise(slew, load), energy.fall(slew, load))
        return self._joules[key]

    def slew(self, instance: Instance, pin: str) -> float:
        """Mean slew of rise and fall at a pin."""
        return sum(self.slews.get(instance.pins.get(pin, "x"), STEEP)) / 2

    def delay(self, instance: Instance, pin: str, cause: str) -> float:
        """Mean delay from ``cause`` to the output ``pin``, at least 0."""
        load = self.netlist.loads.get(instance.pins[pin], 0.0)
        times = [
            table(self.slew(instance, cause), load)
            for arc, name in self._arcs(instance, pin)
            if name == cause
            for table in arc.delays
            if table is not None
        ]
        return max(0.0, sum(times) / len(times)) if times else 0.0

    def _arcs(self, instance: Instance, pin: str) -> Iterator[tuple[Arc, str]]:
        """Arcs to an output and the pins where they start."""
        for arc in self.tables[instance.cell.name].arcs:
            if arc.pin == pin:
                yield from ((arc, cause) for cause in arc.related)


def _causes(sense: str, edge: int) -> tuple[int, ...]:
    """Input edges that can cause ``edge`` of the output; 0 is a rise."""
    return {"positive_unate": (edge,), "negative_unate": (1 - edge,)}.get(sense, (0, 1))
