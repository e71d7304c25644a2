# SPDX-License-Identifier: Apache-2.0
"""Verilog models of cells.

>>> text = models(library, names)    # Simulate with ``sim.rtl.compile([netlist, models])``.

Models have no delays and no supply pins. If clear and preset are active at once, clear wins.
"""

from collections.abc import Iterable

from hw.spec.errors import require
from synth.flow.functions import Function, read_function
from synth.flow.liberty import Cell, FlipFlop, Library


def has_model(cell: Cell) -> bool:
    """Whether the cell is a gate, a tie cell or a flip-flop with all outputs driven.

    Latches, clock gates, three-state drivers, fillers and antenna cells have no model.
    """
    driven = [pin for pin in cell.pins if pin.direction == "output"]
    if not driven or any(pin.function is None or pin.three_state for pin in driven):
        return False
    known = {pin.name for pin in cell.pins_of("input")}
    if cell.flip_flop:
        known |= {cell.flip_flop.state, cell.flip_flop.inverse}
    return all(function.variables <= known for function in outputs(cell).values())


def outputs(cell: Cell) -> dict[str, Function]:
    """Functions of a cell's outputs, by pin, in terms of its inputs and its state."""
    return {
        pin.name: read_function(pin.function)
        for pin in cell.pins_of("output")
        if pin.function is not None
    }


def models(library: Library, names: Iterable[str] | None = None) -> str:
    """Verilog models of the cells ``names``, by default of all cells that have a model.

    Raises
    ------
    SpecError
        If a cell is not in the library or has no model.
    """
    if names is None:
        names = [name for name, cell in library.cells.items() if has_model(cell)]
    else:
        names = sorted(set(names))
    for name in names:
        require(name in library.cells, "Cell", f"in the library {library.name}", name)
        require(
            has_model(library.cells[name]),
            "Cell",
            "gates or a flip-flop with functions in the Liberty file",
            name,
        )
    return "\n".join(["`timescale 1ns/1ps", *(_module(library.cells[name]) for name in names)])


def _module(cell: Cell) -> str:
    """Verilog of one cell."""
    pins = [pin for pin in cell.pins if pin.direction in ("input", "output")]
    lines = [
        f"module {cell.name}({', '.join(pin.name for pin in pins)});",
        *(f"  {pin.direction} {pin.name};" for pin in pins),
    ]
    if cell.flip_flop:
        lines += _register(cell.flip_flop)
    lines += [
        f"  assign {name} = {function.verilog()};" for name, function in outputs(cell).items()
    ]
    return "\n".join([*lines, "endmodule", ""])


def _register(flip_flop: FlipFlop) -> list[str]:
    """Declarations and always block of a flip-flop."""
    state, lines = (
        flip_flop.state,
        [f"  reg {flip_flop.state};", f"  wire {flip_flop.inverse} = ~{flip_flop.state};"],
    )
    events, branches = [_edge(flip_flop.clock, "ff_clock", lines)], ""
    for name, text, value in (("ff_clear", flip_flop.clear, 0), ("ff_preset", flip_flop.preset, 1)):
        if text is not None:
            events.append(_edge(text, name, lines))
            branches += f"if ({read_function(text).verilog()}) {state} <= 1'b{value}; else "
    next_state = read_function(flip_flop.next_state).verilog()
    return [*lines, f"  always @({' or '.join(events)}) {branches}{state} <= {next_state};"]


def _edge(text: str, name: str, lines: list[str]) -> str:
    """Event at which the function ``text`` becomes true. Functions of several pins get a wire."""
    function = read_function(text)
    if function.operator == "name":
        return f"posedge {function.text}"
    if function.operator == "~" and function.inputs[0].operator == "name":
        return f"negedge {function.inputs[0].text}"
    lines.append(f"  wire {name} = {function.verilog()};")
    return f"posedge {name}"
