# SPDX-License-Identifier: Apache-2.0
"""Mutants: a function, and an operation on its syntax tree.

A pattern is a piece of Python, compared as a syntax tree: ``_`` stands for any expression, ``_1``
to ``_9`` for one that occurs again, in the pattern or in the replacement. It must match once in its
function, wherever that stands and however it is laid out.
"""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hw.spec.errors import SpecError

Captured = dict[str, ast.AST]
WILDCARDS = {"_", *(f"_{digit}" for digit in range(1, 10))}


class MutantError(SpecError):
    """A mutant that cannot be made, or tests that do not run; the message is one line."""


@dataclass(frozen=True, slots=True)
class Replace:
    """Replaces an expression or statement."""

    pattern: str
    by: str

    def apply(self, tree: ast.AST) -> int:
        """Change ``tree``; how many places match."""
        pattern, by = _parsed(self.pattern), _parsed(self.by)
        return _rewrite(
            tree,
            lambda node: (
                _filled(by, captured) if (captured := _match(pattern, node)) is not None else None
            ),
        )


@dataclass(frozen=True, slots=True)
class Remove:
    """Removes a statement, an operand of an operator, an element or an argument."""

    pattern: str

    def apply(self, tree: ast.AST) -> int:
        """Change ``tree``; how many places match."""
        pattern = _parsed(self.pattern)
        if isinstance(pattern, ast.stmt):
            return _rewrite(
                tree, lambda node: None if _match(pattern, node) is None else ast.Pass()
            )
        found = _rewrite(tree, lambda node: _without_operand(node, pattern))
        for node in ast.walk(tree):
            for items in (getattr(node, "elts", None), getattr(node, "args", None)):
                if isinstance(items, list):
                    kept = [item for item in items if _match(pattern, item) is None]
                    found += len(items) - len(kept)
                    items[:] = kept
        return found


Operation = Replace | Remove


@dataclass(frozen=True, kw_only=True, slots=True)
class Mutant:
    """Replaces a right operation by a wrong one.

    Parameters
    ----------
    name
        What goes wrong, in a few words.
    room
        RTL, protocol, model or specification.
    module
        Dotted name of the module.
    function
        Qualified name of the function in it; of a constant its name.
    operation
        What is changed there.
    tests
        Tests of which at least one must fail.
    """

    name: str
    room: str
    module: str
    function: str
    operation: Operation
    tests: tuple[str, ...]

    @property
    def place(self) -> str:
        """Location of the mutant, for messages."""
        return f"{self.module}.{self.function}"

    def file(self, tree: Path) -> Path:
        """File of the module in ``tree``."""
        path = tree.joinpath(*self.module.split("."))
        return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")

    def mutated(self, source: str) -> str:
        """Text of the module with the function changed; the rest of it stays as it is."""
        definition, depth = _find(ast.parse(source), self.function.split("."))
        if definition is None:
            raise MutantError(
                f"Mutant {self.name!r} must name a function of {self.module}, not {self.function!r}"
            )
        changed = copy.deepcopy(definition)
        count = self.operation.apply(changed)
        if count != 1 or ast.dump(changed) == ast.dump(definition):
            raise MutantError(
                f"Mutant {self.name!r} must match once in {self.place}, "
                f"not {count} times: {self.operation.pattern}"
            )
        lines = source.splitlines(keepends=True)
        first = min(
            [
                definition.lineno,
                *(line.lineno for line in getattr(definition, "decorator_list", [])),
            ]
        )
        return "".join(
            [*lines[: first - 1], _unparsed(changed, depth), *lines[definition.end_lineno :]]
        )


def group(
    room: str, module: str, *rows: tuple[str, str, Operation, tuple[str, ...]]
) -> tuple[Mutant, ...]:
    """Mutants of one module, from the function, name, operation and tests of each."""
    return tuple(
        Mutant(
            room=room, module=module, function=function, name=name, operation=operation, tests=tests
        )
        for function, name, operation, tests in rows
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class VerilogMutant:
    """One wrong text in the Verilog of a unit, which is the product, in the place of a right one.

    Parameters
    ----------
    name
        What goes wrong, in a few words.
    place
        Spelling of the unit.
    old, new
        Text that occurs exactly once, and what stands there instead.
    tests
        Tests of which at least one must fail.
    """

    name: str
    place: str
    old: str
    new: str
    tests: tuple[str, ...]
    room: str = "Verilog"


def mac_test(spelling: str) -> tuple[str, ...]:
    """The test that compares a MAC's ports in sums."""
    return (f"tests/hw/test_mac_sums.py::test_mac_shows_every_sum_in_its_cycle[{spelling}]",)


def step_test(spelling: str) -> tuple[str, ...]:
    """The test that compares every step of a floating-point or aligned MAC."""
    test = "test_mac_equals_the_model_after_every_step"
    return (f"tests/hw/test_mac_floating.py::{test}[{spelling}]",)


def array_test(spelling: str) -> tuple[str, ...]:
    """The test of sums and streams of an array."""
    test = "test_array_keeps_its_sums_and_its_protocol"
    return (f"tests/hw/test_array_streams.py::{test}[{spelling}]",)


def output_test(spelling: str) -> tuple[str, ...]:
    """The test of one output stage."""
    return (f"tests/hw/test_output.py::test_stage_alone[{spelling}]",)


def _find(tree: ast.AST, names: list[str], depth: int = 0) -> tuple[ast.stmt | None, int]:
    """The definition of that qualified name, and how deep it is indented."""
    for node in getattr(tree, "body", []):
        if _name(node) == names[0]:
            return (node, depth) if len(names) == 1 else _find(node, names[1:], depth + 1)
    return None, depth


def _name(node: ast.stmt) -> str | None:
    """Name that a statement defines."""
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return None


def _unparsed(node: ast.stmt, depth: int) -> str:
    """Text of a statement, indented."""
    for _ in range(depth):
        node = ast.If(test=ast.Constant(True), body=[node], orelse=[])
    lines = ast.unparse(ast.fix_missing_locations(node)).splitlines(keepends=True)
    return "".join(lines[depth:]).lstrip("\n") + "\n"


def _parsed(text: str) -> ast.AST:
    """An expression, or else a statement."""
    (statement,) = ast.parse(text).body
    return statement.value if isinstance(statement, ast.Expr) else statement


def _match(pattern: ast.AST, node: ast.AST) -> Captured | None:
    """Values of the wildcards if ``node`` matches, else None."""
    captured: Captured = {}
    return captured if _equal(pattern, node, captured) else None


def _equal(pattern: object, node: object, captured: Captured) -> bool:
    """Whether both are equal apart from wildcards; the context of a name is ignored."""
    if isinstance(pattern, ast.Name) and pattern.id in WILDCARDS:
        if pattern.id == "_" or pattern.id not in captured:
            captured[pattern.id] = node
            return isinstance(node, ast.expr)
        return _equal(captured[pattern.id], node, {})
    if isinstance(pattern, list):
        return (
            isinstance(node, list)
            and len(pattern) == len(node)
            and all(_equal(x, y, captured) for x, y in zip(pattern, node, strict=True))
        )
    if isinstance(pattern, ast.AST):
        return type(pattern) is type(node) and all(
            _equal(getattr(pattern, field, None), getattr(node, field, None), captured)
            for field in pattern._fields
            if field not in ("ctx", "kind")
        )
    return type(pattern) is type(node) and pattern == node


def _filled(pattern: ast.AST, captured: Captured) -> ast.AST:
    """A copy of a replacement with the values of its wildcards."""
    result = copy.deepcopy(pattern)
    wrapped = ast.Module(body=[result], type_ignores=[])
    _rewrite(
        wrapped,
        lambda node: (
            copy.deepcopy(captured[node.id])
            if isinstance(node, ast.Name) and node.id in WILDCARDS
            else None
        ),
    )
    return wrapped.body[0]


def _without_operand(node: ast.AST, pattern: ast.AST) -> ast.AST | None:
    """An operator without its matching operand; None if no operand matches."""
    if not isinstance(node, ast.BinOp | ast.BoolOp):
        return None
    operands = node.values if isinstance(node, ast.BoolOp) else [node.left, node.right]
    kept = [operand for operand in operands if _match(pattern, operand) is None]
    if len(kept) != len(operands) - 1:
        return None
    return kept[0] if len(kept) == 1 else ast.BoolOp(op=node.op, values=kept)


def _rewrite(tree: ast.AST, change: Callable[[ast.AST], ast.AST | None]) -> int:
    """Replace each node below by the result of ``change``; return the number of replacements."""
    count = 0
    for node in list(_below(tree)):
        for field, value in ast.iter_fields(node):
            if isinstance(value, list):
                new = [change(item) if isinstance(item, ast.AST) else None for item in value]
                value[:] = [
                    old if other is None else other for old, other in zip(value, new, strict=True)
                ]
                count += sum(other is not None for other in new)
            elif isinstance(value, ast.AST) and (other := change(value)) is not None:
                setattr(node, field, other)
                count += 1
    return count


def _below(tree: ast.AST) -> Iterator[ast.AST]:
    """All nodes, those deep inside first, so that a change is not changed again."""
    for child in ast.iter_child_nodes(tree):
        yield from _below(child)
    yield tree
