# SPDX-License-Identifier: Apache-2.0
"""Claims about a MAC with several lanes and a floating-point accumulator.

Two steps: what the lanes hand to the accumulate loop is the sum of their products, or says what
else it is; and the loop, given any such sum, does what it has to.
"""

from collections.abc import Iterator, Sequence

import z3

from tests.formal.fixed import as_term, found
from tests.formal.floating_step import Scale, accumulated, held
from tests.formal.flow import Flow
from tests.formal.lane_sums import Lane, LaneSum, lane_sums
from tests.formal.logic import bits_of, complement, vector
from tests.formal.meaning import Product
from tests.formal.rewriting import HandedIntegers, takes_integers
from tests.formal.solving import Case, Query
from tests.formal.stimuli import Stimuli, number
from tests.formal.tabled import tabled_cases
from tests.formal.values import Number, widen

__all__ = ["sum_cases"]

#: Bits of a sum that is left to the solver whole; a wider one by the place of its highest bit.
_WHOLE = 20


def sum_cases(flow: Flow) -> Iterator[Case]:
    """Every case of a unit's step; together they are all operands and all sums."""
    kinds = lane_sums(flow)
    if any(net not in kinds[0].literals for net in flow.joint_cuts):
        yield from tabled_cases(flow)
        return
    lanes = [Lane(flow, index) for index in range(flow.spec.lanes)]
    stimuli = Stimuli(flow)
    for kind in kinds:
        bits = _complement_bits(kind) if takes_integers(flow.spec) else None
        yield (HandedIntegers("sum of the lanes", flow, bits) if bits
               else _handed(flow, stimuli, lanes, kind))
        if kind.kind.nan or kind.kind.inf or kind.width <= _WHOLE:
            yield _taken(flow, stimuli, lanes, kind)
        else:
            yield from (_taken(flow, stimuli, lanes, kind, top) for top in range(-1, kind.width))


def _complement_bits(kind: LaneSum) -> list[tuple[int, bool]] | None:
    """Net of each bit of the sum in two's complement, if the loop reads these and nothing else."""
    nets = {literal.name: (net, literal.inverted) for net, literal in kind.literals.items()
            if not isinstance(literal, bool)}
    # The lowest bit is that of the magnitude too.
    names = ["m0", *(f"t{place}" for place in range(1, len(kind.literals)))]
    return [nets[name] for name in names] if set(names) == nets.keys() else None


def _handed(flow: Flow, stimuli: Stimuli, lanes: Sequence[Lane], kind: LaneSum) -> Query:
    """The nets that the loop reads are the bits of the sum that stand for them."""
    before: dict[int, dict[int, z3.BoolRef | bool]] = {}
    for lane in lanes:
        for cycle in range(stimuli.last + 1):
            before.setdefault(cycle, {}).update(lane.fixed(cycle))
    moment = stimuli.run(fixed=before[stimuli.last], fixed_before=before)
    width = kind.width + 1
    total = z3.BitVecVal(0, width)
    for lane in lanes:
        total += z3.If(lane.neg, -widen(lane.mag, width), widen(lane.mag, width))
    below = z3.Extract(width - 1, width - 1, total) == 1
    magnitude = widen(z3.If(below, -total, total), kind.width)
    sign = z3.Or(below, z3.And(total == 0, *(lane.neg for lane in lanes)))
    bits = {"sign": sign, **{f"m{j}": bit for j, bit in enumerate(bits_of(magnitude))}}
    bits |= {f"t{j}": bit for j, bit in enumerate(bits_of(total))}
    claim = z3.And(*(moment.values[net] == as_term(literal, bits)
                     for net, literal in kind.literals.items()))

    def explain(model: z3.ModelRef) -> str | None:
        pairs = [lane.pair(model) for lane in lanes]
        if None in pairs:
            return None
        return " ".join(f"a={a:#x} b={b:#x}" for a, b in pairs) + ": the sum is wrong"

    given = [condition for lane in lanes for condition in lane.given]
    return Query(f"sum of the lanes: {kind.name}", claim, explain,
                 [*given, _is_kind(lanes, kind.kind)])


def _is_kind(lanes: Sequence[Lane], kind: Product) -> z3.BoolRef:
    """Whether the lanes come to a sum of a kind."""
    plus = z3.Or(*(z3.And(lane.inf, z3.Not(lane.neg)) for lane in lanes))
    minus = z3.Or(*(z3.And(lane.inf, lane.neg) for lane in lanes))
    nan = z3.Or(z3.And(plus, minus), *(lane.nan for lane in lanes))
    if kind.nan:
        return nan
    if kind.inf:
        return z3.And(z3.Not(nan), minus if kind.negative else plus)
    return z3.Not(z3.Or(nan, plus, minus))


def _taken(flow: Flow, stimuli: Stimuli, lanes: Sequence[Lane], kind: LaneSum,
           top: int | None = None) -> Query:
    """The loop adds the sum, whose bits stand in the place of the nets that they are equal to.

    With ``top``, the sums whose highest bit that is one; -1 is the sum zero.
    """
    spec = flow.spec
    number_kind = not (kind.kind.nan or kind.kind.inf)
    neg = z3.Bool("sign") if number_kind else z3.BoolVal(kind.kind.negative)
    lines = [z3.Bool(f"magnitude[{place}]") if top is None or place < top else place == top
             for place in range(kind.width)]
    magnitude = vector(lines)
    bits = {"sign": neg, **{f"m{j}": bit for j, bit in enumerate(lines)},
            **complement(neg, magnitude)}
    free = {net: z3.Bool(f"net{net}") for net in flow.joint_cuts if net not in kind.literals}
    fixed = {net: as_term(literal, bits) for net, literal in kind.literals.items()}
    got = vector(stimuli.run(fixed=fixed | free).following("o_data"))
    scale = Scale.of(spec)
    place = spec.product_lsb - scale.unit
    term = widen(magnitude if number_kind else z3.BitVecVal(0, kind.width), scale.width) << place
    want = accumulated(spec, stimuli, Number(neg, term, scale.unit, z3.BoolVal(kind.kind.nan),
                                             z3.BoolVal(kind.kind.inf)))

    def explain(model: z3.ModelRef) -> str | None:
        value = number(model, magnitude) * (-1 if number(model, neg) else 1)
        pairs = lanes[0].pairs_of(value) if number_kind and not free else None
        return pairs and found(model, stimuli, pairs, got, want)

    given = [z3.Or(stimuli.first, held(spec, stimuli.old)), z3.ULE(magnitude, kind.largest)]
    part = "" if top is None else f", highest bit {top}"
    return Query(f"accumulation: {kind.name}{part}", z3.And(got == want, held(spec, want)), explain,
                 given)
