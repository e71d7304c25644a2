# SPDX-License-Identifier: Apache-2.0
"""Boolean functions in the syntax of Liberty: parse, evaluate, and write.

``!`` before or ``'`` after an operand inverts it. ``^`` binds tighter than AND (``*``, ``&`` or
juxtaposition), which binds tighter than OR (``+`` or ``|``); see the Liberty Reference Manual,
"function attribute".
"""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from hw.spec.errors import SpecError

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

    def liberty(self) -> str:
        """Expression in Liberty with ``! & | ^`` and all parentheses, as every tool reads it."""
        text = self._liberty()
        return text[1:-1] if text.startswith("(") else text

    def _liberty(self) -> str:
        if self.operator in ("name", "constant"):
            return self.text
        if self.operator == "~" and self.inputs[0].operator == "~":  # !! is not read everywhere.
            return self.inputs[0].inputs[0]._liberty()
        parts = [part._liberty() for part in self.inputs]
        return f"!{parts[0]}" if self.operator == "~" else f"({f' {self.operator} '.join(parts)})"

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
    except (ValueError, RecursionError) as error:
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
