# SPDX-License-Identifier: Apache-2.0
"""Claims about the protocol of a MAC: registers that hold, ``o_valid``, and reset."""

from collections.abc import Iterator
from typing import Any

import z3

from tests.formal.flow import Flow, Stimuli, number
from tests.formal.netlist import vector
from tests.formal.solving import Case, Query


def control_cases(flow: Flow) -> Iterator[Case]:
    """A pair that is not valid changes nothing; the last one announces the sum; resets clear."""
    stimuli, spec = Stimuli(flow), flow.spec
    quiet = {"inputs": {("i_valid", 0): False}}
    yield _query("a pair that is not valid changes nothing", *_sums(stimuli, quiet))
    valid, last = stimuli.bit("i_valid", 0, 0), stimuli.bit("i_last", 0, 0)
    behind = spec.latency - spec.pipeline - 1
    free = stimuli.run(inputs={("i_valid", 0): valid}, behind=behind)
    yield _query(
        "a sum is announced behind its last pair",
        vector(free.following("o_valid")),
        vector([z3.And(valid, last)]),
    )
    for cycle in range(spec.latency):

        def reset(name: str, bit: int, at: int, cycle: int = cycle) -> bool | None:
            return at == cycle if name == "rst" else None

        moment = stimuli.run(override=reset, behind=behind)
        yield _query(
            f"a reset {cycle} cycles behind a pair takes back its announcement",
            vector(moment.following("o_valid")),
            z3.BitVecVal(0, 1),
        )
        if cycle < spec.pipeline:
            yield _query(
                f"a reset {cycle} cycles behind a pair drops it",
                *_sums(stimuli, {"override": reset}),
            )


def _sums(stimuli: Stimuli, conditions: dict[str, Any]) -> tuple[z3.BitVecRef, z3.BitVecRef]:
    """Sum and flags behind a step and before it, each as the registers of the loop.

    Registers that a stage makes a sum of may change as long as the sum does not.
    """
    flow, circuit = stimuli.flow, stimuli.flow.circuit
    before = stimuli.run(**conditions)
    if flow.resolves:
        behind = stimuli.run(**conditions, behind=1)
        return tuple(
            vector(
                [
                    bit
                    for name in ("o_data", "o_flags")
                    if name in circuit.outputs
                    for bit in moment.following(name)
                ]
            )
            for moment in (behind, before)
        )
    loop = sorted(flow.loop)
    return (
        vector([before.values[circuit.registers[net]] for net in loop]),
        vector([stimuli.bit(*circuit.names[net], stimuli.last) for net in loop]),
    )


def _query(name: str, got: z3.BitVecRef, want: z3.BitVecRef) -> Query:
    """Two values are equal."""

    def explain(model: z3.ModelRef) -> str:
        return f"RTL {number(model, got):#x}, specification {number(model, want):#x}"

    return Query(name, got == want, explain)
