# SPDX-License-Identifier: Apache-2.0
"""Queries to the solver, and their outcomes."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import z3

#: Plain bit-blasting: the default strategy of the solver takes twenty times as long here.
_TACTICS = ("simplify", "propagate-values", "bit-blast")


class Verdict(Enum):
    """What is known of a claim."""

    PROVEN = "proven"
    REFUTED = "refuted"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Verdict of a case; ``detail`` is the counterexample, or why nothing was found."""

    case: str
    verdict: Verdict
    seconds: float
    detail: str = ""


class Case(Protocol):
    """Part of the claim that a unit meets its specification."""

    name: str

    def settle(self, timeout: float) -> Outcome:
        """Prove it or refute it within ``timeout`` seconds."""


@dataclass(frozen=True, slots=True)
class Query:
    """``claim`` holds wherever all ``given`` do.

    ``explain`` says in one line what a counterexample is; None, if it stands for no operands. Then
    the claim is tried again with what ``narrow`` says of the operands that there are.
    """

    name: str
    claim: z3.BoolRef
    explain: Callable[[z3.ModelRef], str | None]
    given: Sequence[z3.BoolRef] = ()
    narrow: Callable[[], z3.BoolRef] | None = None
    tactics: Sequence[str] = _TACTICS

    def settle(self, timeout: float) -> Outcome:
        """Ask for a state in which the claim is wrong."""
        started = time.monotonic()
        answer, model = self._ask(timeout, self.given)
        detail = self.explain(model) if model else ""
        if detail is None and self.narrow:
            left = timeout - (time.monotonic() - started)
            answer, model = self._ask(left, [*self.given, self.narrow()])
            detail = self.explain(model) if model else ""
        if answer == z3.unsat:
            verdict = Verdict.PROVEN
        elif answer == z3.unknown:
            verdict, detail = Verdict.OPEN, f"stopped after {timeout:g} s"
        elif detail is None:
            verdict, detail = Verdict.OPEN, "no operands are known that make it wrong"
        else:
            verdict = Verdict.REFUTED
        return Outcome(self.name, verdict, time.monotonic() - started, detail or "")

    def _ask(
        self, timeout: float, given: Sequence[z3.BoolRef]
    ) -> tuple[z3.CheckSatResult, z3.ModelRef | None]:
        """Answer of the solver, and a counterexample if there is one."""
        started = time.monotonic()
        # Only the slower engine returns counterexamples with floating-point terms.
        for engine in ("sat", "smt"):
            left = timeout - (time.monotonic() - started)
            if left <= 0:
                break
            solver = z3.Then(*self.tactics, engine).solver()
            solver.set("timeout", max(1, int(1000 * left)))
            solver.add(z3.Not(self.claim), *given)
            answer = solver.check()
            if answer != z3.unknown:
                return answer, solver.model() if answer == z3.sat else None
        return z3.unknown, None


@dataclass(frozen=True, slots=True)
class Settled:
    """A claim with a known outcome."""

    outcome: Outcome

    @property
    def name(self) -> str:
        """Name of the case."""
        return self.outcome.case

    @classmethod
    def untried(cls, name: str, reason: str) -> "Settled":
        """A claim that cannot be settled here; it is counted as open."""
        return cls(Outcome(name, Verdict.OPEN, 0.0, reason))

    def settle(self, timeout: float) -> Outcome:
        """The outcome."""
        return self.outcome
