# SPDX-License-Identifier: Apache-2.0
"""Claims about a MAC in fixed point: the sum of the old sum and the rounded products; its flags."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import z3

from hw.spec import FixedAccumulator, Format, Overflow
from tests.formal.floating_step import widen
from tests.formal.flow import Flow, Stimuli, number
from tests.formal.lanes import Literal, column, match, tables
from tests.formal.meaning import meaning, rounded
from tests.formal.netlist import bits_of, vector
from tests.formal.rewriting import Rewriting, saved_cases
from tests.formal.solving import Case, Query


def fixed_cases(flow: Flow) -> Iterator[Case]:
    """Every case of a unit's step; together they are all operands and all sums."""
    spec = flow.spec
    if spec.flag_bits:
        yield _flags(flow)
    term = Term(flow, 0)
    if flow.resolves:
        yield from saved_cases(flow)
    elif spec.lanes == 1 and not flow.unmatched(0, term.literals):
        yield _step(flow, term)
    elif spec.acc.overflow is Overflow.WRAP:
        yield Rewriting("sum", flow)
    else:
        wider = Flow.of(
            replace(spec, acc=replace(spec.acc, width=spec.acc.width + 1, overflow=Overflow.WRAP))
        )
        yield Rewriting("sum of the unit that is one bit wider and wraps around", wider)
        yield _clamped(flow, wider)


class Term:
    """What one lane adds, as variables: a magnitude in the accumulator's units and a sign."""

    def __init__(self, flow: Flow, lane: int):
        self.flow, self.spec, self.lane = flow, flow.spec, lane
        self.tables = tables(flow, lane)
        self.neg = z3.Bool(f"sign.{lane}")

    @cached_property
    def values(self) -> list[tuple[int, bool]]:
        """Magnitude and sign for every pair of codes."""
        spec = self.spec
        return [
            (abs(rounded(spec.acc, product, spec.product_lsb)), product.negative)
            for product in self.tables.products
        ]

    @cached_property
    def mag(self) -> z3.BitVecRef:
        """The magnitude."""
        return z3.BitVec(f"magnitude.{self.lane}", max(m for m, _ in self.values).bit_length())

    @cached_property
    def literals(self) -> dict[int, Literal | bool]:
        """Literals that replace nets that depend on this lane only."""
        mags, signs = zip(*self.values, strict=True)
        named = {"sign": column(signs)}
        named |= {f"m{j}": column(m >> j & 1 for m in mags) for j in range(self.mag.size())}
        return match(self.tables.nets, named, self.tables.everywhere)

    def fixed(self) -> dict[int, z3.BoolRef | bool]:
        """Terms of the solver for these nets."""
        bits = {"sign": self.neg, **{f"m{j}": bit for j, bit in enumerate(bits_of(self.mag))}}
        return {net: as_term(literal, bits) for net, literal in self.literals.items()}

    def pair(self, model: z3.ModelRef) -> tuple[int, int] | None:
        """Codes that give the variables their values in a model of the solver, if there are any."""
        wanted = number(model, self.mag), bool(number(model, self.neg))
        if wanted not in self.values:
            return None
        b, a = divmod(self.values.index(wanted), 1 << self.spec.a.width)
        return a, b


def as_term(literal: Literal | bool, bits: dict[str, z3.BoolRef]) -> z3.BoolRef | bool:
    """A literal in the solver."""
    if isinstance(literal, bool):
        return literal
    value = bits[literal.name]
    if literal.by_sign:
        value = z3.Xor(value, bits["sign"])
    return z3.Not(value) if literal.inverted else value


def _step(flow: Flow, term: Term) -> Query:
    """The step with the term's bits in the place of the nets that are equal to them."""
    spec, stimuli = flow.spec, Stimuli(flow)
    got = vector(stimuli.run(fixed=term.fixed()).following("o_data"))
    magnitude = widen(term.mag, spec.acc.width + 2)
    want = _sum(spec.acc, stimuli, z3.If(term.neg, -magnitude, magnitude))

    def explain(model: z3.ModelRef) -> str | None:
        pair = term.pair(model)
        return None if pair is None else found(model, stimuli, [pair], got, want)

    def narrow() -> z3.BoolRef:
        return z3.Or(*(z3.And(term.mag == mag, term.neg == neg) for mag, neg in set(term.values)))

    return Query("sum", got == want, explain, narrow=narrow)


def _flags(flow: Flow) -> Query:
    """Flags behind the step: those of the old sum, unless it is the first pair, and the new."""
    spec, stimuli = flow.spec, Stimuli(flow)
    got = vector(stimuli.run(behind=int(flow.resolves)).following("o_flags"))
    zero = z3.BitVecVal(0, spec.flag_bits)
    want = z3.If(stimuli.first, zero, stimuli.old_flags)
    operands = list(
        zip(
            *(_split(stimuli, name, fmt) for name, fmt in (("i_a", spec.a), ("i_b", spec.b))),
            strict=True,
        )
    )
    for a, b in operands:
        x, y = Special(spec.a, a), Special(spec.b, b)
        nan = z3.Or(x.nan, y.nan, z3.And(x.inf, y.zero), z3.And(y.inf, x.zero))
        inf = z3.And(z3.Or(x.inf, y.inf), z3.Not(nan))
        lines = [z3.Or(nan, z3.And(inf, x.neg == y.neg)), z3.Or(nan, z3.And(inf, x.neg != y.neg))]
        want |= vector(lines if spec.flag_bits == 2 else [nan])

    def explain(model: z3.ModelRef) -> str:
        pairs = [(number(model, a), number(model, b)) for a, b in operands]
        return found(model, stimuli, pairs, got, want)

    return Query("flags", got == want, explain)


class Special:
    """Kind of an operand's code, as terms of the solver."""

    def __init__(self, fmt: Format, code: z3.BitVecRef):
        meant = [meaning(fmt, c) for c in range(1 << fmt.width)]

        def one_of(codes: Iterable[int]) -> z3.BoolRef:
            return z3.Or(*(code == c for c in codes))

        self.nan = one_of(c for c, m in enumerate(meant) if m.nan)
        self.inf = one_of(c for c, m in enumerate(meant) if m.inf)
        self.zero = one_of(c for c, m in enumerate(meant) if not (m.nan or m.inf or m.sig))
        self.neg = one_of(c for c, m in enumerate(meant) if m.negative)


def _split(stimuli: Stimuli, name: str, fmt: Format) -> list[z3.BitVecRef]:
    """Operand of each lane."""
    return [
        vector([stimuli.bit(name, lane * fmt.width + j, 0) for j in range(fmt.width)])
        for lane in range(stimuli.spec.lanes)
    ]


def _sum(acc: FixedAccumulator, stimuli: Stimuli, part: z3.BitVecRef) -> z3.BitVecRef:
    """Accumulator after the step."""
    more = part.size() - acc.width
    total = part + z3.If(stimuli.first, z3.BitVecVal(0, part.size()), z3.SignExt(more, stimuli.old))
    return _held(acc, total)


def _held(acc: FixedAccumulator, total: z3.BitVecRef) -> z3.BitVecRef:
    """A sum in the accumulator's width: it wraps around or stays at an extreme."""
    low = z3.Extract(acc.width - 1, 0, total)
    if acc.overflow is Overflow.WRAP:
        return low
    half = 1 << acc.width - 1
    return z3.If(
        total >= half,
        z3.BitVecVal(half - 1, acc.width),
        z3.If(total < -half, z3.BitVecVal(half, acc.width), low),
    )


def _clamped(flow: Flow, wider: Flow) -> Query:
    """The step equals that of a wrapping unit with one more bit, clamped to the extremes."""
    spec, stimuli, other = flow.spec, Stimuli(flow), Stimuli(wider)
    got = vector(stimuli.run().following("o_data"))

    def extended(name: str, bit: int, cycle: int) -> z3.BoolRef | None:
        if name == "o_data" and cycle == other.last and bit == spec.acc.width:
            return stimuli.bit(name, bit - 1, cycle)
        return None

    total = vector(other.run(override=extended).following("o_data"))
    want = _held(spec.acc, z3.SignExt(1, total))
    a, b = (
        stimuli.word(name, 0, fmt.width * spec.lanes)
        for name, fmt in (("i_a", spec.a), ("i_b", spec.b))
    )

    def explain(model: z3.ModelRef) -> str:
        return found(model, stimuli, [(number(model, a), number(model, b))], got, want)

    return Query("sum held at the extremes", got == want, explain)


def found(
    model: z3.ModelRef,
    stimuli: Stimuli,
    pairs: Sequence[tuple[int, int]],
    got: z3.BitVecRef,
    want: z3.BitVecRef,
) -> str:
    """A counterexample in one line."""
    old = stimuli.old_flags if got.size() == stimuli.spec.flag_bits else stimuli.old
    codes = " ".join(f"a={a:#x} b={b:#x}" for a, b in pairs)
    return (
        f"old={number(model, old):#x} first={number(model, stimuli.first)} {codes}: "
        f"RTL {number(model, got):#x}, specification {number(model, want):#x}"
    )
