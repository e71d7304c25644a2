# SPDX-License-Identifier: Apache-2.0
"""One lane of a unit under every pair of operand codes: matches nets with specification bits.

A net that only a lane's operands reach is a function of 16 bits at most. Its table is compared in
full with columns of the specification, such as a bit of the product's magnitude; where one is
equal, that bit may stand for the net in a proof.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from hw.spec import MacSpec
from tests.formal.flow import Flow
from tests.formal.meaning import Product, products
from tests.formal.netlist import Patterns

#: Operand bits of a lane whose every combination is tabulated.
MAX_BITS = 16


@dataclass(frozen=True, slots=True)
class Tables:
    """Values of nets and of the specification under every pair of codes, as bits of numbers.

    Pair ``code_a + code_b * 2**a.width`` is bit number that.
    """

    count: int
    nets: Mapping[int, int]
    products: tuple[Product, ...]

    @property
    def everywhere(self) -> int:
        """The set of all pairs."""
        return (1 << self.count) - 1

    def where(self, holds: Callable[[Product], bool]) -> int:
        """Pairs whose product has a property."""
        return column(map(holds, self.products))


def column(values: Iterable[bool]) -> int:
    """Number whose bit ``i`` is the value ``i``."""
    text = "".join("1" if value else "0" for value in values)
    return int(text[::-1], 2)


def tables(flow: Flow, lane: int, *, behind: int = 0) -> Tables:
    """Tables of the nets that only lane ``lane`` reaches, in the cycle of the accumulation.

    Or ``behind`` cycles behind it; before it, if that is negative.
    """
    spec = flow.spec
    bits = spec.a.width + spec.b.width
    if bits > MAX_BITS:
        raise ValueError(f"Operands must have at most {MAX_BITS} bits in all, not {bits}")

    values = flow.run(Patterns(1 << bits), every_pair(spec, lane), behind=behind).values
    support = flow.support_behind(behind).values
    nets = {net: values[net] for net, sources in support.items() if sources == 2 << lane}
    return Tables(1 << bits, nets, products(spec.a, spec.b))


def every_pair(spec: MacSpec, lane: int, *, first: bool = False) -> Callable[[str, int, int], int]:
    """Inputs of a run in which a lane is given every pair of codes, each a valid pair.

    If ``first``, each is a first one too; everything else is 0.
    """
    bits = spec.a.width + spec.b.width

    def given(name: str, bit: int, cycle: int) -> int:
        if cycle == 0 and (name == "i_valid" or (name == "i_first" and first)):
            return (1 << (1 << bits)) - 1
        fmt = {"i_a": spec.a, "i_b": spec.b}.get(name)
        if fmt is None or cycle or bit // fmt.width != lane:
            return 0
        return _pattern(bits, bit % fmt.width + (spec.a.width if name == "i_b" else 0))

    return given


@cache
def _pattern(bits: int, place: int) -> int:
    """Bit ``place`` of every number of ``bits`` bits."""
    size = 1 << place
    block = ((1 << size) - 1) << size
    for doubled in range(place + 1, bits):
        block |= block << (1 << doubled)
    return block


@dataclass(frozen=True, slots=True)
class Literal:
    """A bit of the specification by its name, perhaps inverted, perhaps where the sign is set."""

    name: str
    inverted: bool = False
    by_sign: bool = False


def match(
    nets: Mapping[int, int], named: Mapping[str, int], pairs: int
) -> dict[int, Literal | bool]:
    """Literal that equals each net in all of ``pairs``; nets without one are left out.

    ``named`` are columns of the specification by name, ``sign`` among them.
    """
    found: dict[int, Literal | bool] = {0: False, pairs: True}
    for by_sign in (False, True):
        for name, bits in named.items():
            shown = (bits ^ named["sign"] if by_sign else bits) & pairs
            found.setdefault(shown, Literal(name, False, by_sign))
            found.setdefault(shown ^ pairs, Literal(name, True, by_sign))
    return {net: found[bits & pairs] for net, bits in nets.items() if bits & pairs in found}
