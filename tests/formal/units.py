# SPDX-License-Identifier: Apache-2.0
"""The units whose RTL is held to a specification, and all that is claimed of each."""

from collections.abc import Iterator

from hw.spec import FixedAccumulator, FloatAccumulator, MacSpec
from tests.exhaustion.outcome import kind_of
from tests.formal.control import control_cases
from tests.formal.fixed import fixed_cases
from tests.formal.floating import float_cases
from tests.formal.flow import Flow
from tests.formal.solving import Case, Settled
from tests.specs import ALIGNED_MACS, FLOAT_MACS, MACS

__all__ = ["UNITS", "cases", "kind_of"]

#: Every named MAC, by its spelling.
UNITS: dict[str, MacSpec] = MACS | FLOAT_MACS | ALIGNED_MACS

_STEPS = {FixedAccumulator: fixed_cases, FloatAccumulator: float_cases}


def cases(spec: MacSpec, flow: Flow | None = None) -> Iterator[Case]:
    """Cases that together say: whatever the unit is given, it does what its specification says.

    ``flow`` may be that of another circuit, which is then held to the same specification.
    """
    flow = flow or Flow.of(spec)
    yield from control_cases(flow)
    steps = _STEPS.get(type(spec.acc))
    if steps is None:
        yield Settled.untried("step", "sums of aligned terms are not tried")
    else:
        yield from steps(flow)
