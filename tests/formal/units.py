# SPDX-License-Identifier: Apache-2.0
"""The units whose RTL is held to a specification, and all that is claimed of each."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hw.spec import FixedAccumulator, FloatAccumulator, MacSpec, parse_mac
from tests.exhaustive.outcome import kind_of
from tests.formal.control import control_cases
from tests.formal.fixed import fixed_cases
from tests.formal.floating import float_cases
from tests.formal.flow import Flow
from tests.formal.solving import Case, Settled
from tests.formal.sums import sum_cases
from tests.formal.theory import theory_cases
from tests.support.specs import ALIGNED_MACS, FLOAT_MACS, MACS

__all__ = ["UNITS", "Unit", "cases"]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit and what it is held to; ``cases`` are those of a flow of the unit."""

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
    """Cases that together say: whatever the unit is given, it does what ``flow.spec`` says."""
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
