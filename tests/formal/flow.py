# SPDX-License-Identifier: Apache-2.0
"""A unit's accumulate step with the pipeline unrolled: one operand pair and any old sum.

`Stimuli` is the step as terms of the solver, every input and register a variable of its own.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import z3

from hw.build import verilog
from hw.spec import MacSpec
from tests.formal.netlist import Circuit, Support, Terms, read_verilog, vector

#: Source of everything but lanes; lane ``i`` has the bit ``i + 1``.
_OTHER = 1


@dataclass(frozen=True, slots=True)
class Moment:
    """Values of all nets in one cycle."""

    values: dict[int, Any]
    circuit: Circuit

    def output(self, name: str) -> list[Any]:
        """Bits of an output in that cycle."""
        return [self.values[net] for net in self.circuit.outputs[name]]

    def following(self, name: str) -> list[Any]:
        """Bits of an output, which is a register, after that cycle."""
        return [self.values[self.circuit.registers[net]] for net in self.circuit.outputs[name]]


class Flow:
    """The pair that a unit is given in cycle 0 reaches the accumulator in cycle ``pipeline``.

    What the unit is given in other cycles, and what its registers hold at first, are values of
    their own: a proof about the step therefore holds in any stream.
    """

    def __init__(self, spec: MacSpec, circuit: Circuit):
        self.spec = spec
        self.circuit = circuit

    @classmethod
    def of(cls, spec: MacSpec) -> "Flow":
        """Flow of the unit as it is generated."""
        return cls(spec, read_verilog(verilog(spec), spec.name))

    @cached_property
    def loop(self) -> frozenset[int]:
        """Registers of the accumulate loop: those that depend on themselves.

        Where a stage behind it makes the sum, all that this stage reads belongs to the loop.
        """
        sources = {net: 1 << index for index, net in enumerate(self.circuit.registers)}
        inputs = {net: 0 for bits in self.circuit.inputs.values() for net in bits}
        values = self.circuit.evaluate(Support(), inputs | sources)
        reach = {net: values[self.circuit.registers[net]] for net in sources}
        found = reach
        for _ in range(len(sources)):
            merged = {net: _merge(bits, reach, list(sources)) | bits for net, bits in found.items()}
            if merged == found:
                break
            found = merged
        loop = {net for net, bits in found.items() if bits & sources[net]}
        behind = set(self.circuit.outputs["o_data"]) - loop
        read = [reach[net] for net in behind]
        return frozenset(loop.union(net for net in sources if any(sources[net] & r for r in read)))

    def run(
        self,
        logic: Any,
        given: Callable[[str, int, int], Any],
        fixed: Mapping[int, Mapping[int, Any]] | None = None,
        *,
        behind: int = 0,
    ) -> Moment:
        """Unroll in a logic; ``given(name, bit, cycle)`` is the value of an input or a register.

        Registers outside the loop are asked for in cycle 0, those of the loop in the cycle in
        which the accumulator takes the pair. That is the last one, unless ``behind`` more follow.
        ``fixed`` are values of nets by cycle.
        """
        circuit, taken = self.circuit, self.spec.pipeline
        last = taken + behind
        state = {net: given(*circuit.names[net], 0) for net in circuit.registers}
        for cycle in range(last + 1):
            known = {
                net: given(name, bit, cycle)
                for name, bits in circuit.inputs.items()
                for bit, net in enumerate(bits)
            }
            if cycle == taken:
                state |= {net: given(*circuit.names[net], taken) for net in self.loop}
            values = circuit.evaluate(logic, known | state, (fixed or {}).get(cycle))
            state = {net: values[source] for net, source in circuit.registers.items()}
        return Moment(values, circuit)

    @cached_property
    def resolves(self) -> bool:
        """Whether the accumulator is not the output itself: a stage behind it makes the sum."""
        return not self.loop.issuperset(self.circuit.outputs["o_data"])

    @cached_property
    def support(self) -> Moment:
        """Sources of each net: bit ``lane + 1`` for the operands of a lane, bit 0 for the rest."""
        return self.support_behind(0)

    def support_behind(self, behind: int) -> Moment:
        """The same, some cycles after the accumulation, or before it."""
        return self.run(Support(), self._source, behind=behind)

    def _source(self, name: str, bit: int, cycle: int) -> int:
        if name in ("i_a", "i_b") and cycle == 0:
            width = (self.spec.a if name == "i_a" else self.spec.b).width
            return 2 << bit // width
        # The pair of cycle 0 is a valid one.
        fixed = name in ("rst", "clk") or (name, cycle) == ("i_valid", 0)
        return 0 if fixed else _OTHER

    @cached_property
    def cuts(self) -> list[list[int]]:
        """Nets of each lane from which the rest of the step reads its product, except for flags."""
        support = self.support.values
        read: dict[int, int] = {}
        for _, out, inputs in self.circuit.gates:
            for net in inputs:
                if support[net] != support[out]:
                    read[net] = support[net]
        for net in (
            *self.circuit.registers.values(),
            *(net for bits in self.circuit.outputs.values() for net in bits),
        ):
            read[net] = support[net]
        needed = self._needed()
        return [
            sorted(net for net, sources in read.items() if sources == 2 << lane and net in needed)
            for lane in range(self.spec.lanes)
        ]

    @cached_property
    def joint_cuts(self) -> list[int]:
        """Nets of all lanes together from which the rest of the step reads their sum."""
        support = self.support.values
        gates = {gate.out: gate for gate in self.circuit.gates}
        pending = [self.circuit.registers[net] for net in self.loop]
        seen: set[int] = set()
        found: set[int] = set()
        while pending:
            net = pending.pop()
            if net in seen:
                continue
            seen.add(net)
            if support[net] and not support[net] & _OTHER:
                found.add(net)
            elif net in gates:
                pending += gates[net].inputs
        return sorted(found)

    def unmatched(self, lane: int, known: Container[int]) -> list[int]:
        """Nets where the lane is cut that do not follow from ``known`` nets of it."""
        gates = {gate.out: gate for gate in self.circuit.gates}
        follows: dict[int, bool] = {0: True, 1: True}

        def check(net: int) -> bool:
            if net not in follows:
                follows[net] = net in known or (
                    net in gates and all(check(source) for source in gates[net].inputs)
                )
            return follows[net]

        return [net for net in self.cuts[lane] if not check(net)]

    def _needed(self) -> set[int]:
        """Nets that the next sum depends on, traced back to those of one lane."""
        gates = {gate.out: gate for gate in self.circuit.gates}
        support = self.support.values
        pending = [
            self.circuit.registers[net]
            for net in self.loop
            if net not in self.circuit.outputs.get("o_flags", ())
        ]
        seen: set[int] = set()
        while pending:
            net = pending.pop()
            if net in seen:
                continue
            seen.add(net)
            alone = support[net] & (support[net] - 1) == 0 and support[net] > _OTHER
            if net in gates and not alone:
                pending += gates[net].inputs
        return seen


def _merge(bits: int, reach: Mapping[int, int], nets: Sequence[int]) -> int:
    """Union of the sources of ``nets``."""
    total = 0
    while bits:
        low = bits & -bits
        total |= reach[nets[low.bit_length() - 1]]
        bits ^= low
    return total


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
        """Accumulator before the pair."""
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

    def run(
        self,
        *,
        fixed: Mapping[int, Any] | None = None,
        fixed_before: Mapping[int, Mapping[int, Any]] | None = None,
        inputs: Mapping[tuple[str, int], Any] | None = None,
        override: Callable[[str, int, int], Any] | None = None,
        behind: int = 0,
    ) -> Moment:
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
