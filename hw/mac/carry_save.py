# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""A fixed-point sum kept as sum and carry: where its bits are, and how it is resolved."""

from dataclasses import dataclass
from functools import cache

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.arith.add import add
from hw.arith.columns import Columns
from hw.mac.product import fill_columns
from hw.spec import Adder, MacSpec


@dataclass(frozen=True, slots=True)
class CarrySaveState:
    """Where the bits of a sum that is not resolved yet are.

    A product reaches the columns below ``top``. From ``start`` on each of these keeps a carry
    beside its bit; below, the tree has the time to add all. The bits from ``top`` on are stepped by
    what left the columns in the cycle before: one up, one down, or both.
    """

    width: int
    top: int
    start: int

    @property
    def bits(self) -> int:
        """Registers: sum, carries, step up, step down."""
        return self.width + self.top - self.start + 2

    def split(self, kept: Value) -> tuple[Value, Value, Value, Value]:
        """Sum, carries, step up and step down."""
        return kept[: self.width], kept[self.width : -2], kept[-2], kept[-1]

    def fold(self, columns: Columns, total: Value, carries: Value) -> tuple[Value, Value] | None:
        """Add the kept bits below `top` to ``columns``; gives the new ones, or None without a fit.

        What leaves the columns waits there.
        """
        columns.add_vector(0, total[: self.top])
        columns.add_vector(self.start, carries)
        low = columns.reduce(0, self.start)
        rows = [(*bits, Const(0), Const(0))[:2] for bits in columns.compress(self.start, self.top)]
        return Cat(*low, *(x for x, _ in rows)), Cat(*(y for _, y in rows))

    def step(self, columns: Columns) -> tuple[Value, Value] | None:
        """Step up and step down that folded ``columns`` come to, or None if it is more than one."""
        if self.top == self.width:
            return Const(0), Const(0)
        return columns.step(self.top)


@cache
def carry_save_state(spec: MacSpec) -> CarrySaveState:
    """Fewest registers with the loop as short as it can be."""
    m, width = Module(), spec.acc.width
    terms = Columns(m, name="terms")
    stages = dict.fromkeys(("product", "term", "operand"), 0)
    fill_columns(
        m, spec, terms, Signal(spec.lanes * spec.a.width), Signal(spec.lanes * spec.b.width), stages
    )

    def depth(state: CarrySaveState) -> int | None:
        """Gate levels of a step; None if it does not fit."""
        columns = terms.copy()
        state.fold(columns, Signal(width), Signal(state.top - state.start))
        return columns.depth if state.step(columns) else None

    low = min(terms.top, width)
    top = next(
        top for top in range(low, width + 1) if depth(CarrySaveState(width, top, 0)) is not None
    )
    # The later the carries start, the longer is the chain that leads up to them.
    least, start, stop = depth(CarrySaveState(width, top, 0)), 0, top
    while start < stop:
        middle = (start + stop + 1) // 2
        if depth(CarrySaveState(width, top, middle)) == least:
            start = middle
        else:
            stop = middle - 1
    return CarrySaveState(width, top, start)


def state_width(spec: MacSpec) -> int:
    """Bits of the accumulator as the loop of a MAC keeps it."""
    return carry_save_state(spec).bits if spec.adder is Adder.CARRY_SAVE else spec.acc.width


def resolve_sum(m: Module, spec: MacSpec, kept: Value) -> Value:
    """Sum that `state_width` of a carry-save accumulator stand for."""
    state = carry_save_state(spec)
    total, carries, up, down = state.split(kept)
    # One step up or down as a number: the bits above its first one are those of its sign.
    step = Cat(up ^ down, (down & ~up).replicate(state.width))
    other = Cat(Const(0, state.start), carries, step)[: state.width]
    return add(m, total, other, Const(0), adder=Adder.PREFIX, name="resolved")[0]


class Resolver(wiring.Component):
    """One adder behind a carry-save accumulator, or behind a column of them.

    Latency is 1 enabled cycle. The registers have no reset.

    Members
    -------
    en
        Clock enable.
    i
        Accumulator as the loop keeps it, flags above.
    o
        Sum in the low bits, flags above.
    """

    def __init__(self, spec: MacSpec):
        self._spec = spec
        super().__init__(
            {
                "en": In(1),
                "i": In(state_width(spec) + spec.flag_bits),
                "o": Out(spec.acc.width + spec.flag_bits),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"resolver_{self._spec.name.removeprefix('mac_')}"

    def elaborate(self, platform):
        m = Module()
        data, flags = self.i[: state_width(self._spec)], self.i[state_width(self._spec) :]
        result = Signal(len(self.o), reset_less=True)
        with m.If(self.en):
            m.d.sync += result.eq(Cat(resolve_sum(m, self._spec, data), flags))
        m.d.comb += self.o.eq(result)
        return m
