# SPDX-License-Identifier: Apache-2.0
"""Finds violations of the rules for imports: a wrong order of packages, a broken ``__all__``,
circular imports.

`findings(root)` parses every Python file of the packages below ``root``; it runs none of them.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOMS = ("hw", "sim", "synth", "reports", "bytemac", "tests")
SPDX = "# SPDX-License-Identifier: Apache-2.0"
#: Names that do not describe the contents of a file.
EMPTY_NAMES = {"utils", "util", "common", "helpers", "helper", "misc"}


@dataclass(frozen=True)
class Rule:
    """What a package may import: packages of this tree, and third-party packages."""

    rooms: tuple[str, ...]
    stdlib_only: bool = False
    never: tuple[str, ...] = ()


#: The lowest layer, which handles signals and progress of commands. Every layer may import it.
GROUND = ("hw.manners", "hw.progress")
#: Longest matching prefix decides.
RULES = {
    "hw.manners": Rule(("hw.manners",), stdlib_only=True),
    "hw.progress": Rule(GROUND, never=("amaranth", "numpy")),
    "hw": Rule(("hw",)),
    "hw.spec": Rule(("hw.spec", "hw.manners"), stdlib_only=True),
    # Used on its own, on a machine with nothing but a serial port.
    "hw.host": Rule(("hw.host", "hw.spec"), never=("amaranth",)),
    # These two check a board against the model.
    "hw.selftest": Rule(("hw", "sim")),
    "hw.virtual_board": Rule(("hw", "sim")),
    "sim": Rule(("sim", "hw.spec"), never=("amaranth",)),
    "synth": Rule(("synth", "sim", "hw")),
    # Knows records, which are data, the catalogue, and how a file is written whole.
    "reports": Rule(("reports", "hw.spec", "hw.emit.files"), never=("amaranth", "pyosys", "numpy")),
    # A study makes records, so these two know what one is.
    "reports.registry": Rule(("reports", "hw.spec", "synth.record")),
    "reports.study": Rule(("reports", "hw.spec", "synth.record")),
    # A study measures with anything; its page follows the rule of ``reports``.
    "reports.studies": Rule(("reports", "synth", "sim", "hw")),
    "reports.advise": Rule(("reports", "synth", "sim", "hw")),
    "bytemac": Rule(("bytemac", "reports", "synth", "sim", "hw")),
    "tests": Rule(ROOMS),
}
#: A module of this name, or of one that begins so, is a page or a part of one, wherever it is.
PAGE = re.compile(r"page(_\w+)?")


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
    """Every Python file of the packages, in order."""
    found = []
    for path in sorted(file for room in ROOMS for file in (root / room).rglob("*.py")):
        relative = path.relative_to(root)
        parts = relative.with_suffix("").parts
        is_package = parts[-1] == "__init__"
        found.append(
            Source(
                relative.as_posix(),
                ".".join(parts[:-1] if is_package else parts),
                is_package,
                path.read_text(encoding="utf-8"),
            )
        )
    return found


def rule(module: str) -> Rule:
    """Rule of the package that contains ``module``."""
    if module.startswith("reports.") and PAGE.fullmatch(module.rpartition(".")[2]):
        return RULES["reports"]
    return RULES[max((room for room in RULES if _within(module, room)), key=len)]


def findings(root: Path) -> list[str]:
    """One line for each violation."""
    files = sources(root)
    modules = {source.module for source in files}
    checks = (_wrong_name, _wrong_header, _wrong_exports)
    lines = [line for source in files for check in checks for line in check(source)]
    lines += [line for source in files for line in _wrong_imports(source, modules)]
    return lines + list(_cycles(files, modules))


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
    if blocks:  # Compound statements such as if, try and with.
        return set().union(*map(_bound, blocks))
    return {
        part.id
        for part in ast.walk(node)
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
    }


def _wrong_imports(source: Source, modules: set[str]) -> Iterator[str]:
    own = rule(source.module)
    if source.module == "hw":  # Importing hw.spec runs it.
        own = Rule(("hw.manners", "hw.spec.startup"))
    ground = () if own.stdlib_only or source.module in ("hw", *GROUND) else GROUND
    for line, name in _imports(source, modules):
        room = name.partition(".")[0]
        if room in ROOMS:
            allowed = any(_within(name, room) for room in (*own.rooms, *ground))
        else:
            allowed = room not in own.never and (
                not own.stdlib_only or room in sys.stdlib_module_names
            )
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
    package = package[: len(package) - node.level + source.is_package]
    return ".".join([*package, *([node.module] if node.module else [])])


def _constant(node: ast.expr) -> str:
    """Name in an import by a call; one that is not a literal counts as forbidden."""
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return node.value if is_text else "tests.<computed name>"


def _cycles(files: list[Source], modules: set[str]) -> Iterator[str]:
    """Circular imports among the parts of one folder, including imports in functions.

    A part is a file or a folder with all that is in it, so that a circle is found at the level at
    which it closes. A folder's own ``__init__`` is a part of it.
    """
    graphs: dict[str, dict[str, set[str]]] = {}
    for source in files:
        for _, name in _imports(source, modules):
            if name.partition(".")[0] in ROOMS and name != source.module:
                folder, here, there = _parting(source, name, modules)
                graphs.setdefault(folder, {}).setdefault(here, set()).add(there)
    for folder, graph in sorted(graphs.items()):
        if folder:  # Between packages, the rules decide.
            yield from (
                f"{folder}: must not import in a circle: {' -> '.join(circle)}"
                for circle in _circles(graph)
            )


def _parting(source: Source, name: str, modules: set[str]) -> tuple[str, str, str]:
    """The innermost folder that holds both modules, and the part of it that each is in."""
    here, there = source.module.split("."), name.split(".")
    shared = 0
    while shared < min(len(here), len(there)) and here[shared] == there[shared]:
        shared += 1
    folder = ".".join(here[:shared])
    return folder, ".".join(here[: shared + 1]), ".".join(there[: shared + 1])


def _circles(graph: dict[str, set[str]]) -> Iterator[list[str]]:
    """A shortest cycle through each part that is on one, each cycle once."""
    seen = set()
    for start in sorted(graph):
        paths, known = [[start]], set()
        while paths:
            path = paths.pop(0)
            for part in sorted(graph.get(path[-1], ())):
                if part == start:
                    if frozenset(path) not in seen:
                        seen.add(frozenset(path))
                        yield [*path, start]
                    paths = []
                    break
                if part not in known:
                    known.add(part)
                    paths.append([*path, part])
