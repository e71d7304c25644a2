# SPDX-License-Identifier: Apache-2.0
"""Units whose RTL is proven against a specification: the claims, and their outcomes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hw.spec import FixedAccumulator, FloatAccumulator, MacSpec, parse_mac
from synth.record import Metric, Provenance, Record
from tests.exhaustive.outcome import kind_of
from tests.formal.control import control_cases
from tests.formal.fixed import fixed_cases
from tests.formal.floating import float_cases, theory_cases
from tests.formal.flow import Flow
from tests.formal.lane_sums import sum_cases
from tests.formal.solving import Case, Outcome, Settled, Verdict
from tests.support.specs import ALIGNED_MACS, FLOAT_MACS, MACS

#: Cases of a unit that may run out of time before the rest is left alone.
_PATIENCE = 3


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit and its specification; ``cases`` are the claims about a flow of the unit."""

    spelling: str
    spec: MacSpec
    against: str
    cases: Callable[[Flow], Iterator[Case]]

    @property
    def kind(self) -> str:
        """Chapter of the page that it belongs to."""
        return kind_of(self.spec)

    @property
    def what(self) -> str:
        """What the cases cover together."""
        sums = "every sum" if self.kind == "fixed" else "every sum that it can hold"
        return f"every pair from {sums}, against {self.against}"


def cases(flow: Flow) -> Iterator[Case]:
    """Cases that together cover all inputs: the unit does what ``flow.spec`` specifies."""
    yield from control_cases(flow)
    if isinstance(flow.spec.acc, FixedAccumulator):
        yield from fixed_cases(flow)
    elif isinstance(flow.spec.acc, FloatAccumulator):
        yield from (float_cases if flow.spec.lanes == 1 else sum_cases)(flow)
    else:
        yield Settled.untried("step", "sums of aligned terms are not tried")


def _units() -> Iterator[tuple[str, Unit]]:
    """Every named MAC by its spelling; a unit of the cross-check by more than that."""
    for spelling, spec in (MACS | FLOAT_MACS | ALIGNED_MACS).items():
        yield spelling, Unit(spelling, spec, "bit-vectors", cases)
    spelling = "e5m2,acc=e5m2"
    for against, claimed in (("bit-vectors", cases), ("the FloatingPoint theory", theory_cases)):
        yield f"{spelling} against {against}", Unit(spelling, parse_mac(spelling), against, claimed)


UNITS = dict(_units())


@dataclass(frozen=True, slots=True)
class Result:
    """Outcomes of a unit's cases, those that were left alone among them."""

    name: str
    outcomes: tuple[Outcome, ...]
    seconds: float

    def count(self, verdict: Verdict) -> int:
        """Cases with a verdict."""
        return sum(outcome.verdict is verdict for outcome in self.outcomes)

    @property
    def refuted(self) -> list[Outcome]:
        """Cases that are wrong, each with its counterexample."""
        return [outcome for outcome in self.outcomes if outcome.verdict is Verdict.REFUTED]

    @property
    def proven(self) -> bool:
        """Whether every case is proven."""
        return self.count(Verdict.PROVEN) == len(self.outcomes)

    def __str__(self) -> str:
        """The result in one line, or one more for what is not proven."""
        proven = f"{self.count(Verdict.PROVEN)} of {len(self.outcomes)} cases proven"
        lines = [f"{self.name}: {proven}, {self.seconds:.1f} s"]
        rest = [outcome for outcome in self.outcomes if outcome.verdict is not Verdict.PROVEN]
        lines += [
            f"  {outcome.verdict.value}: {outcome.case}: {outcome.detail}" for outcome in rest[:1]
        ]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The result as plain data."""
        return {
            "unit": self.name,
            "seconds": round(self.seconds, 2),
            "cases": [
                {
                    "name": outcome.case,
                    "verdict": outcome.verdict.value,
                    "seconds": round(outcome.seconds, 3),
                    "detail": outcome.detail,
                }
                for outcome in self.outcomes
            ],
        }

    def record(self, origin: Provenance) -> Record:
        """The result as a record."""
        unit = UNITS[self.name]
        rest = [outcome for outcome in self.outcomes if outcome.verdict is not Verdict.PROVEN]
        return Record(
            subject=unit.spelling,
            provenance=origin,
            metrics={
                "cases": Metric(len(self.outcomes), "case"),
                "proven": Metric(self.count(Verdict.PROVEN), "case"),
                "refuted": Metric(self.count(Verdict.REFUTED), "case"),
                "runtime": Metric(round(self.seconds, 1), "s"),
            },
            conditions={
                "tier": "proven" if self.proven else "open",
                "kind": unit.kind,
                "level": "Verilog",
                "what": unit.what,
            },
            not_done=[f"{outcome.case}: {outcome.detail}" for outcome in rest],
        )


def prove(name: str, timeout: float) -> Result:
    """Settle every case of one of `UNITS`; ``timeout`` are seconds for each."""
    started = time.monotonic()
    outcomes: list[Outcome] = []
    stopped, unit = 0, UNITS[name]
    for case in unit.cases(Flow.of(unit.spec)):
        if stopped < _PATIENCE:
            outcomes.append(case.settle(timeout))
            stopped += outcomes[-1].verdict is Verdict.OPEN
        else:
            outcomes.append(Outcome(case.name, Verdict.OPEN, 0.0, "left alone"))
    return Result(name, tuple(outcomes), time.monotonic() - started)
