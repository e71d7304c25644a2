# SPDX-License-Identifier: Apache-2.0
"""A unit's step as terms of the solver, every input and register a variable of its own."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import z3

from tests.formal.flow import Flow, Moment
from tests.formal.logic import Terms, vector

__all__ = ["Stimuli", "number"]


class Stimuli:
    """Variables of a unit's step: the pair of cycle 0, the sum that it meets."""

    def __init__(self, flow: Flow):
        self.flow = flow
        self.spec = flow.spec
        self.last = flow.spec.pipeline

    def bit(self, name: str, bit: int, cycle: int) -> z3.BoolRef:
        """Variable of one bit of an input, or of a register before cycle 0."""
        return z3.Bool(f"{name}[{bit}]@{cycle}")

    def word(self, name: str, cycle: int, width: int) -> z3.BitVecRef:
        """Variable of a whole input or register."""
        return vector([self.bit(name, bit, cycle) for bit in range(width)])

    @cached_property
    def old(self) -> z3.BitVecRef:
        """Accumulator that the pair meets."""
        return self.word("o_data", self.last, self.spec.acc.width)

    @cached_property
    def old_flags(self) -> z3.BitVecRef:
        """Flags that the pair meets: the outputs, or what the outputs take over a cycle later."""
        if self.flow.resolves:
            return vector(self.run().following("o_flags"))
        return self.word("o_flags", self.last, self.spec.flag_bits)

    @property
    def first(self) -> z3.BoolRef:
        """Whether the pair begins a sum."""
        return self.bit("i_first", 0, 0)

    def run(self, *, fixed: Mapping[int, Any] | None = None,
            fixed_before: Mapping[int, Mapping[int, Any]] | None = None,
            inputs: Mapping[tuple[str, int], Any] | None = None,
            override: Callable[[str, int, int], Any] | None = None,
            behind: int = 0) -> Moment:
        """The step with a valid pair and no reset.

        ``inputs`` are values of the pair's bits by name and bit; ``fixed`` of nets in the cycle of
        the accumulation, ``fixed_before`` of nets by cycle. ``override`` may give the value of any
        other bit, None leaves it as it is. The moment is ``behind`` cycles behind the accumulation.
        """
        pair = {("i_valid", 0): True, **(inputs or {})}

        def given(name: str, bit: int, cycle: int) -> Any:
            other = override(name, bit, cycle) if override else None
            if other is not None:
                return other
            if name == "rst":
                return False
            if cycle == 0 and (name, bit) in pair:
                return pair[name, bit]
            return self.bit(name, bit, cycle)

        by_cycle = {**(fixed_before or {}), self.last: fixed or {}}
        return self.flow.run(Terms(), given, by_cycle, behind=behind)


def number(model: z3.ModelRef, term: z3.ExprRef) -> int:
    """Value of a term in a model."""
    value = model.eval(term, model_completion=True)
    return int(z3.is_true(value)) if z3.is_bool(value) else value.as_long()
