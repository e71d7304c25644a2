# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Processing element of the output-stationary array."""

from amaranth import *
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from hw.array.core import stored_width
from hw.emit.netlist import instantiate
from hw.mac import mac
from hw.spec import ArraySpec, MacSpec


def operand_layout(spec: MacSpec) -> data.StructLayout:
    """Signals that move along a row: codes of a, and the frame of the sum."""
    return data.StructLayout({"a": spec.lanes * spec.a.width, "valid": 1, "first": 1, "last": 1})


class ProcessingElement(wiring.Component):
    """One MAC, the registers that pass its operands on, and a register for its final sum.

    a moves from west to east and b from south to north, through one register per element. The final
    sum is copied from the accumulator, which is then free for the next tile, and leaves to the
    north: while ``shift`` is 1 the register loads the sum of its southern neighbour, from the cycle
    of ``start`` until the element's next sum arrives. A carry-save sum leaves unresolved.

    Latency is 1 cycle from west to east and from south to north, ``spec.mac.loop_latency + 1`` from
    the last operand to ``north_c``. A reset discards everything in flight.

    Members
    -------
    en
        Clock enable.
    west, east
        `operand_layout`.
    south_b, north_b
        Codes of b, lane 0 in the low bits.
    south_c, north_c
        Accumulator as stored, in the low bits, flags above.
    shift, start
        The column's drain moves; it starts to move.
    """

    def __init__(self, spec: ArraySpec):
        self._spec = spec.mac
        layout = operand_layout(spec.mac)
        b_width, c_width = spec.mac.lanes * spec.mac.b.width, stored_width(spec.mac)
        super().__init__(
            {
                "en": In(1),
                "west": In(layout),
                "east": Out(layout),
                "south_b": In(b_width),
                "north_b": Out(b_width),
                "south_c": In(c_width),
                "north_c": Out(c_width),
                "shift": In(1),
                "start": In(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"pe_os_{self._spec.name.removeprefix('mac_')}"

    def elaborate(self, platform):
        m = Module()
        unit = mac(self._spec, enable=True, resolve=False)
        instantiate(m, platform, unit, name="mac")
        m.d.comb += [
            unit.en.eq(self.en),
            unit.i_valid.eq(self.west.valid),
            unit.i_first.eq(self.west.first),
            unit.i_last.eq(self.west.last),
            unit.i_a.eq(self.west.a),
            unit.i_b.eq(self.south_b),
        ]
        self._pass_operands(m)
        self._drain(
            m, Cat(unit.o_data, unit.o_flags if self._spec.flag_bits else Const(0, 0)), unit.o_valid
        )
        return m

    def _pass_operands(self, m):
        """Registers from west to east and from south to north."""
        a = Signal.like(self.west.a, name="a_q", reset_less=True)
        b = Signal.like(self.south_b, name="b_q", reset_less=True)
        frame = Signal(3, name="frame_q")
        with m.If(self.en):
            m.d.sync += [
                a.eq(self.west.a),
                b.eq(self.south_b),
                frame.eq(Cat(self.west.valid, self.west.first, self.west.last)),
            ]
        m.d.comb += [
            self.east.a.eq(a),
            Cat(self.east.valid, self.east.first, self.east.last).eq(frame),
            self.north_b.eq(b),
        ]

    def _drain(self, m, result, load):
        """Register of the final sum, and of the sums that pass through it."""
        held = Signal.like(self.north_c, name="result_q", reset_less=True)
        # Set while the sum is this element's own and its column has not started to move. Drains
        # of successive tiles may follow each other without a pause.
        fresh = Signal()
        with m.If(self.en & load):
            m.d.sync += [held.eq(result), fresh.eq(1)]
        with m.Elif(self.en):
            with m.If(self.shift & (self.start | ~fresh)):
                m.d.sync += held.eq(self.south_c)
            with m.If(self.start):
                m.d.sync += fresh.eq(0)
        m.d.comb += self.north_c.eq(held)
