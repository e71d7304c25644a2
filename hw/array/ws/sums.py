# SPDX-License-Identifier: Apache-2.0
"""Accumulator memory of a weight-stationary array, one part per column."""

from amaranth import *
from amaranth.lib import data, memory, wiring
from amaranth.lib.wiring import In, Out

from hw.array.core import stored_width
from hw.spec import ArraySpec


def control_layout(spec: ArraySpec) -> data.StructLayout:
    """Control signals of the memory; each column gets them one cycle after its western neighbour.

    The sum at address ``read`` is needed in the next cycle. The sum entering the column is zero
    with ``start``, the sum now leaving the column with ``forward``, the one that left a cycle ago
    with ``recent``, else the one read. ``write`` stores the leaving sum at address ``place``.
    """
    address = (spec.depth - 1).bit_length()
    return data.StructLayout(
        {"start": 1, "forward": 1, "recent": 1, "write": 1, "read": address, "place": address}
    )


class SumMemory(wiring.Component):
    """Stores the sums of one column between passes over K.

    The memory has one synchronous read port, one write port and no reset. A sum that is read in the
    cycle of its write, or one cycle earlier, is forwarded instead.

    Members
    -------
    en
        Clock enable.
    west, east
        `control_layout`.
    south_sum
        Sum that leaves the column.
    north_sum
        Sum that enters the column.
    """

    def __init__(self, spec: ArraySpec):
        self._depth, self._width = spec.depth, stored_width(spec.mac)
        layout = control_layout(spec)
        super().__init__(
            {
                "en": In(1),
                "west": In(layout),
                "east": Out(layout),
                "south_sum": In(self._width),
                "north_sum": Out(self._width),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"sums_{self._depth}x{self._width}"

    def elaborate(self, platform):
        m = Module()
        m.submodules.memory = sums = memory.Memory(shape=self._width, depth=self._depth, init=[])
        write = sums.write_port()
        read, now = sums.read_port(), self.west
        east = Signal.like(now.as_value(), name="east_q")
        before = Signal(self._width, reset_less=True)
        with m.If(self.en):
            m.d.sync += [east.eq(now), before.eq(self.south_sum)]
        chosen = Mux(now.forward, self.south_sum, Mux(now.recent, before, read.data))
        m.d.comb += [
            self.east.eq(east),
            read.en.eq(self.en),
            read.addr.eq(now.read),
            write.en.eq(self.en & now.write),
            write.addr.eq(now.place),
            write.data.eq(self.south_sum),
            self.north_sum.eq(Mux(now.start, 0, chosen)),
        ]
        return m
