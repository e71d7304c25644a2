# SPDX-License-Identifier: Apache-2.0
"""Cache of slow steps, keyed by a digest of everything that a result depends on.

>>> count_once = cached_step(count)
>>> count_once({"unit.v": text}, "unit", "keep")    # From the cache the second time.

The key consists of the arguments of the step, the code that computes it with everything that this
code imports (`sim.closure`), and the versions of tools that are not Python packages. Files are
written under a temporary name and renamed, so they are complete even after a kill, and processes
can share the folder. Each file begins with a checksum of its name and content. Truncated, changed
or renamed files are ignored, and the result is computed again.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass
from enum import Enum
from functools import wraps
from pathlib import Path
from types import UnionType
from typing import Any, ParamSpec, TypeVar, get_args, get_origin, get_type_hints

from hw.emit.files import write_files
from hw.spec import folders
from sim.closure import code_digest, module_of

FOLDER = folders.cache("cache")

P = ParamSpec("P")
R = TypeVar("R")


class Missing(LookupError):
    """The cache has no such result, or the file is damaged."""


@dataclass(frozen=True)
class Entry:
    """Cache entry of one result.

    Parameters
    ----------
    step
        Name of the step, which begins the file name.
    inputs
        Everything that the result depends on except code and packages; see `plain`.
    code
        Functions that compute it.
    """

    step: str
    inputs: Mapping[str, Any]
    code: Sequence[Callable[..., Any]]

    @property
    def file(self) -> Path:
        """File of the result."""
        key = json.dumps([self.step, plain(self.inputs), code_digest(*self.code)], sort_keys=True)
        return FOLDER / f"{self.step}-{hashlib.sha256(key.encode()).hexdigest()}.json"

    def load(self) -> Any:
        """Load the result, plain data. Raises `Missing` if there is none or it is damaged."""
        file = self.file
        try:
            checksum, _, text = file.read_text(encoding="utf-8").partition("\n")
            if checksum != _checksum(file, text):
                raise Missing(file.name)
            return json.loads(text)
        except (OSError, ValueError, RecursionError) as error:
            raise Missing(file.name) from error

    def store(self, result: Any) -> None:
        """Store ``result``, plain data."""
        file, text = self.file, json.dumps(result)
        write_files(file.parent, {file.name: f"{_checksum(file, text)}\n{text}"})


def cached(
    step: str,
    inputs: Mapping[str, Any],
    compute: Callable[[], Any],
    *,
    code: Sequence[Callable[..., Any]],
) -> Any:
    """Result of ``compute`` as plain data, from the cache if the `Entry` exists."""
    entry = Entry(step, inputs, code)
    try:
        return entry.load()
    except Missing:
        entry.store(compute())
        return entry.load()


def cached_step(
    compute: Callable[P, R], *, tools: Callable[[], Any] | None = None
) -> Callable[P, R]:
    """Wrap ``compute`` so that repeated calls take their results from the cache.

    Parameters
    ----------
    compute
        Function at the top level of a module. Its annotated return type is a dataclass or plain
        data, or either with None.
    tools
        Versions of programs that ``compute`` runs and that are not Python packages.
    """
    signature, kind = inspect.signature(compute), get_type_hints(compute)["return"]

    @wraps(compute)
    def step(*args: P.args, **kwargs: P.kwargs) -> R:
        given = signature.bind(*args, **kwargs)
        given.apply_defaults()
        inputs = {
            "module": module_of(compute),
            "tools": tools() if tools else None,
            "arguments": given.arguments,
        }
        entry = Entry(compute.__name__.strip("_"), inputs, (compute,))
        try:
            kept: R = _typed(kind, entry.load())
            return kept
        except (Missing, TypeError, KeyError, ValueError, AttributeError):
            result: Any = compute(*args, **kwargs)
            is_data = is_dataclass(result) and not isinstance(result, type)
            entry.store(asdict(result) if is_data else result)
            return result  # type: ignore[no-any-return]

    return step


def plain(value: Any) -> Any:
    """Convert ``value`` to JSON data for the cache key.

    A dataclass is represented by its ``cache_key`` if it has one, else by its fields, a file by its
    contents, and an array by its bytes.
    """
    if value is None or isinstance(value, str | int | float):
        return value.value if isinstance(value, Enum) else value
    if hasattr(value, "cache_key"):
        return [type(value).__name__, plain(value.cache_key)]
    if is_dataclass(value):
        return [
            type(value).__name__,
            {f.name: plain(getattr(value, f.name)) for f in fields(value)},
        ]
    if isinstance(value, Mapping):
        # Pairs, because the order may matter.
        return [[plain(key), plain(item)] for key, item in value.items()]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return hashlib.sha256(value.read_bytes()).hexdigest()
    if hasattr(value, "tobytes"):
        return [str(value.dtype), value.shape, hashlib.sha256(value.tobytes()).hexdigest()]
    raise TypeError(f"Input of a cached step must be plain data, not {type(value).__name__}")


def _checksum(file: Path, text: str) -> str:
    return hashlib.sha256(f"{file.name}\n{text}".encode()).hexdigest()


def _typed(kind: Any, data: Any) -> Any:
    """Convert JSON ``data`` to the annotated type ``kind``."""
    if data is None:
        return None
    if isinstance(kind, UnionType):
        (kind,) = set(get_args(kind)) - {type(None)}
    make: Any = kind
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return make(**{name: _typed(hints[name], value) for name, value in data.items()})
    return tuple(data) if get_origin(kind) is tuple else data
