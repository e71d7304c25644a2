# SPDX-License-Identifier: Apache-2.0
"""Pairs of codes sorted by the place of their product, which then is bits at a known place."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.formal.flow import Flow
from tests.formal.lanes import Literal, Tables, column, match
from tests.formal.meaning import Product

__all__ = ["Group", "groups", "members_of"]

#: Parts of groups, beyond which the nets are no bits of a product.
_MAX_PARTS = 64


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


#: Places that the product of a group may be told by.
_PLACES: tuple[Callable[[Product, int], int], ...] = (
    lambda product, width: product.exp,
    lambda product, width: product.exp + product.sig.bit_length() - width,
    lambda product, width: product.exp - 1 + (product.sig >> width - 1),
)


def groups(flow: Flow, table: Tables) -> list[Group] | None:
    """Groups of all pairs, by the place that tells most about the nets; None if they are many."""
    choices = [[_fill(flow, table, group) for group in _sorted(table, place)] for place in _PLACES]
    best = min(choices, key=lambda groups: (
        sum(len(group.free) for group in groups if group.sigs), len(groups)))
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
    return [Group(name, _set(found, table.count), kind, found if kind.sig else {})
            for (name, kind), found in members.items()]


def _set(indices: Mapping[int, int], count: int) -> int:
    """Set of pairs as bits of a number."""
    return column(index in indices for index in range(count))


def _fill(flow: Flow, table: Tables, group: Group) -> Group:
    """The group with what stands for the nets in it."""
    named = {"sign": table.where(lambda product: product.negative)}
    width = max(group.sigs.values(), default=0).bit_length()
    named |= {f"m{j}": column(group.sigs.get(index, 0) >> j & 1 for index in range(table.count))
              for j in range(width)}
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
        yield _fill(flow, table, Group(f"{group.name}, part {part}", _set(sigs, table.count),
                                        group.kind, sigs))


def members_of(pairs: int) -> Iterator[int]:
    """Indices of a set."""
    return (index for index, bit in enumerate(reversed(f"{pairs:b}")) if bit == "1")
