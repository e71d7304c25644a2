# SPDX-License-Identifier: Apache-2.0
"""What several lanes come to: each lane's product as variables, and the nets that carry the sum."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import z3

from tests.formal.fixed import as_term
from tests.formal.flow import Flow
from tests.formal.lanes import Literal, column, match, tables
from tests.formal.logic import Patterns, bits_of
from tests.formal.meaning import Product, products
from tests.formal.stimuli import number

__all__ = ["Lane", "LaneSum", "lane_sums"]

#: Operands that are tried to find out what each net is; a proof follows.
_SAMPLES = 4096
_SEED = 73


class Lane:
    """Product of one lane as variables: magnitude in units, sign, NaN, infinite."""

    def __init__(self, flow: Flow, index: int):
        self.flow, self.index = flow, index
        self.table = tables(flow, index)
        self.neg, self.nan, self.inf = (z3.Bool(f"{name}.{index}") for name in
                                        ("sign", "nan", "inf"))
        self.largest = max(product.units for product in self.table.products)
        self.mag = z3.BitVec(f"magnitude.{index}", self.largest.bit_length())

    @property
    def given(self) -> list[z3.BoolRef]:
        """What holds of every product."""
        return [z3.ULE(self.mag, self.largest), z3.Not(z3.And(self.nan, self.inf)),
                z3.Or(self.mag == 0, z3.Not(z3.Or(self.nan, self.inf)))]

    def fixed(self, cycle: int) -> dict[int, z3.BoolRef | bool]:
        """Terms for nets that only this lane reaches, in a cycle of its pair."""
        table = tables(self.flow, self.index, behind=cycle - self.flow.spec.pipeline)
        named = {name: table.where(lambda product, name=name: getattr(product, name))
                 for name in ("nan", "inf")}
        named["sign"] = table.where(lambda product: product.negative)
        named |= {f"m{j}": column(product.units >> j & 1 for product in table.products)
                  for j in range(self.mag.size())}
        bits = {"sign": self.neg, "nan": self.nan, "inf": self.inf}
        bits |= {f"m{j}": bit for j, bit in enumerate(bits_of(self.mag))}
        return {net: as_term(literal, bits)
                for net, literal in match(table.nets, named, table.everywhere).items()}

    def pair(self, model: z3.ModelRef) -> tuple[int, int] | None:
        """Codes that make of the variables what a model makes of them, if there are any."""
        neg, nan, inf = (bool(number(model, value)) for value in (self.neg, self.nan, self.inf))
        wanted = neg, number(model, self.mag), nan, inf
        for index, product in enumerate(self.table.products):
            if (product.negative, product.units, product.nan, product.inf) == wanted:
                b, a = divmod(index, 1 << self.flow.spec.a.width)
                return a, b
        return None

    def pairs_of(self, total: int) -> list[tuple[int, int]] | None:
        """Codes of all lanes that make a sum, if two lanes, the others being 0, can make it."""
        indices = {-product.units if product.negative else product.units: index
                   for index, product in enumerate(self.table.products)
                   if not (product.nan or product.inf)}
        one = next((value for value in indices if total - value in indices), None)
        if one is None:
            return None
        pairs = [divmod(indices[value], 1 << self.flow.spec.a.width) for value in
                 (one, total - one)]
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
    """Every kind of sum that a unit's lanes can come to."""
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
    kinds = {"number": Product(False, 0, 0, False, False), "nan": Product(False, 0, 0, True, False),
             "+inf": Product(False, 0, 0, False, True), "-inf": Product(True, 0, 0, False, True)}
    found: list[LaneSum] = []
    for name, kind in kinds.items():
        chosen = column(_is_like(total, kind) for total in totals)
        if not found:
            known = match(values, signs | bits, chosen)
            # Bits that say what is no number are constant in all numbers.
            told = {net: values[net] for net, literal in known.items()
                    if isinstance(literal, bool) or literal.name == "sign"}
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
    plus, minus = (any(product.inf and product.negative == negative for product in lanes)
                   for negative in (False, True))
    nan = (plus and minus) or any(product.nan for product in lanes)
    total = sum(-product.units if product.negative else product.units for product in lanes)
    negative = minus if plus or minus else total < 0 or (
        total == 0 and all(product.negative for product in lanes))
    return Product(negative, abs(total), 0, nan, (plus or minus) and not nan)


def _is_like(total: Product, kind: Product) -> bool:
    """Whether a sum is of a kind; only infinities are told apart by their sign."""
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
