# SPDX-License-Identifier: Apache-2.0
"""A MAC against floating-point arithmetic as the solver itself defines it: the theory of SMT-LIB.

Nothing of the specification that other proofs use is in it: operands, fused multiply-add and
rounding are the solver's own. It takes long, so it serves as a cross-check on small units.
"""

from collections.abc import Iterator

import z3

from hw.spec import Format, Overflow, Rounding
from tests.formal.fixed import found
from tests.formal.floating_step import held
from tests.formal.flow import Flow
from tests.formal.logic import vector
from tests.formal.solving import Case, Query
from tests.formal.stimuli import Stimuli, number

__all__ = ["theory_cases"]

#: From floating-point terms to bits.
_TACTICS = ("fpa2bv", "simplify", "propagate-values", "bit-blast")


def theory_cases(flow: Flow) -> Iterator[Case]:
    """The step of two IEEE operands that the accumulator's format holds, by the exponent of b."""
    spec = flow.spec
    acc = spec.acc
    if (acc.rounding, acc.overflow, acc.subnormals) != (Rounding.RNE, Overflow.INF, True):
        raise ValueError("The theory rounds to nearest, overflows to infinity, has subnormals")
    stimuli = Stimuli(flow)
    yield from (_query(stimuli, field) for field in range(1 << spec.b.exp_bits))


def _query(stimuli: Stimuli, field: int) -> Query:
    """The step for one exponent field of b."""
    spec, fmt = stimuli.spec, stimuli.spec.acc.fmt
    bits = {("i_b", spec.b.man_bits + place): bool(field >> place & 1)
            for place in range(spec.b.exp_bits)}
    got = vector(stimuli.run(inputs=bits).following("o_data"))
    a = stimuli.word("i_a", 0, spec.a.width)
    b = vector([bits.get(("i_b", place), stimuli.bit("i_b", place, 0))
                for place in range(spec.b.width)])
    old = z3.If(stimuli.first, z3.BitVecVal(0, fmt.width), stimuli.old)
    total = z3.fpFMA(z3.RNE(), _widened(spec.a, a, fmt), _widened(spec.b, b, fmt),
                     z3.fpBVToFP(old, _sort(fmt)))
    want = z3.If(z3.fpIsNaN(total), z3.BitVecVal(fmt.nan_code, fmt.width), z3.fpToIEEEBV(total))

    def explain(model: z3.ModelRef) -> str:
        return found(model, stimuli, [(number(model, a), number(model, b))], got, want)

    return Query(f"exponent field {field} of b", got == want, explain,
                 [z3.Or(stimuli.first, held(spec, stimuli.old))], tactics=_TACTICS)


def _sort(fmt: Format) -> z3.FPSortRef:
    """The solver's name of an IEEE format."""
    return z3.FPSort(fmt.exp_bits, fmt.man_bits + 1)


def _widened(fmt: Format, code: z3.BitVecRef, to: Format) -> z3.FPRef:
    """Operand in the accumulator's format, exactly."""
    return z3.fpFPToFP(z3.RNE(), z3.fpBVToFP(code, _sort(fmt)), _sort(to))
