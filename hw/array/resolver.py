# SPDX-License-Identifier: Apache-2.0
"""Where the sums of one column become numbers, if they leave the elements as sum and carry."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.array.pe import kept_width, result_width
from hw.mac.saved import kept_bits, resolve_sum
from hw.spec import ArraySpec

__all__ = ["Resolver"]


class Resolver(wiring.Component):
    """One adder for all elements of a column. Latency is 1 enabled cycle.

    Members
    -------
    en
        Clock enable.
    i
        Accumulator as an element keeps it, flags above.
    o
        Sum in the low bits, flags above.
    """

    def __init__(self, spec: ArraySpec):
        self._spec = spec.mac
        super().__init__({"en": In(1), "i": In(kept_width(spec.mac)),
                          "o": Out(result_width(spec.mac))})

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
