# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""A fixed-point accumulator in carry-save form: its layout, and the adder that resolves it."""

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
    """Layout of a carry-save accumulator.

    Products are added in the columns below ``top``. Columns from ``start`` to ``top`` keep a carry
    bit beside the sum bit; below ``start``, carries ripple within the cycle.
    The bits from ``top`` up change only by what left the columns in the previous cycle: one step
    up, one down, or both.
    """

    width: int
    top: int
    start: int

    @property
    def bits(self) -> int:
        """Number of registers: sum, carries, step up, step down."""
        return self.width + self.top - self.start + 2

    def split(self, kept: Value) -> tuple[Value, Value, Value, Value]:
        """Sum, carries, step up and step down."""
        return kept[: self.width], kept[self.width : -2], kept[-2], kept[-1]

    def fold(self, columns: Columns, total: Value, carries: Value) -> tuple[Value, Value] | None:
        """Add the kept bits below ``top`` to ``columns``; return the new sum bits and carries.

        Carries out of ``top`` stay in ``columns``; see `step`.
        """
        columns.add_vector(0, total[: self.top])
        columns.add_vector(self.start, carries)
        low = columns.reduce(0, self.start)
        rows = [(*bits, Const(0), Const(0))[:2] for bits in columns.compress(self.start, self.top)]
        return Cat(*low, *(x for x, _ in rows)), Cat(*(y for _, y in rows))

    def step(self, columns: Columns) -> tuple[Value, Value] | None:
        """Step up and step down from the carries out of ``top``; None if more than one of each."""
        if self.top == self.width:
            return Const(0), Const(0)
        return columns.step(self.top)


@cache
def carry_save_state(spec: MacSpec) -> CarrySaveState:
    """Layout with the fewest registers among those with the shortest accumulate loop."""
    m, width = Module(), spec.acc.width
    terms = Columns(m, name="terms")
    stages = dict.fromkeys(("product", "term", "operand"), 0)
    fill_columns(
        m, spec, terms, Signal(spec.lanes * spec.a.width), Signal(spec.lanes * spec.b.width), stages
    )

    def depth(state: CarrySaveState) -> int | None:
        """Gate levels of one accumulation; None if the layout cannot hold its carries."""
        columns = terms.copy()
        state.fold(columns, Signal(width), Signal(state.top - state.start))
        return columns.depth if state.step(columns) else None

    low = min(terms.top, width)
    top = next(
        top for top in range(low, width + 1) if depth(CarrySaveState(width, top, 0)) is not None
    )
    # A higher ``start`` saves registers, but lengthens the carry chain below it.
    least, start, stop = depth(CarrySaveState(width, top, 0)), 0, top
    while start < stop:
        middle = (start + stop + 1) // 2
        if depth(CarrySaveState(width, top, middle)) == least:
            start = middle
        else:
            stop = middle - 1
    return CarrySaveState(width, top, start)


def state_width(spec: MacSpec) -> int:
    """Bits of the accumulator as a MAC stores it, without flags."""
    return carry_save_state(spec).bits if spec.adder is Adder.CARRY_SAVE else spec.acc.width


def resolve_sum(m: Module, spec: MacSpec, kept: Value) -> Value:
    """Sum that a carry-save accumulator represents; ``kept`` has `state_width` bits."""
    state = carry_save_state(spec)
    total, carries, up, down = state.split(kept)
    # The step (+1, -1 or 0) in two's complement.
    step = Cat(up ^ down, (down & ~up).replicate(state.width))
    other = Cat(Const(0, state.start), carries, step)[: state.width]
    return add(m, total, other, Const(0), adder=Adder.PREFIX, name="resolved")[0]


class Resolver(wiring.Component):
    """The adder after a carry-save accumulator, or after a column of them.

    Latency is 1 enabled cycle. The registers have no reset.

    Members
    -------
    en
        Clock enable.
    i
        Accumulator as a MAC stores it in the low bits, flags above.
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
