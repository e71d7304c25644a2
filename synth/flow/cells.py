# SPDX-License-Identifier: Apache-2.0
"""Boolean functions of cells: parse, evaluate, and write as Verilog models.

>>> text = models(library, names)    # Simulate with ``sim.rtl.compile([netlist, models])``.

In Liberty functions, ``!`` before or ``'`` after an operand inverts it. ``^`` binds tighter than
AND (``*``, ``&`` or juxtaposition), which binds tighter than OR (``+`` or ``|``); see the Liberty
Reference Manual, "function attribute". Models have no delays and no supply pins. If clear and
preset are active at once, clear wins.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from hw.spec.errors import SpecError, require
from synth.flow.liberty import Cell, FlipFlop, Library

_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w\[\]]*)|([01])|([!'&*+|^()]))")
_END = ("end", "")
_APPLY = {"&": operator.and_, "|": operator.or_, "^": operator.xor}


@dataclass(frozen=True, slots=True)
class Function:
    """Expression tree of a function.

    ``operator`` is one of ``~ & | ^``, ``name`` or ``constant``. Only the last two have a ``text``;
    they have no ``inputs``.
    """

    operator: str
    inputs: tuple["Function", ...] = ()
    text: str = ""

    @property
    def variables(self) -> frozenset[str]:
        """Names in the function."""
        if self.operator == "name":
            return frozenset({self.text})
        return frozenset(name for part in self.inputs for name in part.variables)

    def evaluate(self, values: Mapping[str, Any]) -> Any:
        """Evaluate with ``values``: bools, or boolean arrays of equal shape."""
        if self.operator == "name":
            return values[self.text]
        if self.operator == "constant":
            return self.text == "1"
        first = self.inputs[0].evaluate(values)
        if self.operator == "~":
            return first ^ True
        for other in self.inputs[1:]:
            first = _APPLY[self.operator](first, other.evaluate(values))
        return first

    def compiled(self) -> Callable[..., Any]:
        """Python function of a mask and of the variables in alphabetical order.

        For bools and boolean arrays, the mask is True. For integers, whose bits are separate cases,
        the mask has a one for each case.
        """
        names = {name: f"v{place}" for place, name in enumerate(sorted(self.variables))}
        text = f"lambda mask, {', '.join(names.values())}: {self._python(names)}"
        function: Callable[..., Any] = eval(text, {})
        return function

    def _python(self, names: Mapping[str, str]) -> str:
        """Expression in Python. ``names`` maps the variables to Python names."""
        if self.operator == "name":
            return names[self.text]
        if self.operator == "constant":
            return "mask" if self.text == "1" else "(mask ^ mask)"
        parts = [part._python(names) for part in self.inputs]
        if self.operator == "~":
            return f"(mask ^ {parts[0]})"
        return f"({f' {self.operator} '.join(parts)})"

    def verilog(self, prefix: str = "") -> str:
        """Expression in Verilog, with ``prefix`` before every name."""
        if self.operator == "name":
            return prefix + self.text
        if self.operator == "constant":
            return f"1'b{self.text}"
        parts = [part.verilog(prefix) for part in self.inputs]
        if self.operator == "~":
            return f"~{parts[0]}"
        return f"({f' {self.operator} '.join(parts)})"


@cache
def read_function(text: str) -> Function:
    """Parse the function ``text``. Raises SpecError if it is not a function."""
    try:
        parser = _Parser(text)
        function = parser.binary(0)
        if parser.next != _END:
            raise ValueError(text)
    except ValueError as error:
        raise SpecError(f"Liberty function must be a Boolean expression, not {text!r}") from error
    return function


class _Parser:
    """Recursive descent over the tokens of a function."""

    #: Signs and their operators, from lowest to highest precedence.
    LEVELS = (({"+", "|"}, "|"), ({"*", "&"}, "&"), ({"^"}, "^"))

    def __init__(self, text: str) -> None:
        self.tokens: list[tuple[str, str]] = []
        text = text.strip()
        place = 0
        while place < len(text):
            match = _TOKEN.match(text, place)
            if match is None:
                raise ValueError(text)
            kind = ("name", "constant", "sign")[(match.lastindex or 1) - 1]
            self.tokens.append((kind, match[0].strip()))
            place = match.end()
        self.tokens.append(_END)

    @property
    def next(self) -> tuple[str, str]:
        """Next token, without consuming it."""
        return self.tokens[0]

    def binary(self, level: int) -> Function:
        """Parse operands joined by the operator of ``level``."""
        if level == len(self.LEVELS):
            return self.operand()
        signs, operator = self.LEVELS[level]
        parts = [self.binary(level + 1)]
        while self.next[1] in signs or (operator == "&" and self.starts_operand()):
            if self.next[1] in signs:
                self.tokens.pop(0)
            parts.append(self.binary(level + 1))
        return Function(operator, tuple(parts)) if len(parts) > 1 else parts[0]

    def starts_operand(self) -> bool:
        """Whether an operand follows directly, which means a product."""
        return self.next[0] in ("name", "constant") or self.next[1] in ("!", "(")

    def operand(self) -> Function:
        """Parse a name, a constant or parentheses, with inversions."""
        kind, text = self.tokens.pop(0)
        if text == "!":
            return Function("~", (self.operand(),))
        if text == "(":
            function = self.binary(0)
            if self.tokens.pop(0)[1] != ")":
                raise ValueError(text)
        elif kind in ("name", "constant"):
            function = Function(kind, text=text)
        else:
            raise ValueError(text)
        while self.next[1] == "'":
            self.tokens.pop(0)
            function = Function("~", (function,))
        return function


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
