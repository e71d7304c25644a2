# SPDX-License-Identifier: Apache-2.0
"""Finds what breaks the house rules: imports against the stairs, broken ``__all__``, long files.

`findings(root)` reads every Python file of the rooms below ``root`` and runs none of them.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOMS", "Rule", "Source", "findings", "rule", "sources"]

ROOMS = ("hw", "sim", "synth", "reports", "tests")
SPDX = "# SPDX-License-Identifier: Apache-2.0"
MAX_FILE_LINES = 250
MAX_FUNCTION_LINES = 30
#: Names that say nothing about what is inside.
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}


@dataclass(frozen=True)
class Rule:
    """What a room may import: rooms of this tree, and packages from outside."""

    rooms: tuple[str, ...]
    stdlib_only: bool = False
    never: tuple[str, ...] = ()


#: Longest matching prefix decides.
RULES = {
    "hw": Rule(("hw",)),
    "hw.spec": Rule(("hw.spec",), stdlib_only=True),
    # Used on its own, on a machine with nothing but a serial port.
    "hw.host": Rule(("hw.host", "hw.spec"), never=("amaranth",)),
    # These two hold a board against the model.
    "hw.selftest": Rule(("hw", "sim")),
    "hw.virtual_board": Rule(("hw", "sim")),
    "sim": Rule(("sim", "hw.spec"), never=("amaranth",)),
    "synth": Rule(("synth", "sim", "hw")),
    # Knows records, which are data, the catalogue, and how a file is written whole.
    "reports": Rule(("reports", "hw.spec", "hw.emit.files"), never=("amaranth", "pyosys", "numpy")),
    "tests": Rule(ROOMS),
}


@dataclass(frozen=True)
class Source:
    """One Python file."""

    path: str
    module: str
    is_package: bool
    text: str

    @property
    def tree(self) -> ast.Module:
        """The file, parsed."""
        return ast.parse(self.text, self.path)


def sources(root: Path) -> list[Source]:
    """Every Python file of the rooms, in order."""
    found = []
    for path in sorted(file for room in ROOMS for file in (root / room).rglob("*.py")):
        relative = path.relative_to(root)
        parts = relative.with_suffix("").parts
        is_package = parts[-1] == "__init__"
        found.append(Source(relative.as_posix(), ".".join(parts[:-1] if is_package else parts),
                            is_package, path.read_text(encoding="utf-8")))
    return found


def rule(module: str) -> Rule:
    """Rule of the room that ``module`` is in."""
    return RULES[max((room for room in RULES if _within(module, room)), key=len)]


def findings(root: Path) -> list[str]:
    """One line for each breach; none in a house in order."""
    files = sources(root)
    modules = {source.module for source in files}
    checks = (_wrong_name, _wrong_header, _too_long, _wrong_exports)
    lines = [line for source in files for check in checks for line in check(source)]
    return lines + [line for source in files for line in _wrong_imports(source, modules)]


def _within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def _wrong_name(source: Source) -> Iterator[str]:
    for part in source.module.split("."):
        if part in EMPTY_NAMES:
            yield f"{source.path}: must have a name that says what is inside, not {part}"


def _wrong_header(source: Source) -> Iterator[str]:
    lines = source.text.splitlines()
    if lines[:1] and lines[0].startswith("# amaranth: "):  # Amaranth reads the first line only.
        del lines[0]
    if lines[:1] != [SPDX]:
        yield f"{source.path}: must start with {SPDX!r}"


def _too_long(source: Source) -> Iterator[str]:
    lines = len(source.text.splitlines())
    if lines > MAX_FILE_LINES:
        yield f"{source.path}: must have at most {MAX_FILE_LINES} lines, not {lines}"
    if _within(source.module, "tests"):
        return
    code = _code_lines(source.text)
    for node in ast.walk(source.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = len(code & set(range(node.lineno, node.end_lineno + 1)) - _docstring(node))
            if lines > MAX_FUNCTION_LINES:
                yield (f"{source.path}:{node.lineno}: {node.name} must have at most "
                       f"{MAX_FUNCTION_LINES} lines of code, not {lines}")


def _code_lines(text: str) -> set[int]:
    """Lines that hold more than a comment."""
    empty = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
             tokenize.ENDMARKER}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {line for token in tokens if token.type not in empty
            for line in range(token.start[0], token.end[0] + 1)}


def _docstring(node: ast.FunctionDef | ast.AsyncFunctionDef) -> set[int]:
    """Lines of the docstring."""
    first = node.body[0]
    if ast.get_docstring(node) is None:
        return set()
    return set(range(first.lineno, first.end_lineno + 1))


def _wrong_exports(source: Source) -> Iterator[str]:
    bound, exported = set(), []
    for node in source.tree.body:
        bound |= _bound(node)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            exported = ast.literal_eval(node.value)
    for name in exported:
        if name not in bound:
            yield f"{source.path}: __all__ must name what exists, not {name}"


def _bound(node: ast.stmt) -> set[str]:
    """Names that a statement of a module's top level binds."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    blocks = [block for block in ast.iter_child_nodes(node) if isinstance(block, ast.stmt)]
    if blocks:  # If, try, with and their like.
        return set().union(*map(_bound, blocks))
    return {part.id for part in ast.walk(node)
            if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)}


def _wrong_imports(source: Source, modules: set[str]) -> Iterator[str]:
    own = rule(source.module)
    if source.module == "hw":  # Importing hw.spec runs it.
        own = Rule(())
    for line, name in _imports(source, modules):
        room = name.partition(".")[0]
        if room in ROOMS:
            allowed = any(_within(name, room) for room in own.rooms)
        else:
            allowed = room not in own.never and (
                not own.stdlib_only or room in sys.stdlib_module_names)
        if not allowed:
            yield f"{source.path}:{line}: {source.module} must not import {name}"


def _imports(source: Source, modules: set[str]) -> Iterator[tuple[int, str]]:
    """Line and full name of each import, also of those by a call."""
    for node in ast.walk(source.tree):
        match node:
            case ast.Import(names=names):
                yield from ((node.lineno, alias.name) for alias in names)
            case ast.ImportFrom(names=names):
                base = _base(source, node)
                for alias in names:
                    full = f"{base}.{alias.name}"
                    yield node.lineno, full if full in modules else base
            case ast.Call(func=ast.Name(id="__import__" | "import_module"), args=[first, *_]):
                yield node.lineno, _constant(first)
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[first, *_]):
                yield node.lineno, _constant(first)


def _base(source: Source, node: ast.ImportFrom) -> str:
    """Absolute name of the module that ``node`` imports from."""
    if not node.level:
        return node.module or ""
    package = source.module.split(".")
    package = package[:len(package) - node.level + source.is_package]
    return ".".join([*package, *([node.module] if node.module else [])])


def _constant(node: ast.expr) -> str:
    """Name in an import by a call; what cannot be read counts as a room that nobody may enter."""
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else "tests.<computed name>"
