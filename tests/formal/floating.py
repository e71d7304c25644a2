# SPDX-License-Identifier: Apache-2.0
"""Claims about a MAC with a floating-point accumulator: ``acc' = round(acc + product)``.

All pairs of codes are sorted into groups, one for each place of the product; within a group the
product is some bits, left to the solver, at that place. So is the accumulator: any code that the
unit can hold, or any code at all where a sum begins. Each group also proves that the new sum is
one of the codes that the unit can hold, so that it never holds another.

If products go directly into the accumulator's adder tree, no net between them holds a product. Then
the solver is given the operands themselves, and the specification their products as a table.

As a cross-check, small units are compared with the solver's own floating-point arithmetic,
the theory of SMT-LIB: operands, fused multiply-add and rounding are the solver's own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce

import z3

from hw.spec import Format, MacSpec, Overflow, Rounding
from tests.formal.fixed import as_term, found
from tests.formal.floating_step import Number, Scale, accumulated, add, held, widen
from tests.formal.flow import Flow, Stimuli, number
from tests.formal.lanes import MAX_BITS, Literal, Tables, column, match, tables
from tests.formal.meaning import Product, products
from tests.formal.netlist import complement, vector
from tests.formal.solving import Case, Query, Settled

#: Largest number of parts of groups; with more, nets are not treated as bits of a product.
_MAX_PARTS = 64
#: Operand bits in one query.
_TABLED_BITS = 16
#: From floating-point terms to bits.
_THEORY_TACTICS = ("fpa2bv", "simplify", "propagate-values", "bit-blast")


@dataclass(frozen=True, slots=True)
class Group:
    """Pairs whose product is ``sig`` units of ``2**(exp + product_lsb)``, or nothing of the kind.

    ``literals`` are what stands for nets in all these pairs, ``free`` the nets that nothing does.
    """

    name: str
    pairs: int
    kind: Product
    sigs: Mapping[int, int] = field(default_factory=dict)
    literals: Mapping[int, Literal | bool] = field(default_factory=dict)
    free: tuple[int, ...] = ()

    @property
    def exp(self) -> int:
        """Place of the product."""
        return self.kind.exp


#: Bits of the product whose places can define the groups.
_PLACES: tuple[Callable[[Product, int], int], ...] = (
    lambda product, width: product.exp,
    lambda product, width: product.exp + product.sig.bit_length() - width,
    lambda product, width: product.exp - 1 + (product.sig >> width - 1),
)


def groups(flow: Flow, table: Tables) -> list[Group] | None:
    """Groups of all pairs, by the place that determines most nets; None if there are too many."""
    choices = [[_fill(flow, table, group) for group in _sorted(table, place)] for place in _PLACES]
    best = min(
        choices,
        key=lambda groups: (sum(len(group.free) for group in groups if group.sigs), len(groups)),
    )
    if sum(len(_members(table, group)) for group in best if group.free) > _MAX_PARTS:
        return None
    return [part for group in best for part in _parts(flow, table, group)]


def _members(table: Tables, group: Group) -> dict[tuple[int, ...], dict[int, int]]:
    """Significands of a group of numbers by the values of its free nets."""
    members: dict[tuple[int, ...], dict[int, int]] = {}
    for index, sig in group.sigs.items():
        value = tuple(table.nets[net] >> index & 1 for net in group.free)
        members.setdefault(value, {})[index] = sig
    return members


def _sorted(table: Tables, place: Callable[[Product, int], int]) -> list[Group]:
    """Pairs by the kind and the place of their product."""
    width = max(product.sig for product in table.products).bit_length()
    members: dict[tuple[str, Product], dict[int, int]] = {}
    for index, product in enumerate(table.products):
        if product.nan or product.inf or not product.sig:
            name = "nan" if product.nan else "inf" if product.inf else "zero"
            kind, sig = Product(False, 0, 0, product.nan, product.inf), 0
        else:
            exp = place(product, width)
            name, kind = f"product*2^{exp}", Product(False, 1, exp, False, False)
            sig = product.units >> exp if exp >= 0 else product.units << -exp
        members.setdefault((name, kind), {})[index] = sig
    return [
        Group(name, _set(found, table.count), kind, found if kind.sig else {})
        for (name, kind), found in members.items()
    ]


def _set(indices: Mapping[int, int], count: int) -> int:
    """Set of pairs as bits of a number."""
    return column(index in indices for index in range(count))


def _fill(flow: Flow, table: Tables, group: Group) -> Group:
    """The group with literals for its nets."""
    named = {"sign": table.where(lambda product: product.negative)}
    width = max(group.sigs.values(), default=0).bit_length()
    named |= {
        f"m{j}": column(group.sigs.get(index, 0) >> j & 1 for index in range(table.count))
        for j in range(width)
    }
    named |= _complement(group, table, width)
    literals = match(table.nets, named, group.pairs)
    free = tuple(flow.unmatched(0, literals))
    return Group(group.name, group.pairs, group.kind, group.sigs, literals, free)


def _complement(group: Group, table: Tables, width: int) -> dict[str, int]:
    """Columns of the product in two's complement, sign bit included."""
    values = [0] * table.count
    for index, sig in group.sigs.items():
        values[index] = -sig if table.products[index].negative else sig
    return {f"t{j}": column(value >> j & 1 for value in values) for j in range(width + 1)}


def _parts(flow: Flow, table: Tables, group: Group) -> Iterator[Group]:
    """The group, split by the values of its free nets if it is one of numbers."""
    if not group.free or not group.sigs:
        yield group
        return
    for part, sigs in enumerate(_members(table, group).values()):
        yield _fill(
            flow,
            table,
            Group(f"{group.name}, part {part}", _set(sigs, table.count), group.kind, sigs),
        )


def members_of(pairs: int) -> Iterator[int]:
    """Indices of a set."""
    return (index for index, bit in enumerate(reversed(f"{pairs:b}")) if bit == "1")


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
            if (
                table.products[index].negative == negative
                and group.sigs.get(index, 0) == number(model, sig)
                and all(table.nets[net] >> index & 1 == bit for net, bit in values.items())
            ):
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
    """The sign of all products of a group, or None if they differ."""
    negative = table.where(lambda product: product.negative) & group.pairs
    return [bool(negative)] if negative in (0, group.pairs) else []


def _occurring(table: Tables, group: Group, free: Mapping[int, z3.BoolRef]) -> z3.BoolRef:
    """Some pair of the group gives the free nets their values."""
    found = {
        tuple(bool(table.nets[net] >> index & 1) for net in free)
        for index in members_of(group.pairs)
    }
    return z3.Or(
        *(
            z3.And(
                *(variable == value for variable, value in zip(free.values(), values, strict=True))
            )
            for values in found
        )
    )


def _bits(group: Group) -> dict[str, z3.BoolRef | bool]:
    """Bits of the significand: variables, except bits that are equal in the whole group."""
    width = max(group.sigs.values(), default=0).bit_length()
    ones = zeros = (1 << width) - 1
    for sig in group.sigs.values():
        ones, zeros = ones & sig, zeros & ~sig
    return {
        f"m{j}": True if ones >> j & 1 else False if zeros >> j & 1 else z3.Bool(f"sig[{j}]")
        for j in range(width)
    }


def _next(
    spec: MacSpec, stimuli: Stimuli, scale: Scale, group: Group, neg: z3.BoolRef, sig: z3.BitVecRef
) -> z3.BitVecRef:
    """Accumulator behind the step of a group."""
    width, place = scale.width, group.exp + spec.product_lsb - scale.unit
    mag = widen(sig, max(width, sig.size()))
    mag = mag << place if place >= 0 else z3.LShR(mag, -place)
    return accumulated(
        spec,
        stimuli,
        Number(
            neg,
            widen(mag, width),
            scale.unit,
            z3.BoolVal(group.kind.nan),
            z3.BoolVal(group.kind.inf),
        ),
    )


def tabled_cases(flow: Flow) -> Iterator[Case]:
    """Every case of a unit's step, by the code of b if there are too many pairs for one."""
    spec = flow.spec
    bits = spec.lanes * (spec.a.width + spec.b.width)
    stimuli = Stimuli(flow)
    if bits <= _TABLED_BITS and spec.b.width < 8:
        yield _tabled_query(stimuli, None)
    elif spec.lanes == 1:
        yield from (_tabled_query(stimuli, code) for code in range(1 << spec.b.width))
    else:
        yield Settled.untried("step", f"the solver is not given {bits} bits of operands at once")


def _tabled_query(stimuli: Stimuli, code: int | None) -> Query:
    """The step for any operands, or for any a and one code of b."""
    spec = stimuli.spec
    inputs = (
        {}
        if code is None
        else {("i_b", place): bool(code >> place & 1) for place in range(spec.b.width)}
    )
    got = vector(stimuli.run(inputs=inputs).following("o_data"))
    scale = Scale.of(spec)
    lanes = [
        [
            inputs.get(
                (name, lane * fmt.width + place), stimuli.bit(name, lane * fmt.width + place, 0)
            )
            for name, fmt in (("i_a", spec.a), ("i_b", spec.b))
            for place in range(fmt.width)
        ]
        for lane in range(spec.lanes)
    ]
    table = products(spec.a, spec.b)
    terms = [_looked_up(bits, table, scale, spec.product_lsb - scale.unit) for bits in lanes]
    want = accumulated(spec, stimuli, reduce(_plus, terms))
    operands = [(vector(bits[: spec.a.width]), vector(bits[spec.a.width :])) for bits in lanes]

    def explain(model: z3.ModelRef) -> str:
        pairs = [(number(model, a), number(model, b)) for a, b in operands]
        return found(model, stimuli, pairs, got, want)

    name = "step" if code is None else f"b={code:#x}"
    return Query(
        name,
        z3.And(got == want, held(spec, want)),
        explain,
        [z3.Or(stimuli.first, held(spec, stimuli.old))],
    )


def _plus(x: Number, y: Number) -> Number:
    """Exact sum in the same width, which is enough for all of them."""
    total = add(x, y)
    return Number(total.neg, widen(total.mag, x.mag.size()), x.unit, total.nan, total.inf)


def _looked_up(
    bits: Sequence[z3.BoolRef | bool], table: Sequence[Product], scale: Scale, place: int
) -> Number:
    """Product of the pair that ``bits`` are the index of, its unit at ``place`` of the scale."""
    columns = [
        [product.negative for product in table],
        [product.nan for product in table],
        [product.inf for product in table],
    ]
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


def theory_cases(flow: Flow) -> Iterator[Case]:
    """The step of two IEEE operands that the accumulator's format holds, by the exponent of b."""
    spec = flow.spec
    acc = spec.acc
    if (acc.rounding, acc.overflow, acc.subnormals) != (Rounding.RNE, Overflow.INF, True):
        raise ValueError("The theory rounds to nearest, overflows to infinity, has subnormals")
    stimuli = Stimuli(flow)
    yield from (_theory_query(stimuli, field) for field in range(1 << spec.b.exp_bits))


def _theory_query(stimuli: Stimuli, field: int) -> Query:
    """The step for one exponent field of b."""
    spec, fmt = stimuli.spec, stimuli.spec.acc.fmt
    bits = {
        ("i_b", spec.b.man_bits + place): bool(field >> place & 1)
        for place in range(spec.b.exp_bits)
    }
    got = vector(stimuli.run(inputs=bits).following("o_data"))
    a = stimuli.word("i_a", 0, spec.a.width)
    b = vector(
        [bits.get(("i_b", place), stimuli.bit("i_b", place, 0)) for place in range(spec.b.width)]
    )
    old = z3.If(stimuli.first, z3.BitVecVal(0, fmt.width), stimuli.old)
    total = z3.fpFMA(
        z3.RNE(), _widened(spec.a, a, fmt), _widened(spec.b, b, fmt), z3.fpBVToFP(old, _sort(fmt))
    )
    want = z3.If(z3.fpIsNaN(total), z3.BitVecVal(fmt.nan_code, fmt.width), z3.fpToIEEEBV(total))

    def explain(model: z3.ModelRef) -> str:
        return found(model, stimuli, [(number(model, a), number(model, b))], got, want)

    return Query(
        f"exponent field {field} of b",
        got == want,
        explain,
        [z3.Or(stimuli.first, held(spec, stimuli.old))],
        tactics=_THEORY_TACTICS,
    )


def _sort(fmt: Format) -> z3.FPSortRef:
    """The solver's name of an IEEE format."""
    return z3.FPSort(fmt.exp_bits, fmt.man_bits + 1)


def _widened(fmt: Format, code: z3.BitVecRef, to: Format) -> z3.FPRef:
    """Operand in the accumulator's format, exactly."""
    return z3.fpFPToFP(z3.RNE(), z3.fpBVToFP(code, _sort(fmt)), _sort(to))
