# SPDX-License-Identifier: Apache-2.0
"""Claims about a MAC with a floating-point accumulator: ``acc' = round(acc + product)``.

All pairs of codes are sorted into groups, one for each place of the product; within a group the
product is some bits, left to the solver, at that place. So is the accumulator: any code that the
unit can hold, or any code at all where a sum begins. Each group also proves that the new sum is
one of the codes that the unit can hold, so that it never holds another.
"""

from collections.abc import Iterator, Mapping

import z3

from hw.spec import MacSpec
from tests.formal.fixed import as_term, found
from tests.formal.floating_step import Scale, accumulated, held
from tests.formal.flow import Flow
from tests.formal.groups import Group, groups, members_of
from tests.formal.lanes import MAX_BITS, Tables, tables
from tests.formal.logic import complement, vector
from tests.formal.solving import Case, Query, Settled
from tests.formal.stimuli import Stimuli, number
from tests.formal.tabled import tabled_cases
from tests.formal.values import Number, widen

__all__ = ["float_cases"]


def float_cases(flow: Flow) -> Iterator[Case]:
    """Every case of a unit's step; together they are all operands and all sums."""
    spec = flow.spec
    if spec.a.width + spec.b.width > MAX_BITS:
        yield Settled.untried("step", f"pairs of more than {MAX_BITS} bits are not tabulated")
    else:
        table, stimuli = tables(flow, 0), Stimuli(flow)
        found_groups = groups(flow, table)
        if found_groups is None:
            yield from tabled_cases(flow)
        else:
            yield from (_query(flow, stimuli, table, group) for group in found_groups)


def _query(flow: Flow, stimuli: Stimuli, table: Tables, group: Group) -> Query:
    """The step for the pairs of a group."""
    spec = flow.spec
    neg, bits = z3.Bool("sign"), _bits(group)
    free = {net: z3.Bool(f"net{net}") for net in group.free}
    sig = vector(list(bits.values())) if bits else z3.BitVecVal(0, 1)
    named = {"sign": neg, **bits, **complement(neg, sig)}
    fixed = {net: as_term(literal, named) for net, literal in group.literals.items()}
    got = vector(stimuli.run(fixed=fixed | free).following("o_data"))
    scale = Scale.of(spec)
    want = _next(spec, stimuli, scale, group, neg, sig)
    given = [z3.Or(stimuli.first, held(spec, stimuli.old))]
    for sign in _signs(table, group):
        given.append(neg == sign)
    if free:
        given.append(_occurring(table, group, free))
    if group.sigs:
        given += [z3.UGE(sig, min(group.sigs.values())), z3.ULE(sig, max(group.sigs.values()))]

    def pair(model: z3.ModelRef) -> tuple[int, int] | None:
        values = {net: number(model, variable) for net, variable in free.items()}
        negative = bool(number(model, neg))
        for index in group.sigs or members_of(group.pairs):
            if (table.products[index].negative == negative
                    and group.sigs.get(index, 0) == number(model, sig)
                    and all(table.nets[net] >> index & 1 == bit for net, bit in values.items())):
                b, a = divmod(index, 1 << spec.a.width)
                return a, b
        return None

    def explain(model: z3.ModelRef) -> str | None:
        codes = pair(model)
        return None if codes is None else found(model, stimuli, [codes], got, want)

    def narrow() -> z3.BoolRef:
        return z3.Or(*(sig == value for value in set(group.sigs.values())))

    claim = z3.And(got == want, held(spec, want))
    return Query(group.name, claim, explain, given, narrow if group.sigs else None)


def _signs(table: Tables, group: Group) -> list[bool]:
    """The sign of all products of a group, if there is but one."""
    negative = table.where(lambda product: product.negative) & group.pairs
    return [bool(negative)] if negative in (0, group.pairs) else []


def _occurring(table: Tables, group: Group, free: Mapping[int, z3.BoolRef]) -> z3.BoolRef:
    """Free nets together have values that some pair of the group gives them."""
    found = {tuple(bool(table.nets[net] >> index & 1) for net in free)
             for index in members_of(group.pairs)}
    return z3.Or(*(z3.And(*(variable == value for variable, value in
                            zip(free.values(), values, strict=True))) for values in found))


def _bits(group: Group) -> dict[str, z3.BoolRef | bool]:
    """Bits of the significand: variables, but for those that are the same in the whole group."""
    width = max(group.sigs.values(), default=0).bit_length()
    ones = zeros = (1 << width) - 1
    for sig in group.sigs.values():
        ones, zeros = ones & sig, zeros & ~sig
    return {f"m{j}": True if ones >> j & 1 else False if zeros >> j & 1 else z3.Bool(f"sig[{j}]")
            for j in range(width)}


def _next(spec: MacSpec, stimuli: Stimuli, scale: Scale, group: Group, neg: z3.BoolRef,
          sig: z3.BitVecRef) -> z3.BitVecRef:
    """Accumulator behind the step of a group."""
    width, place = scale.width, group.exp + spec.product_lsb - scale.unit
    mag = widen(sig, max(width, sig.size()))
    mag = mag << place if place >= 0 else z3.LShR(mag, -place)
    return accumulated(spec, stimuli, Number(neg, widen(mag, width), scale.unit,
                                             z3.BoolVal(group.kind.nan),
                                             z3.BoolVal(group.kind.inf)))
