# SPDX-License-Identifier: Apache-2.0
"""Where one column's results leave the array."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.array.os.pe import result_width
from hw.spec import ArraySpec, FixedAccumulator

__all__ = ["ResultLane"]


class ResultLane(wiring.Component):
    """Keeps one result for the `Sequencer` and puts it into a slot of whole bytes.

    A fixed-point sum is extended with its sign, any other with zeros. In front of an output stage
    the slot is the sum alone. Latency is 0 cycles.

    Members
    -------
    kept
        Offer the result that was kept; else offer ``i`` and keep it.
    i
        Sum in the low bits, flags above.
    o_slot, o_flags
        What is offered; ``o_flags`` is absent where a sum has no flags.
    """

    def __init__(self, spec: ArraySpec):
        self._spec = spec.mac
        self._bare = spec.out is not None
        slot = spec.mac.acc.width if self._bare else spec.slot_width
        members = {"kept": In(1), "i": In(result_width(spec.mac)), "o_slot": Out(slot)}
        if spec.mac.flag_bits:
            members["o_flags"] = Out(spec.mac.flag_bits)
        super().__init__(members)

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        bare = "_bare" if self._bare else ""
        return f"result_lane_{self._spec.name.removeprefix('mac_')}{bare}"

    def elaborate(self, platform):
        m = Module()
        acc = self._spec.acc
        held = Signal(len(self.i), reset_less=True)
        offered = Signal(len(self.i))
        with m.If(~self.kept):
            m.d.sync += held.eq(self.i)
        m.d.comb += offered.eq(Mux(self.kept, held, self.i))
        data = offered[:acc.width]
        m.d.comb += self.o_slot.eq(
            data.as_signed() if isinstance(acc, FixedAccumulator) else data)
        if self._spec.flag_bits:
            m.d.comb += self.o_flags.eq(offered[acc.width:])
        return m
