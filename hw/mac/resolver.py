# SPDX-License-Identifier: Apache-2.0
"""Where a sum that is kept as sum and carry becomes a number."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.mac.saved import kept_bits, resolve_sum
from hw.spec import MacSpec

__all__ = ["Resolver"]


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
        super().__init__({"en": In(1), "i": In(kept_bits(spec) + spec.flag_bits),
                          "o": Out(spec.acc.width + spec.flag_bits)})

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"resolver_{self._spec.name.removeprefix('mac_')}"

    def elaborate(self, platform):
        m = Module()
        data, flags = self.i[:kept_bits(self._spec)], self.i[kept_bits(self._spec):]
        result = Signal(len(self.o), reset_less=True)
        with m.If(self.en):
            m.d.sync += result.eq(Cat(resolve_sum(m, self._spec, data), flags))
        m.d.comb += self.o.eq(result)
        return m
