# SPDX-License-Identifier: Apache-2.0
"""Results of checks: how much was compared, and how much of it differs."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from hw.spec import AlignedAccumulator, FixedAccumulator, MacSpec, OutputSpec
from synth.record import Metric, Provenance, Record
from tests.support.specs import ALIGNED_MACS, FLOAT_MACS, MACS

WRONG = "mismatches"
#: Conditions that distinguish the parts of one record.
PARTS = ("units", "first_mismatch")
#: Units that have a spelling of their own in the tests go by it, here as in every other record.
SPELLINGS = {spec: text for text, spec in (MACS | FLOAT_MACS | ALIGNED_MACS).items()}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Counts of one subject, by name and unit; those named "...mismatches" must be zero."""

    subject: str
    counts: Mapping[str, tuple[int, str]]
    conditions: Mapping[str, Any] = field(default_factory=dict)
    not_done: tuple[str, ...] = ()

    @property
    def wrong(self) -> int:
        """Everything that differs."""
        return sum(count for name, (count, _) in self.counts.items() if name.endswith(WRONG))

    def record(self, provenance: Provenance) -> Record:
        """The outcome as a record."""
        metrics = {name: Metric(*pair) for name, pair in self.counts.items()}
        return Record(
            subject=self.subject,
            metrics=metrics,
            conditions=self.conditions,
            provenance=provenance,
            not_done=self.not_done,
        )


class Tally(NamedTuple):
    """States compared, how many differ, the first one that does."""

    states: int = 0
    wrong: int = 0
    first: str = ""

    def plus(self, other: "Tally") -> "Tally":
        """Both together."""
        return Tally(
            self.states + other.states, self.wrong + other.wrong, self.first or other.first
        )


def simulated(
    spec: MacSpec | OutputSpec,
    states: int,
    mismatches: int,
    first: str,
    *,
    level: str,
    what: str,
    against: str,
    tier: str = "exhausted",
    family: str = "",
) -> Outcome:
    """Outcome of a unit, or of one unit of a ``family``, as the page of what is known shows it.

    ``level`` is "RTL" or says what the unit's netlist is made of.
    """
    conditions: dict[str, Any] = {
        "kind": kind_of(spec),
        "tier": tier,
        "level": "RTL",
        "what": what,
        "against": against,
    }
    if level != "RTL":
        conditions |= {"level": "netlist", "cells": level}
    name = SPELLINGS.get(spec, str(spec))
    if family:
        conditions["units"] = [name]
    if first:
        conditions["first_mismatch"] = f"{name}: {first}"
    return Outcome(
        subject=family or name,
        conditions=conditions,
        counts={"states": (states, "state"), WRONG: (mismatches, "state")},
    )


def kind_of(spec: MacSpec | OutputSpec) -> str:
    """Chapter of the page that a unit belongs to."""
    if isinstance(spec, OutputSpec):
        return "output"
    if isinstance(spec.acc, FixedAccumulator):
        return "fixed"
    return "aligned" if isinstance(spec.acc, AlignedAccumulator) else "float"


def merged(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Outcomes of one subject and of the same conditions as one: counts add up, units join."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in outcomes:
        same = {name: value for name, value in outcome.conditions.items() if name not in PARTS}
        groups.setdefault(json.dumps([outcome.subject, same]), []).append(outcome)
    return [_joined(group) for group in groups.values()]


def _joined(group: list[Outcome]) -> Outcome:
    """One outcome of a group."""
    first = group[0]
    counts = {
        name: (sum(outcome.counts[name][0] for outcome in group), unit)
        for name, (_, unit) in first.counts.items()
    }
    conditions = dict(first.conditions)
    if "units" in conditions:
        conditions["units"] = [unit for outcome in group for unit in outcome.conditions["units"]]
    wrong = [
        outcome.conditions["first_mismatch"]
        for outcome in group
        if "first_mismatch" in outcome.conditions
    ]
    if wrong:
        conditions["first_mismatch"] = wrong[0]
    return Outcome(
        subject=first.subject, counts=counts, conditions=conditions, not_done=first.not_done
    )
