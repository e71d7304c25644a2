# SPDX-License-Identifier: Apache-2.0
"""One step of a MAC without an accumulator: the old sum is an input, the new sum an output."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.mac import mac
from hw.mac.carry_save import state_width
from hw.mac.stages import ADDER_POINTS, delayed, place_stages
from hw.spec import MacSpec


class MacStep(wiring.Component):
    """Adds the products of the operands to the sum ``i_sum``, as one step of the MAC does.

    Latency is ``spec.loop_latency`` cycles from the operands and ``1 + spec.adder_stages`` from
    ``i_sum``. The difference is the number of pipeline registers before the adder; ``i_sum`` must
    arrive that many cycles after its operands. An ``i_sum`` of all zeros starts a new sum. The
    registers have no reset.

    Members
    -------
    en
        Clock enable.
    i_a, i_b
        Operand codes, lane 0 in the low bits.
    i_sum, o_sum
        Accumulator as a MAC stores it, in the low bits; flags above.
    """

    def __init__(self, spec: MacSpec):
        self._spec = spec
        width = state_width(spec) + spec.flag_bits
        super().__init__(
            {
                "en": In(1),
                "i_a": In(spec.lanes * spec.a.width),
                "i_b": In(spec.lanes * spec.b.width),
                "i_sum": In(width),
                "o_sum": Out(width),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"step_{self._spec.name.removeprefix('mac_')}"

    def elaborate(self, platform):
        m = Module()
        spec, unit = self._spec, mac(self._spec, resolve=False)
        inside = spec.adder_stages
        before = spec.pipeline - inside
        stages = place_stages(before, unit.step_points) + place_stages(inside, ADDER_POINTS)
        a = delayed(m, self.i_a, stages["operand"], name="a")
        b = delayed(m, self.i_b, stages["operand"], name="b")
        bits = state_width(spec)
        data, flags = unit.next_sum(m, self.i_sum[:bits], a, b, Const(0, 1), stages)
        kept_data = Signal(bits, reset_less=True)
        m.d.sync += kept_data.eq(data)
        m.d.comb += self.o_sum[:bits].eq(kept_data)
        if spec.flag_bits:
            flags = delayed(m, flags, before - stages["operand"], name="flags")
            flags = delayed(m, self.i_sum[bits:] | flags, inside, name="sum_flags")
            kept_flags = Signal(spec.flag_bits, reset_less=True)
            m.d.sync += kept_flags.eq(flags)
            m.d.comb += self.o_sum[bits:].eq(kept_flags)
        return EnableInserter(self.en)(m)
