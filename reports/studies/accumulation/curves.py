# SPDX-License-Identifier: Apache-2.0
"""The records of synth.accumulation as curves of error against the number of products."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hw.spec.errors import require

__all__ = ["CODES", "EXACT", "Curve", "Study"]

Record = dict[str, Any]
#: Accumulators of a record that stand for the rounding of the operands, and for no error at all.
CODES, EXACT = "none", "exact"
_METRIC = re.compile(r"(error|infinite)_at_(\d+)")
_CONDITIONS = ("operands", "source", "accumulator", "headroom", "format", "dot products",
               "largest code")


@dataclass(frozen=True, slots=True)
class Curve:
    """Error of an accumulator by K, and the share of infinite sums where there are any.

    ``accumulator`` is its name, ``headroom`` the power of two by which its operands were made
    smaller, ``bits`` how wide it is.
    """

    accumulator: str
    headroom: int
    bits: int
    errors: dict[int, float]
    infinite: dict[int, float]

    @property
    def label(self) -> str:
        """Name of the curve: an accumulator has several if its operands were made smaller."""
        return self.accumulator + (f" on operands / {1 << self.headroom}" if self.headroom else "")

    @property
    def ks(self) -> list[int]:
        """Lengths of the sums."""
        return sorted([*self.errors, *self.infinite])

    def passes(self, limits: float | dict[int, float]) -> int | None:
        """Smallest K from which on the error is above the limits, or None."""
        first = None
        for k in reversed(self.ks):
            limit = limits[k] if isinstance(limits, dict) else limits
            if k in self.errors and self.errors[k] <= limit:
                break
            first = k
        return first


class Study:
    """All curves: ``curves`` and ``codes``, the rounding of the operands, by kind of operands.

    SpecError if the records are not what synth.accumulation writes.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.curves: dict[str, list[Curve]] = {}
        self.codes: dict[str, Curve] = {}
        self.sources: dict[str, str] = {}
        for record in records:
            conditions = record["conditions"]
            missing = [name for name in _CONDITIONS if name not in conditions]
            require(not missing, "Accumulation record", "complete", f"without {missing}")
            kind, curve = conditions["operands"], _curve(record)
            self.sources[kind] = conditions["source"]
            if curve.accumulator == CODES:
                self.codes[kind] = curve
            else:
                self.curves.setdefault(kind, []).append(curve)
        self.ks = next(iter(self.codes.values())).ks if self.codes else []
        self.format: str = records[0]["conditions"]["format"]
        self.dots: int = records[0]["conditions"]["dot products"]
        self.largest: float = max(record["conditions"]["largest code"] for record in records)
        self._check()

    def _check(self) -> None:
        """Every kind has the same curves, and every curve the same lengths."""
        labels = {tuple(curve.label for curve in curves) for curves in self.curves.values()}
        require(len(labels) == 1 and set(self.codes) == set(self.curves), "Accumulation records",
                "of the same accumulators for all operands", sorted(labels))
        for curve in self.all_curves:
            require(curve.ks == self.ks, "Accumulation records", "of the same K", curve.ks)
            wrong = max(curve.errors.values(), default=0) if curve.accumulator == EXACT else 0
            require(not wrong, "Accumulation error", "0 where sums are exact", wrong)

    @property
    def all_curves(self) -> list[Curve]:
        """Curves of all kinds of operands, those of the codes too."""
        return [*self.codes.values(), *itertools.chain(*self.curves.values())]

    @property
    def labels(self) -> list[str]:
        """Names of the curves, in their order."""
        return [curve.label for curve in next(iter(self.curves.values()))]

    def by_label(self, label: str) -> dict[str, Curve]:
        """The curve of this name for each kind of operands."""
        return {kind: next(curve for curve in curves if curve.label == label)
                for kind, curves in self.curves.items()}


def _curve(record: Record) -> Curve:
    """The curve of one record."""
    names = {name: _METRIC.fullmatch(name) for name in record["metrics"]}
    require(all(names.values()), "Accumulation metrics", "error_at_K or infinite_at_K", list(names))
    values: dict[str, dict[int, float]] = {"error": {}, "infinite": {}}
    for name, match in names.items():
        assert match is not None
        values[match[1]][int(match[2])] = record["metrics"][name]["value"]
    for what, high in (("error", float("inf")), ("infinite", 1)):
        wrong = [value for value in values[what].values()
                 if not isinstance(value, int | float) or not 0 <= value <= high]
        require(not wrong, f"Accumulation {what}", f"from 0 to {high}", wrong)
    both = values["error"].keys() & values["infinite"].keys()
    require(not both, "Accumulation K", "of one metric", sorted(both))
    conditions = record["conditions"]
    return Curve(conditions["accumulator"], conditions["headroom"], conditions.get("bits", 0),
                 values["error"], values["infinite"])
