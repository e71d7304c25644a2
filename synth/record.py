# SPDX-License-Identifier: Apache-2.0
"""Records of measurements, with units, conditions and provenance.

A tool measures, builds `Record` objects, and writes them with `write_records(path, records)` to a
file in ``reports/data``. `read_records(path)` reads and checks them. Reports take all their numbers
from records::

    record = Record(
        subject=spec.name,
        metrics={"gates": Metric(497, "gate"), "runtime": Metric(2.31, "s")},
        conditions={"recipe": "booth"},
        provenance=provenance("python -m synth.flow.gates", tools=("amaranth", "pyosys"), seed=1),
        not_done=("placement and routing",),
    )
    write_records("reports/data/gates.json", [record])

A file is ``{"records": [...]}`` with sorted keys, so that the diff of a new run shows only changes.
"""

import json
import platform
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from hw.emit.files import write_files
from hw.spec import folders
from hw.spec.errors import SpecError, require
from hw.spec.files import readable

#: Sources that results depend on. Records and pages are results, so they do not make a tree dirty.
SOURCES = ("hw", "sim", "synth", "reports/studies", "tests", "pyproject.toml", "locks")

Value = float | int | str | bool


class NotDone(SpecError):
    """A measurement that a design does not allow. The message is the reason, in a few words."""


class Metric(NamedTuple):
    """A measured value and its unit ("" for a plain number, a name or a yes/no)."""

    value: Value
    unit: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """Where a record comes from, with enough detail to measure it again.

    ``commit`` is "unknown" outside a git checkout. ``dirty`` means that the sources differed from
    it. ``library`` describes a cell library or data set (name, corner, sha256), if one was used.
    """

    command: str
    commit: str
    dirty: bool
    date: str
    tools: Mapping[str, str]
    library: Mapping[str, Any] | None = None
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in ("command", "commit", "date"):
            _require_text(f"Provenance {name}", getattr(self, name))
        require(isinstance(self.dirty, bool), "Provenance dirty", "a bool", self.dirty)
        _require_keys("Provenance tools", self.tools)
        require(
            all(isinstance(v, str) for v in self.tools.values()),
            "Provenance tools",
            "versions by name",
            dict(self.tools),
        )
        if self.library is not None:
            _require_keys("Provenance library", self.library)
        require(
            self.seed is None or type(self.seed) is int,
            "Provenance seed",
            "an integer or None",
            self.seed,
        )


@dataclass(frozen=True, kw_only=True, slots=True, repr=False)
class Record:
    """Metrics of one subject, measured under one set of conditions.

    Parameters
    ----------
    subject
        What was measured: the name of a spec, if there is one.
    metrics
        Values with units, by name; plain tuples ``(value, unit)`` are converted.
    conditions
        What the values depend on, for instance recipe, size or data set.
    provenance
        Where they come from.
    not_done
        What a reader may expect but was not done, one phrase each.

    Raises
    ------
    SpecError
        If a field is invalid.
    """

    subject: str
    metrics: Mapping[str, Metric]
    provenance: Provenance
    conditions: Mapping[str, Any] = field(default_factory=dict)
    not_done: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _require_text("Record subject", self.subject)
        require(bool(self.metrics), "Record metrics", "at least one", self.metrics)
        _require_keys("Record metrics", self.metrics)
        metrics = {name: _metric(name, pair) for name, pair in self.metrics.items()}
        object.__setattr__(self, "metrics", metrics)
        _require_keys("Record conditions", self.conditions)
        require(
            isinstance(self.provenance, Provenance),
            "Record provenance",
            "a Provenance",
            self.provenance,
        )
        require(
            isinstance(self.not_done, list | tuple)
            and all(isinstance(item, str) for item in self.not_done),
            "Record not_done",
            "a list of phrases",
            self.not_done,
        )
        object.__setattr__(self, "not_done", tuple(self.not_done))

    def __repr__(self) -> str:
        return f"Record({self.subject!r}, {len(self.metrics)} metrics)"

    def to_json(self) -> dict[str, Any]:
        """The record as plain data."""
        origin = {f.name: getattr(self.provenance, f.name) for f in fields(Provenance)}
        origin["tools"] = dict(self.provenance.tools)
        return {
            "subject": self.subject,
            "conditions": dict(self.conditions),
            "provenance": origin,
            "metrics": {name: metric._asdict() for name, metric in self.metrics.items()},
            "not_done": list(self.not_done),
        }

    @classmethod
    def from_json(cls, data: object) -> "Record":
        """Record from plain data, which is checked."""
        data = _require_fields("Record", data, cls)
        origin = _require_fields("Provenance", data["provenance"], Provenance)
        _require_keys("Record metrics", data["metrics"])
        metrics = {}
        for name, pair in data["metrics"].items():
            require(
                isinstance(pair, dict) and set(pair) == {"value", "unit"},
                f"Metric {name}",
                "an object of value and unit",
                pair,
            )
            metrics[name] = Metric(pair["value"], pair["unit"])
        return cls(**data | {"metrics": metrics, "provenance": Provenance(**origin)})


def _metric(name: str, pair: object) -> Metric:
    """Metric from ``pair``, which is checked."""
    require(isinstance(pair, tuple) and len(pair) == 2, f"Metric {name}", "(value, unit)", pair)
    metric = Metric(*pair)  # type: ignore[misc]
    finite = not isinstance(metric.value, float) or abs(metric.value) < float("inf")
    require(
        isinstance(metric.value, float | int | str) and finite,
        f"Metric {name} value",
        "a finite number, a string or a bool",
        metric.value,
    )
    require(isinstance(metric.unit, str), f"Metric {name} unit", "a string", metric.unit)
    return metric


def _require_text(noun: str, value: object) -> None:
    """Raise unless ``value`` is a non-empty string."""
    require(isinstance(value, str) and bool(value), noun, "a non-empty string", value)


def _require_keys(noun: str, value: object) -> None:
    """Raise unless ``value`` is a mapping with string keys."""
    require(
        isinstance(value, Mapping) and all(isinstance(key, str) for key in value),
        noun,
        "a mapping from names",
        value,
    )


def _require_fields(noun: str, data: object, cls: type) -> dict[str, Any]:
    """Return ``data`` if it is an object with exactly the fields of ``cls``, else raise."""
    names = sorted(f.name for f in fields(cls))
    given = sorted(data) if isinstance(data, dict) else data
    require(isinstance(data, dict) and given == names, f"{noun} fields", ", ".join(names), given)
    return data  # type: ignore[return-value]


def provenance(
    command: str,
    *,
    tools: Iterable[str] | Mapping[str, str] = (),
    library: Mapping[str, Any] | None = None,
    seed: int | None = None,
) -> Provenance:
    """Provenance of a measurement made now, in this checkout, by ``command``.

    ``tools`` are names of installed Python packages, whose versions are looked up, or versions by
    name for other tools. Python is always included.
    """
    versions = tools if isinstance(tools, Mapping) else {n: metadata.version(n) for n in tools}
    return Provenance(
        command=command,
        commit=_git("rev-parse", "HEAD") or "unknown",
        dirty=bool(_git("status", "--porcelain", "--", *SOURCES)),
        date=datetime.now(UTC).isoformat(timespec="seconds"),
        tools={"python": platform.python_version(), **versions},
        library=library,
        seed=seed,
    )


def _git(*arguments: str) -> str:
    """Output of git in this checkout; "" without git or outside a checkout."""
    root = folders.checkout()
    if root is None:
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()


def write_records(path: str | Path, records: Iterable[Record]) -> Path:
    """Write ``records`` to ``path`` atomically, and return the path.

    Raises SpecError if the folder cannot be written.
    """
    path = Path(path)
    data = {"records": [record.to_json() for record in records]}
    text = json.dumps(data, indent=2, sort_keys=True, allow_nan=False) + "\n"
    return write_files(path.parent, {path.name: text})[0]


def read_records(path: str | Path) -> list[Record]:
    """Read and check the records in the file ``path``. Raises SpecError if they are invalid."""
    try:
        data = json.loads(readable(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SpecError(f"Records file {str(path)!r} cannot be read as JSON") from error
    require(
        isinstance(data, dict) and list(data) == ["records"] and isinstance(data["records"], list),
        "Records",
        '{"records": [...]}',
        str(path),
    )
    return [Record.from_json(item) for item in data["records"]]
