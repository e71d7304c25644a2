# SPDX-License-Identifier: Apache-2.0
"""What is measured, and the part of a record that one measurement gives."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from synth.flow.design import Design
from synth.flow.gates import recipes
from synth.flow.liberty import Library
from synth.flow.mapping import Mapped
from synth.measure.steps import mapped_of
from synth.record import Metric

__all__ = ["Job", "Part"]

#: Clock period, in ns, that no cell is made larger for.
SLOW_NS = 1000.0


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is measured, on what: ``library`` None leaves cells and timing out.

    ``clock_ns`` is a clock period in ns that the slack is told for and that recipes with a clock
    target map for.
    """

    design: Design
    library: Library | None
    recipe: str = "keep"
    clock_ns: float | None = None

    @cached_property
    def mapped(self) -> Mapped | None:
        """The design in cells of the library."""
        if self.library is None:
            return None
        return mapped_of(self.design, self.library, self.recipe, clock_ns=self.clock_ns)

    @property
    def sized(self) -> "Job":
        """The job in the recipe's twin that buffers wide fan-outs, if there is one.

        Without buffers slews leave the library's tables, and energies with them. Where no clock was
        asked for it is so slow that cells stay small.
        """
        recipe = f"{self.recipe}-sized"
        if recipe not in recipes("cells"):
            return self
        return replace(self, recipe=recipe, clock_ns=self.clock_ns or SLOW_NS)

    @cached_property
    def element(self) -> Mapped | None:
        """The design's element in cells: the design itself, or an array's processing element."""
        if self.library is None or self.design.element == self.design.top:
            return self.mapped
        return mapped_of(self.design, self.library, self.recipe, clock_ns=self.clock_ns,
                         element=True)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Part of a record: ``tools`` are versions by name."""

    metrics: dict[str, Metric] = field(default_factory=dict)
    conditions: dict[str, Any] = field(default_factory=dict)
    not_done: tuple[str, ...] = ()
    tools: dict[str, str] = field(default_factory=dict)
