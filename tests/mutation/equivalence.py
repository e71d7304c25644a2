# SPDX-License-Identifier: Apache-2.0
"""Whether a fault changes nothing: a solver compares the netlist with itself without the fault.

Both start from the same state with the same inputs; if outputs and next states can not differ,
no sequence of inputs tells them apart. If they can, `tests.mutation.sequences` looks at more than
one cycle.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import z3

from tests.formal.logic import Terms, vector
from tests.formal.netlist import Circuit, read_verilog
from tests.mutation.netlist import SELECT, FaultyNetlist
from tests.mutation.sequences import equal_in_sequences

__all__ = ["EQUAL", "SEQUENCES", "Equivalence", "States"]

#: Condition on outputs, which are registers: it holds in every state that can be reached.
#: The argument gives the value of an output by its name.
States = Callable[[Callable[[str], z3.BitVecRef]], z3.BoolRef]
Condition = z3.BoolRef | bool

FIRST_MS, TIMEOUT_MS, STEP_MS = 5_000, 60_000, 1_000
#: Steps that the solver may leave open before it takes no more of them.
MAX_UNKNOWN = 10
EQUAL = "proven: equal outputs and next states from every state"
SEQUENCES = "proven: equal outputs, while they are valid, in every sequence from power-up"
#: Signals of a MAC that hold the sum, and why it does not matter what a reset makes of them.
SUMS = ("o_data", "o_flags")
UNREAD = "they mean nothing without o_valid, and i_first starts the next sum without them"


class Equivalence:
    """Compares a netlist's faults with none of them.

    Parameters
    ----------
    netlist
        With its faults.
    states
        What is known of the states that the unit can be in; None for nothing.
    """

    def __init__(self, netlist: FaultyNetlist, states: States | None):
        self._circuit: Circuit = read_verilog(netlist.verilog, netlist.top)
        self._known = {net: z3.Bool(f"{name}[{bit}]") for name, bits in self._circuit.inputs.items()
                       for bit, net in enumerate(bits)}
        self._known |= {net: z3.Bool(f"{name}[{bit}]")
                        for net, (name, bit) in self._circuit.names.items()}
        self._netlist, self._states = netlist, states
        self._seen = {net for bits in self._circuit.outputs.values() for net in bits}
        self._seen |= set(self._circuit.registers.values())
        self._sound = self._circuit.evaluate(Terms(), self._inputs(0))

    def reason(self, place: int) -> str:
        """Why fault ``place`` changes nothing; empty if it does, or if that is not known."""
        reachable = self._states(self._signal) if self._states else True
        for known, where in ((True, ""), (reachable, " that can be reached")):
            if self._shown(place, known, {}):
                return f"{EQUAL}{where}"
        if equal_in_sequences(self._netlist, place):
            return SEQUENCES
        reset = self._known[self._circuit.inputs["rst"][0]]
        sums = {self._circuit.registers[net]: z3.Not(reset)
                for net, (name, _) in self._circuit.names.items()
                if name.rpartition(".")[2] in SUMS}
        if self._shown(place, reachable, sums):
            return f"{EQUAL}, but for sums behind a reset: {UNREAD}"
        return ""

    def _shown(self, place: int, known: Condition, only: Mapping[int, z3.BoolRef]) -> bool:
        """Whether no output and no next state is another one; some nets count ``only`` if.

        If the solver does not know at once, it takes the netlist gate by gate.
        """
        for by_steps in (False, True):
            values = self._faulty_values(place, known if by_steps else None)
            differ = [z3.And(_differ(self._sound[net], values[net]), only.get(net, True))
                      for net in self._seen if not _same(self._sound[net], values[net])]
            outcome = _solve(differ, known, TIMEOUT_MS if by_steps else FIRST_MS)
            if outcome != z3.unknown:
                return outcome == z3.unsat
        return False

    def _inputs(self, place: int) -> dict[int, Condition]:
        """Values of inputs and registers where a fault is selected."""
        return self._known | {net: bool(place >> bit & 1)
                              for bit, net in enumerate(self._circuit.inputs[SELECT])}

    def _faulty_values(self, place: int, known: Condition | None) -> dict[int, Any]:
        """Values of all nets under one fault.

        Unless ``known`` is None, a net that is shown to be equal where it holds has the sound
        value: the proof of the whole is then no harder than its steps.
        """
        values, sound = {0: False, 1: True} | self._inputs(place), self._sound
        unknown = 0
        for gate in self._circuit.gates:
            if all(_same(values[net], sound[net]) for net in gate.inputs):
                values[gate.out] = sound[gate.out]
                continue
            alone = replace(self._circuit, gates=(gate,))
            value = alone.evaluate(Terms(), {net: values[net] for net in gate.inputs})[gate.out]
            steps = known is not None and unknown < MAX_UNKNOWN
            if steps and not _same(sound[gate.out], value):
                outcome = _solve([_differ(sound[gate.out], value)], known, STEP_MS)
                unknown += outcome == z3.unknown
                if outcome == z3.unsat:
                    value = sound[gate.out]
            values[gate.out] = value
        return values

    def _signal(self, name: str) -> z3.BitVecRef:
        """Value of an output in both."""
        return vector([self._sound[net] for net in self._circuit.outputs[name]])


def _solve(conditions: Sequence[z3.BoolRef], known: Condition,
           timeout_ms: int) -> z3.CheckSatResult:
    """Whether any of the conditions can hold where ``known`` does."""
    solver = z3.Solver()
    solver.set("timeout", timeout_ms)
    solver.add(z3.Or(*conditions), known)
    return solver.check()


def _differ(x: Any, y: Any) -> z3.BoolRef:
    """Whether two values differ that are not the same term."""
    if isinstance(x, bool) and isinstance(y, bool):
        return z3.BoolVal(x != y)
    return z3.Xor(x, y)


def _same(x: Any, y: Any) -> bool:
    """Whether two values are the same term."""
    if isinstance(x, bool) or isinstance(y, bool):
        return x is y
    return bool(x.eq(y))
