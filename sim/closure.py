# SPDX-License-Identifier: Apache-2.0
"""Find the code that a function may run, as a set of files and as one digest.

>>> code_digest(matmul)    # Changes when a file or package that `matmul` may run changes.

The source is parsed, not run. Starting at the function's module, every import is followed,
including imports inside functions:

- A module of this project counts as a whole file. A package ``__init__`` usually only re-exports
  names: ``from hw.spec import MacSpec`` counts the module that defines ``MacSpec``. The
  ``__init__`` counts only if it defines the name itself, or if the package itself is imported.
- Third-party packages and Python count by their versions. A package whose version a module asks
  for (``version("pyosys")``) counts too, because a child process runs it.
- A data file counts if a module names it as ``Path(__file__).with_name("recipes.toml")``. Code in
  this project must therefore name its data files in this way.

This module is in ``sim`` because ``sim`` is the lowest layer that caches results; `sim.rtl`,
``synth`` and the studies all use it.
"""

import ast
import hashlib
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from typing import Any

from hw.spec.folders import ROOT

#: The packages of this project; in `ROOT` there may be others.
PACKAGES = ("hw", "sim", "synth", "reports", "bytemac", "tests")


@dataclass(frozen=True, slots=True)
class Closure:
    """What a set of modules may run: files of this project and third-party packages."""

    files: frozenset[Path]
    packages: frozenset[str]

    def digest(self, root: Path = ROOT) -> str:
        """Digest of the contents of the files and of the versions of the packages."""
        digest = hashlib.sha256(platform.python_version().encode())
        for package in sorted(self.packages):
            digest.update(f"\n{package} {_version(package)}".encode())
        for file in sorted(self.files):
            content = hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else "absent"
            digest.update(f"\n{file.relative_to(root).as_posix()} {content}".encode())
        return digest.hexdigest()


def code_digest(*functions: Callable[..., Any]) -> str:
    """Digest of the code that ``functions`` may run."""
    return _digest(tuple(sorted({module_of(function) for function in functions})))


def module_of(function: Callable[..., Any]) -> str:
    """Name of the module that defines a function, even if it runs as ``__main__``."""
    while isinstance(function, partial):
        function = function.func
    module = function.__module__
    if module != "__main__":
        return module
    main = sys.modules["__main__"].__spec__
    assert main is not None, "run by python -m"
    return main.name


@cache
def _digest(modules: tuple[str, ...]) -> str:
    return closure(modules).digest()


def closure(modules: Iterable[str], root: Path = ROOT) -> Closure:
    """Follow the imports of ``modules``, which are below ``root``.

    Raises
    ------
    ValueError
        If a module computes the name of an import.
    """
    files: set[Path] = set()
    packages: set[str] = set()
    waiting = [_Name(module) for module in modules]
    seen = set(waiting)
    while waiting:
        file = _source(waiting.pop(), root)
        if file not in files:
            files.add(file)
            parts = file.relative_to(root).with_suffix("").parts
            module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            names = set(_names(module, file))
            ours = {name for name in names if _is_ours(name.module, root)}
            packages |= {
                name.module.partition(".")[0]
                for name in names - ours
                if name.module.partition(".")[0] not in sys.stdlib_module_names
            }
            waiting += ours - seen
            seen |= ours
    data = {file.with_name(name) for file in files for name in _data(_tree(file.read_text()))}
    return Closure(frozenset(files | data), frozenset(packages))


@dataclass(frozen=True, slots=True)
class _Name:
    """What an import takes from a module: one name, or ``*`` for all of it."""

    module: str
    name: str = "*"


@cache
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def _file(module: str, root: Path) -> Path | None:
    """File of a module, or None if the module is not part of this project."""
    base = root.joinpath(*module.split("."))
    files = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((file for file in files if file.is_file()), None)


def _is_ours(module: str, root: Path) -> bool:
    package = module.partition(".")[0]
    return (root != ROOT or package in PACKAGES) and _file(package, root) is not None


def _source(name: _Name, root: Path) -> Path:
    """File that defines a name, skipping packages that only re-export it."""
    file = _file(name.module, root)
    if file is None:
        raise ValueError(f"Module must be one of this project, not {name.module!r}")
    if name.name == "*" or file.name != "__init__.py":
        return file
    body = _tree(file.read_text()).body
    for node in body:
        if isinstance(node, ast.ImportFrom):
            base = _base(node, name.module, file)
            for alias in node.names:
                if (alias.asname or alias.name) == name.name and base != name.module:
                    return _source(_Name(base, alias.name), root) if _is_ours(base, root) else file
    inside = _file(f"{name.module}.{name.name}", root)
    defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return file if inside is None or name.name in defined else inside


def _names(module: str, file: Path) -> Iterator[_Name]:
    """What a file imports, and the packages whose version it asks for."""
    for node in ast.walk(_tree(file.read_text())):
        match node:
            case ast.Import(names=aliases):
                for alias in aliases:
                    yield _Name(alias.name)
                    if alias.asname is None:  # ``import a.b`` binds ``a``.
                        parts = alias.name.split(".")
                        yield from (_Name(".".join(parts[:end])) for end in range(1, len(parts)))
            case ast.ImportFrom(names=aliases):
                yield from (_Name(_base(node, module, file), alias.name) for alias in aliases)
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=[first, *_]):
                if called in ("import_module", "__import__", "version"):
                    if isinstance(first, ast.Constant):
                        yield _Name(str(first.value).replace("-", "_"))
                    elif called != "version":
                        raise ValueError(f"Imports in {module} must use a literal name")


def _base(node: ast.ImportFrom, module: str, file: Path) -> str:
    """Absolute name of the module that ``node`` imports from."""
    if not node.level:
        return node.module or ""
    package = module.split(".")
    package = package[: len(package) - node.level + (file.name == "__init__.py")]
    return ".".join([*package, *([node.module] if node.module else [])])


def _data(tree: ast.Module) -> Iterator[str]:
    """Names in ``Path(__file__).with_name(...)``."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(
                    value=ast.Call(func=ast.Name(id="Path"), args=[ast.Name(id="__file__")]),
                    attr="with_name",
                ),
                args=[ast.Constant(value=str(name))],
            ):
                yield name


@cache
def _distributions() -> dict[str, list[str]]:
    """Distributions by the name of the package that they install."""
    return {name: sorted(set(names)) for name, names in metadata.packages_distributions().items()}


def _version(package: str) -> str:
    """Version of an installed package, given its import name or its distribution name."""
    try:
        return " ".join(metadata.version(name) for name in _distributions().get(package, [package]))
    except metadata.PackageNotFoundError:
        return "absent"
