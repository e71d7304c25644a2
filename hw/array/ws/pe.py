# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Processing element of the weight-stationary array."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.array.core import stored_width
from hw.emit.netlist import instantiate
from hw.mac.step import MacStep
from hw.spec import ArraySpec, MacSpec


def operand_layout(spec: MacSpec) -> data.StructLayout:
    """Signals that move along a row: codes of a, and the control of the weights."""
    return data.StructLayout({"a": spec.lanes * spec.a.width, "swap": 1, "load": 1})


class WeightElement(wiring.Component):
    """One MAC step on a passing sum, and two weights: one in use, one waiting.

    a moves from west to east, weights and sums from north to south. Latency is 1 cycle from west to
    east, and `hw.spec.arrays.WeightStationary.row_latency` from ``north_sum`` to ``south_sum``. A
    sum meets the operands that entered ``entry`` cycles earlier. Everything comes one cycle later
    in the next column to the east. In the next row to the south, operands and swaps come
    ``row_latency`` cycles later, loads one cycle later.

    A load shifts the waiting weights of the column to the south: the element takes the previous
    waiting weight of its northern neighbour. A swap makes the waiting weight the used one from the
    next cycle on; it may come together with a load. A reset discards swaps and loads in flight.

    Members
    -------
    en
        Clock enable.
    west, east
        `operand_layout`.
    north_b, south_b
        Codes of b, lane 0 in the low bits.
    north_sum, south_sum
        Accumulator as stored, in the low bits, flags above.
    """

    def __init__(self, spec: ArraySpec):
        self._spec = spec.mac
        layout = operand_layout(spec.mac)
        b_width, sum_width = spec.mac.lanes * spec.mac.b.width, stored_width(spec.mac)
        super().__init__(
            {
                "en": In(1),
                "west": In(layout),
                "east": Out(layout),
                "north_b": In(b_width),
                "south_b": Out(b_width),
                "north_sum": In(sum_width),
                "south_sum": Out(sum_width),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"pe_ws_{self._spec.name.removeprefix('mac_')}"

    def elaborate(self, platform):
        m = Module()
        step = MacStep(self._spec)
        instantiate(m, platform, step, name="step")
        a = Signal.like(self.west.a, name="a_q", reset_less=True)
        swap, load = Signal(name="swap_q"), Signal(name="load_q")
        used, waiting, passed = (
            Signal.like(self.north_b, name=name, reset_less=True)
            for name in ("used", "waiting", "passed")
        )
        with m.If(self.en):
            m.d.sync += [
                a.eq(self.west.a),
                swap.eq(self.west.swap),
                load.eq(self.west.load),
                passed.eq(waiting),
            ]
            with m.If(self.west.load):
                m.d.sync += waiting.eq(self.north_b)
            with m.If(self.west.swap):
                m.d.sync += used.eq(waiting)
        m.d.comb += [
            step.en.eq(self.en),
            step.i_a.eq(self.west.a),
            step.i_b.eq(used),
            step.i_sum.eq(self.north_sum),
            self.south_sum.eq(step.o_sum),
            self.east.a.eq(a),
            self.east.swap.eq(swap),
            self.east.load.eq(load),
            self.south_b.eq(passed),
        ]
        return m
