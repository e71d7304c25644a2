# SPDX-License-Identifier: Apache-2.0
"""Claims about a floating-point step whose nets are no bits of a product: operands as tables.

Where products go into the accumulator's own adder tree, no net between says what they are. Then
the solver is given the operands themselves, and the specification their products as a table.
"""

from collections.abc import Iterator, Sequence
from functools import reduce

import z3

from tests.formal.fixed import found
from tests.formal.floating_step import Scale, accumulated, held
from tests.formal.flow import Flow
from tests.formal.logic import vector
from tests.formal.meaning import Product, products
from tests.formal.solving import Case, Query, Settled
from tests.formal.stimuli import Stimuli, number
from tests.formal.values import Number, add, widen

__all__ = ["tabled_cases"]

#: Operand bits that the solver is given at once.
_MAX_BITS = 16


def tabled_cases(flow: Flow) -> Iterator[Case]:
    """Every case of a unit's step, by the code of b if there are too many pairs for one."""
    spec = flow.spec
    bits = spec.lanes * (spec.a.width + spec.b.width)
    stimuli = Stimuli(flow)
    if bits <= _MAX_BITS and spec.b.width < 8:
        yield _query(stimuli, None)
    elif spec.lanes == 1:
        yield from (_query(stimuli, code) for code in range(1 << spec.b.width))
    else:
        yield Settled.untried("step", f"the solver is not given {bits} bits of operands at once")


def _query(stimuli: Stimuli, code: int | None) -> Query:
    """The step for any operands, or for any a and one code of b."""
    spec = stimuli.spec
    inputs = {} if code is None else {("i_b", place): bool(code >> place & 1)
                                      for place in range(spec.b.width)}
    got = vector(stimuli.run(inputs=inputs).following("o_data"))
    scale = Scale.of(spec)
    lanes = [[inputs.get((name, lane * fmt.width + place),
                         stimuli.bit(name, lane * fmt.width + place, 0))
              for name, fmt in (("i_a", spec.a), ("i_b", spec.b)) for place in range(fmt.width)]
             for lane in range(spec.lanes)]
    table = products(spec.a, spec.b)
    terms = [_looked_up(bits, table, scale, spec.product_lsb - scale.unit) for bits in lanes]
    want = accumulated(spec, stimuli, reduce(_plus, terms))
    operands = [(vector(bits[:spec.a.width]), vector(bits[spec.a.width:])) for bits in lanes]

    def explain(model: z3.ModelRef) -> str:
        pairs = [(number(model, a), number(model, b)) for a, b in operands]
        return found(model, stimuli, pairs, got, want)

    name = "step" if code is None else f"b={code:#x}"
    return Query(name, z3.And(got == want, held(spec, want)), explain,
                 [z3.Or(stimuli.first, held(spec, stimuli.old))])


def _plus(x: Number, y: Number) -> Number:
    """Exact sum in the same width, which is enough for all of them."""
    total = add(x, y)
    return Number(total.neg, widen(total.mag, x.mag.size()), x.unit, total.nan, total.inf)


def _looked_up(bits: Sequence[z3.BoolRef | bool], table: Sequence[Product], scale: Scale,
               place: int) -> Number:
    """Product of the pair that ``bits`` are the index of, its unit at ``place`` of the scale."""
    columns = [[product.negative for product in table], [product.nan for product in table],
               [product.inf for product in table]]
    neg, nan, inf = (_choose(bits, [z3.BoolVal(value) for value in values]) for values in columns)
    mag = _choose(bits, [z3.BitVecVal(product.units << place, scale.width) for product in table])
    return Number(neg, mag, scale.unit, nan, inf)


def _choose(bits: Sequence[z3.BoolRef | bool], values: Sequence[z3.ExprRef]) -> z3.ExprRef:
    """The value whose index ``bits`` are, bit 0 first."""
    level = list(values)
    for bit in bits:
        pairs = zip(level[::2], level[1::2], strict=True)
        if isinstance(bit, bool):
            level = [one if bit else zero for zero, one in pairs]
        else:
            level = [zero if zero.eq(one) else z3.If(bit, one, zero) for zero, one in pairs]
    return level[0]
