# SPDX-License-Identifier: Apache-2.0
"""The normal form of a Liberty library: what people write in many ways, as every tool reads it.

- Functions, clocks and conditions have ``! & | ^`` and all parentheses.
- Each group ``pin`` has one name, each flip-flop two states, each table rows that fit.
- Units, voltage and temperature are given, even those that are defaults.
- Each cell has a single leakage, so that all tools report the same.

The leakage of a cell is the sum over its rails of the mean over the states of its inputs. Within a
rail, a value without a condition wins over those by state. ``cell_leakage_power`` wins over all;
without any value, that is the library's ``default_cell_leakage_power``, or else its
``default_leakage_power_density`` times the area (Liberty Reference Manual, "cell_leakage_power").
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache

from hw.spec.errors import SpecError, shortened
from synth.flow.functions import Function, read_function
from synth.flow.groups import ITEM, NUMBER, Group, LibertyError

#: Units that hold where a library gives none.
UNITS = {
    "time_unit": "1ns",
    "voltage_unit": "1V",
    "leakage_power_unit": "1nW",
    "capacitive_load_unit": "1pf",
}
#: Attributes that are Boolean expressions, by group.
EXPRESSIONS = {
    "pin": ("function", "three_state"),
    "ff": ("clocked_on", "next_state", "clear", "preset"),
    "latch": ("enable", "data_in", "clear", "preset"),
    "internal_power": ("when",),
    "leakage_power": ("when",),
    "timing": ("when",),
}
#: Tables that the tools here read.
TABLES = frozenset(
    {"rise_power", "fall_power", "power", "rise_constraint", "fall_constraint"}
    | {"cell_rise", "cell_fall", "rise_transition", "fall_transition"}
)
#: Groups whose arguments expressions may name.
_NAMING = {"pin", "ff", "latch", "pg_pin", "statetable"}
#: Groups whose pins and states are more than single bits; no tool here uses such cells.
_WIDE = {"bus", "bundle", "ff_bank", "latch_bank"}
_AXES = ("index_1", "index_2", "index_3")
_NUMBERS = re.compile(rf"[\s,\\]*+(?:{NUMBER}(?:[\s,\\]++{NUMBER})*+)?+[\s,\\]*+")
#: Most variables of conditions whose states are counted.
_COUNTED = 16


def normalise(library: Group) -> None:
    """Bring a library to its normal form. LibertyError where something is wrong or missing."""
    for name, unit in UNITS.items():
        given = "".join(library.items(name)) or library.simple.get(name, unit)
        letters = given.lstrip("0123456789.+-")
        factor = given.removesuffix(letters) or "1"
        if name == "capacitive_load_unit":
            library.complex[name] = [f"{factor}, {letters}"]
        else:
            library.simple[name] = factor + letters
    _conditions(library)
    templates = {
        group.args[0]: group
        for group in library.groups
        if group.name.endswith("_template") and group.args
    }
    for template in templates.values():
        _write_axes(template)
    for cell in library.named("cell"):
        if not cell.args:
            raise LibertyError("cell must have a name", cell.place)
        _normalise_cell(cell, library)
        for group in cell.below():
            if "values" in group.complex:
                _write_table(group, templates)
            elif group.name in TABLES:
                raise LibertyError(f"{group.name} must have values", group.place)


def number(group: Group, name: str) -> float | None:
    """A number of a group; None if it is missing. LibertyError if it is none."""
    text = group.simple.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise LibertyError(f"{name} must be a number, not {shortened(text)}", group.places[name])
    return value


def _conditions(library: Group) -> None:
    """Nominal conditions; without them, those of operation, or the voltage of the highest rail."""
    wanted = library.simple.get("default_operating_conditions")
    chosen = [group for group in library.named("operating_conditions") if group.args == [wanted]]
    for kind in ("process", "temperature", "voltage"):
        values = [number(library, f"nom_{kind}"), *(number(group, kind) for group in chosen)]
        value = next((value for value in values if value is not None), None)
        if value is None and kind == "voltage":
            value = max(_rails(library), default=None)
        if value is not None:
            library.simple.setdefault(f"nom_{kind}", repr(value))


def _rails(library: Group) -> Iterable[float]:
    """Voltages of the rails of a library."""
    for words in library.lists("voltage_map"):
        try:
            yield float(words[-1])
        except (ValueError, IndexError):
            place = library.places["voltage_map"]
            raise LibertyError("voltage_map must be a rail and its voltage", place) from None


def _normalise_cell(cell: Group, library: Group) -> None:
    area = number(cell, "area")
    if area is not None and area < 0:
        raise LibertyError(f"area must be at least 0, not {area:g}", cell.places["area"])
    for state in cell.named("ff"):
        _complete(state)
    cell.groups = [part for group in cell.groups for part in _apart(group)]
    if not any(group.name in _WIDE for group in cell.groups):
        _write_expressions(cell)
    leakage = _leakage(cell, library)
    cell.groups = [group for group in cell.groups if group.name != "leakage_power"]
    cell.simple["cell_leakage_power"] = repr(leakage)


def _complete(flip_flop: Group) -> None:
    """Check a flip-flop, and name its inverted state."""
    if not flip_flop.args:
        raise LibertyError("ff must name its state", flip_flop.place)
    if len(flip_flop.args) == 1:
        flip_flop.args.append(f"{flip_flop.args[0]}_inverted")
    for name in ("clocked_on", "next_state"):
        if name not in flip_flop.simple:
            raise LibertyError(f"ff must have {name}", flip_flop.place)


def _apart(group: Group) -> Iterable[Group]:
    """A group for each name of a group pin."""
    if group.name != "pin" or len(group.args) == 1:
        return [group]
    if not group.args:
        raise LibertyError("pin must have a name", group.place)
    return [replace(group, args=[name]) for name in group.args]


def _write_expressions(cell: Group) -> None:
    """Write the expressions of a cell in one way."""
    known = {
        name
        for group in cell.below()
        if group.name in _NAMING
        for argument in group.args
        for name in argument.split()
    }
    for group in cell.below():
        for name in EXPRESSIONS.get(group.name, ()):
            if name in group.simple:
                text, place = group.simple[name], group.places[name]
                function = _function(text)
                if function is None:
                    raise LibertyError(
                        f"{name} must be a Boolean expression, not {shortened(text)}", place
                    )
                if not function.variables <= known:
                    strange = ", ".join(sorted(function.variables - known))
                    pins = f"pins of the cell {cell.args[0]}"
                    raise LibertyError(f"{name} must name {pins}, not {strange}", place)
                group.simple[name] = _spelling(text)


def _write_axes(group: Group) -> None:
    """Write the axes of a table or a template."""
    for axis in _AXES:
        if axis in group.complex:
            group.complex[axis] = [_row(_numbers(group, axis))]


def _write_table(group: Group, templates: Mapping[str, Group]) -> None:
    """Give a table rows as long as its last axis; some tools read beyond shorter ones."""
    _write_axes(group)
    values = _numbers(group, "values")
    group.complex["values"] = [_row(values)]
    used = group.args[0] if group.args else "scalar"
    template = templates.get(used)
    if template is None and used != "scalar":
        if group.name in TABLES:
            message = f"the library must have the template {used} of {group.name}"
            raise LibertyError(message, group.place)
        return
    axes = [
        len(group.items(f"index_{axis}") or template.items(f"index_{axis}"))
        for axis in ("1", "2", "3")
        if template is not None and f"variable_{axis}" in template.simple
    ]
    if len(values) != math.prod(axes):
        shape = " x ".join(map(str, axes)) or "1"
        message = f"values of {group.name} must be {shape} numbers, not {len(values)}"
        raise LibertyError(message, group.places["values"])
    width = axes[-1] if axes else 1
    rows = [_row(values[place : place + width]) for place in range(0, len(values), width)]
    group.complex["values"] = [", ".join(rows)]


def _numbers(group: Group, name: str) -> list[str]:
    """The numbers that a complex attribute lists, which may be in strings."""
    text = group.complex[name][-1].replace('"', " ")
    if not _NUMBERS.fullmatch(text):
        raise LibertyError(f"{name} of {group.name} must list numbers", group.places[name])
    return ITEM.findall(text)


def _row(numbers: list[str]) -> str:
    return f'"{", ".join(numbers)}"'


@cache
def _function(text: str) -> Function | None:
    """Function of a text; None if it is none."""
    try:
        return read_function(text)
    except SpecError:
        return None


@cache
def _spelling(text: str) -> str:
    """The expression ``text`` in the one way."""
    return read_function(text).liberty()


def _leakage(cell: Group, library: Group) -> float:
    """Leakage of a cell, in the unit of the library."""
    stated = number(cell, "cell_leakage_power")
    if stated is not None and stated >= 0:  # A negative one counts as missing.
        return stated
    rails: dict[str, list[Group]] = {}
    for part in cell.named("leakage_power"):
        if "value" not in part.simple:
            raise LibertyError("leakage_power must have a value", part.place)
        rail = part.simple.get("related_pg_pin", part.simple.get("power_level", ""))
        rails.setdefault(rail, []).append(part)
    if rails:
        outputs = {pin.args[0]: pin.simple.get("function", "") for pin in cell.named("pin")}
        return sum(_of_rail(parts, outputs) for parts in rails.values())
    default = number(library, "default_cell_leakage_power")
    if default is not None and default >= 0:
        return default
    density = number(library, "default_leakage_power_density") or 0.0
    return density * (number(cell, "area") or 0.0)


def _of_rail(parts: Sequence[Group], outputs: Mapping[str, str]) -> float:
    """Leakage of a rail: the values without condition, else the mean over the states."""
    values = [number(part, "value") or 0.0 for part in parts]
    always = [value for value, part in zip(values, parts, strict=True) if "when" not in part.simple]
    if always:
        return sum(always)
    states = _states([part.simple["when"] for part in parts], outputs)
    return sum(value * count for value, count in zip(values, states, strict=True)) / sum(states)


def _states(conditions: Sequence[str], outputs: Mapping[str, str]) -> list[int]:
    """In how many states of the inputs each condition holds; all 1 if that cannot be counted.

    A condition may name outputs. ``outputs`` has the functions of pins, "" for inputs.
    """
    functions = [_function(condition) for condition in conditions]
    known = [function for function in functions if function is not None]
    named = {name for function in known for name in function.variables}
    derived = {name: _function(outputs.get(name, "")) for name in named}
    free = sorted(
        {name for name, function in derived.items() if function is None}
        | {name for function in derived.values() if function for name in function.variables}
    )
    if len(known) < len(functions) or len(free) > _COUNTED:
        return [1] * len(conditions)
    mask = (1 << (1 << len(free))) - 1

    def states(function: Function, values: Mapping[str, int]) -> int:
        result: int = function.compiled()(mask, *map(values.get, sorted(function.variables)))
        return result

    # Bit k of a variable is its value in the state k.
    values = {
        name: mask // ((1 << (1 << place)) + 1) << (1 << place) for place, name in enumerate(free)
    }
    values |= {name: states(function, values) for name, function in derived.items() if function}
    counts = [states(function, values).bit_count() for function in known]
    return counts if any(counts) else [1] * len(conditions)
