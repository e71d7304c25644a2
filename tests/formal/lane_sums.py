# SPDX-License-Identifier: Apache-2.0
"""Claims about a MAC with several lanes and a floating-point accumulator.

Two claims: the lanes give the accumulate loop the sum of their products, or flags for what
else it is; and for any such sum, the loop computes the right step. Each lane's product is some
variables; the nets that carry the sum are searched.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import z3

from tests.formal.fixed import as_term, found
from tests.formal.floating import tabled_cases
from tests.formal.floating_step import Number, Scale, accumulated, held, widen
from tests.formal.flow import Flow, Stimuli, number
from tests.formal.lanes import Literal, column, match, tables
from tests.formal.meaning import Product, products
from tests.formal.netlist import Patterns, bits_of, complement, vector
from tests.formal.rewriting import HandedIntegers, takes_integers
from tests.formal.solving import Case, Query

#: Number of operands that are simulated to guess what each net is; the guess is then proven.
_SAMPLES = 4096
_SEED = 73
#: Bits of a sum that is left to the solver whole; a wider one by the place of its highest bit.
_WHOLE = 20


class Lane:
    """Product of one lane as variables: magnitude in units, sign, NaN, infinite."""

    def __init__(self, flow: Flow, index: int):
        self.flow, self.index = flow, index
        self.table = tables(flow, index)
        self.neg, self.nan, self.inf = (
            z3.Bool(f"{name}.{index}") for name in ("sign", "nan", "inf")
        )
        self.largest = max(product.units for product in self.table.products)
        self.mag = z3.BitVec(f"magnitude.{index}", self.largest.bit_length())

    @property
    def given(self) -> list[z3.BoolRef]:
        """Conditions that every product meets."""
        return [
            z3.ULE(self.mag, self.largest),
            z3.Not(z3.And(self.nan, self.inf)),
            z3.Or(self.mag == 0, z3.Not(z3.Or(self.nan, self.inf))),
        ]

    def fixed(self, cycle: int) -> dict[int, z3.BoolRef | bool]:
        """Terms for nets that only this lane reaches, in a cycle of its pair."""
        table = tables(self.flow, self.index, behind=cycle - self.flow.spec.pipeline)
        named = {
            name: table.where(lambda product, name=name: getattr(product, name))
            for name in ("nan", "inf")
        }
        named["sign"] = table.where(lambda product: product.negative)
        named |= {
            f"m{j}": column(product.units >> j & 1 for product in table.products)
            for j in range(self.mag.size())
        }
        bits = {"sign": self.neg, "nan": self.nan, "inf": self.inf}
        bits |= {f"m{j}": bit for j, bit in enumerate(bits_of(self.mag))}
        return {
            net: as_term(literal, bits)
            for net, literal in match(table.nets, named, table.everywhere).items()
        }

    def pair(self, model: z3.ModelRef) -> tuple[int, int] | None:
        """Codes that give the variables their values in a model of the solver, if there are any."""
        neg, nan, inf = (bool(number(model, value)) for value in (self.neg, self.nan, self.inf))
        wanted = neg, number(model, self.mag), nan, inf
        for index, product in enumerate(self.table.products):
            if (product.negative, product.units, product.nan, product.inf) == wanted:
                b, a = divmod(index, 1 << self.flow.spec.a.width)
                return a, b
        return None

    def pairs_of(self, total: int) -> list[tuple[int, int]] | None:
        """Codes of all lanes that make a sum, if two lanes, the others being 0, can make it."""
        indices = {
            -product.units if product.negative else product.units: index
            for index, product in enumerate(self.table.products)
            if not (product.nan or product.inf)
        }
        one = next((value for value in indices if total - value in indices), None)
        if one is None:
            return None
        pairs = [
            divmod(indices[value], 1 << self.flow.spec.a.width) for value in (one, total - one)
        ]
        return [*((a, b) for b, a in pairs), *[(0, 0)] * (self.flow.spec.lanes - 2)]


@dataclass(frozen=True, slots=True)
class LaneSum:
    """A kind of sum, and what stands for the nets that the accumulate loop reads it from.

    ``kind`` is a product of that kind; the literals are bits of the sum's magnitude, of ``width``
    bits and at most ``largest`` units, and its sign.
    """

    name: str
    kind: Product
    width: int
    largest: int
    literals: Mapping[int, Literal | bool]


def lane_sums(flow: Flow) -> list[LaneSum]:
    """Every kind of sum that a unit's lanes can produce."""
    table = products(flow.spec.a, flow.spec.b)
    drawn = _drawn(table, flow.spec.lanes)
    totals = [_total([table[index] for index in row]) for row in drawn.tolist()]
    values = _values(flow, drawn)
    largest = flow.spec.lanes * max(product.units for product in table)
    width = largest.bit_length()
    signs = {"sign": column(total.negative for total in totals)}
    bits = {f"m{j}": column(total.sig >> j & 1 for total in totals) for j in range(width)}
    values_of = [-total.sig if total.negative else total.sig for total in totals]
    bits |= {f"t{j}": column(value >> j & 1 for value in values_of) for j in range(width + 1)}
    kinds = {
        "number": Product(False, 0, 0, False, False),
        "nan": Product(False, 0, 0, True, False),
        "+inf": Product(False, 0, 0, False, True),
        "-inf": Product(True, 0, 0, False, True),
    }
    found: list[LaneSum] = []
    for name, kind in kinds.items():
        chosen = column(_is_like(total, kind) for total in totals)
        if not found:
            known = match(values, signs | bits, chosen)
            # Flags of special values are constant for all numbers.
            told = {
                net: values[net]
                for net, literal in known.items()
                if isinstance(literal, bool) or literal.name == "sign"
            }
        else:
            known = match(told, signs if kind.inf else {}, chosen)
        if chosen:
            found.append(LaneSum(name, kind, width, largest, known))
    return found


def _drawn(table: Sequence[Product], lanes: int) -> np.ndarray:
    """Indices of products (samples, lanes): each alone, each in all lanes, and many together."""
    rng = np.random.default_rng(_SEED)
    alone = np.zeros((lanes, len(table), lanes), np.int64)
    for lane in range(lanes):
        alone[lane, :, lane] = np.arange(len(table))
    drawn = rng.integers(0, len(table), (_SAMPLES, lanes))
    # Zeros of either sign, a special code beside numbers and beside one another are rare.
    rare = [index for index, product in enumerate(table) if not product.sig]
    drawn[::4] = rng.choice(rare, drawn[::4].shape)
    alike = np.repeat(np.arange(len(table))[:, None], lanes, axis=1)
    return np.concatenate([drawn, alike, alone.reshape(-1, lanes)])


def _total(lanes: Sequence[Product]) -> Product:
    """Exact sum; a zero is minus zero only if all products are minus zeros."""
    plus, minus = (
        any(product.inf and product.negative == negative for product in lanes)
        for negative in (False, True)
    )
    nan = (plus and minus) or any(product.nan for product in lanes)
    total = sum(-product.units if product.negative else product.units for product in lanes)
    negative = (
        minus
        if plus or minus
        else total < 0 or (total == 0 and all(product.negative for product in lanes))
    )
    return Product(negative, abs(total), 0, nan, (plus or minus) and not nan)


def _is_like(total: Product, kind: Product) -> bool:
    """Whether a sum is of a kind; the sign matters only for infinities."""
    same = (total.nan, total.inf) == (kind.nan, kind.inf)
    return same and (not kind.inf or total.negative == kind.negative)


def _values(flow: Flow, drawn: np.ndarray) -> dict[int, int]:
    """Values of the nets that the loop reads the sum from, for each sample."""
    spec = flow.spec
    codes = {"i_a": drawn % (1 << spec.a.width), "i_b": drawn >> spec.a.width}

    def given(name: str, bit: int, cycle: int) -> int:
        if name not in codes or cycle:
            return 0
        lane, place = divmod(bit, (spec.a if name == "i_a" else spec.b).width)
        return column((codes[name][:, lane] >> place & 1).tolist())

    moment = flow.run(Patterns(len(drawn)), given)
    return {net: moment.values[net] for net in flow.joint_cuts}


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
        yield (
            HandedIntegers("sum of the lanes", flow, bits)
            if bits
            else _handed(flow, stimuli, lanes, kind)
        )
        if kind.kind.nan or kind.kind.inf or kind.width <= _WHOLE:
            yield _taken(flow, stimuli, lanes, kind)
        else:
            yield from (_taken(flow, stimuli, lanes, kind, top) for top in range(-1, kind.width))


def _complement_bits(kind: LaneSum) -> list[tuple[int, bool]] | None:
    """Net of each bit of the sum in two's complement, if the loop reads these and nothing else."""
    nets = {
        literal.name: (net, literal.inverted)
        for net, literal in kind.literals.items()
        if not isinstance(literal, bool)
    }
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
    claim = z3.And(
        *(moment.values[net] == as_term(literal, bits) for net, literal in kind.literals.items())
    )

    def explain(model: z3.ModelRef) -> str | None:
        pairs = [lane.pair(model) for lane in lanes]
        if None in pairs:
            return None
        return " ".join(f"a={a:#x} b={b:#x}" for a, b in pairs) + ": the sum is wrong"

    given = [condition for lane in lanes for condition in lane.given]
    return Query(
        f"sum of the lanes: {kind.name}", claim, explain, [*given, _is_kind(lanes, kind.kind)]
    )


def _is_kind(lanes: Sequence[Lane], kind: Product) -> z3.BoolRef:
    """Whether the sum of the lanes is of a kind."""
    plus = z3.Or(*(z3.And(lane.inf, z3.Not(lane.neg)) for lane in lanes))
    minus = z3.Or(*(z3.And(lane.inf, lane.neg) for lane in lanes))
    nan = z3.Or(z3.And(plus, minus), *(lane.nan for lane in lanes))
    if kind.nan:
        return nan
    if kind.inf:
        return z3.And(z3.Not(nan), minus if kind.negative else plus)
    return z3.Not(z3.Or(nan, plus, minus))


def _taken(
    flow: Flow, stimuli: Stimuli, lanes: Sequence[Lane], kind: LaneSum, top: int | None = None
) -> Query:
    """The loop adds the sum, whose bits stand in the place of the nets that they are equal to.

    With ``top``, the sums whose highest bit that is one; -1 is the sum zero.
    """
    spec = flow.spec
    number_kind = not (kind.kind.nan or kind.kind.inf)
    neg = z3.Bool("sign") if number_kind else z3.BoolVal(kind.kind.negative)
    lines = [
        z3.Bool(f"magnitude[{place}]") if top is None or place < top else place == top
        for place in range(kind.width)
    ]
    magnitude = vector(lines)
    bits = {
        "sign": neg,
        **{f"m{j}": bit for j, bit in enumerate(lines)},
        **complement(neg, magnitude),
    }
    free = {net: z3.Bool(f"net{net}") for net in flow.joint_cuts if net not in kind.literals}
    fixed = {net: as_term(literal, bits) for net, literal in kind.literals.items()}
    got = vector(stimuli.run(fixed=fixed | free).following("o_data"))
    scale = Scale.of(spec)
    place = spec.product_lsb - scale.unit
    term = widen(magnitude if number_kind else z3.BitVecVal(0, kind.width), scale.width) << place
    want = accumulated(
        spec,
        stimuli,
        Number(neg, term, scale.unit, z3.BoolVal(kind.kind.nan), z3.BoolVal(kind.kind.inf)),
    )

    def explain(model: z3.ModelRef) -> str | None:
        value = number(model, magnitude) * (-1 if number(model, neg) else 1)
        pairs = lanes[0].pairs_of(value) if number_kind and not free else None
        return pairs and found(model, stimuli, pairs, got, want)

    given = [z3.Or(stimuli.first, held(spec, stimuli.old)), z3.ULE(magnitude, kind.largest)]
    part = "" if top is None else f", highest bit {top}"
    return Query(
        f"accumulation: {kind.name}{part}", z3.And(got == want, held(spec, want)), explain, given
    )
