# SPDX-License-Identifier: Apache-2.0
"""Results of slow steps by the digest of all that they depend on, kept between runs.

>>> count_once = cached_step(count)
>>> count_once({"unit.v": text}, "unit", "keep")    # From the cache the second time.

The key of a result is the step's arguments, the closure of imports of the code that computes it
(`sim.closure`) and the versions of tools that are no packages. A result is written under a
temporary name and renamed, so that a kill leaves none or a whole one, and several processes may
share the folder. Each file begins with a checksum of its name and the rest: what was cut, altered
or put under another name is computed again.
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
    """There is no such result, or nothing that can be believed."""


@dataclass(frozen=True)
class Entry:
    """Place of one result.

    Parameters
    ----------
    step
        Name of what is computed, which the file's name begins with.
    inputs
        All that the result depends on beside code and packages; see `plain`.
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
        """The result, plain data; `Missing` if there is none as it was written."""
        file = self.file
        try:
            checksum, _, text = file.read_text(encoding="utf-8").partition("\n")
            if checksum != _checksum(file, text):
                raise Missing(file.name)
            return json.loads(text)
        except (OSError, ValueError, RecursionError) as error:
            raise Missing(file.name) from error

    def store(self, result: Any) -> None:
        """Keep ``result``, plain data."""
        file, text = self.file, json.dumps(result)
        write_files(file.parent, {file.name: f"{_checksum(file, text)}\n{text}"})


def cached(
    step: str,
    inputs: Mapping[str, Any],
    compute: Callable[[], Any],
    *,
    code: Sequence[Callable[..., Any]],
) -> Any:
    """Result of ``compute``, plain data; of an earlier call with the same `Entry`, if there is."""
    entry = Entry(step, inputs, code)
    try:
        return entry.load()
    except Missing:
        entry.store(compute())
        return entry.load()


def cached_step(
    compute: Callable[P, R], *, tools: Callable[[], Any] | None = None
) -> Callable[P, R]:
    """``compute``, its result taken from the cache where the same call has been made before.

    Parameters
    ----------
    compute
        Function of the top of a module, whose annotations say what it returns: a dataclass, plain
        data, or either or None.
    tools
        Versions of programs that ``compute`` runs and that are no packages.
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
    """``value`` as data of JSON that differs where it matters.

    A dataclass counts by its fields or, if it has one, by its ``cache_key``; a file by what is in
    it; an array by its bytes.
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
        # As pairs, because their order may matter.
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
    """``data`` of JSON as what the annotation ``kind`` says."""
    if data is None:
        return None
    if isinstance(kind, UnionType):
        (kind,) = set(get_args(kind)) - {type(None)}
    make: Any = kind
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        return make(**{name: _typed(hints[name], value) for name, value in data.items()})
    return tuple(data) if get_origin(kind) is tuple else data
