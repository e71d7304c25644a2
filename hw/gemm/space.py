# SPDX-License-Identifier: Apache-2.0
"""Address decoder: passes accesses of the bus to the registers or a memory."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.gemm.memories import place_bits
from hw.spec.registers import BUS_BITS, BUS_BYTES, RegisterMap


def word_bits(table: RegisterMap) -> int:
    """Bits of a word address."""
    return table.address_bits - (BUS_BYTES - 1).bit_length()


class Space(wiring.Component):
    """Splits addresses into region and place, and merges the answers.

    A write is answered in the same cycle, a read in the next.

    Members
    -------
    w_en, w_addr, w_error
        A write to a bus word; it is refused.
    r_en, r_addr, r_data, r_error
        A read, and its answer one cycle later.
    index, reg_w_en, reg_w_error, reg_r_data, reg_r_error
        Registers. There is one index, so a read and a write must not come in the same cycle.
    x_place, x_w_en, x_w_error
        Memory x, if the bus writes it.
    x_place, x_r_en, x_r_data, x_r_error
        Memory x, if the bus reads it.
    """

    def __init__(self, table: RegisterMap):
        self._table = table
        bits = word_bits(table)
        index = (len(table.registers) - 1).bit_length()
        members = {
            "w_en": In(1),
            "w_addr": In(bits),
            "w_error": Out(1),
            "r_en": In(1),
            "r_addr": In(bits),
            "r_data": Out(BUS_BITS),
            "r_error": Out(1),
            "index": Out(index),
            "reg_w_en": Out(1),
            "reg_w_error": In(1),
            "reg_r_data": In(BUS_BITS),
            "reg_r_error": In(1),
        }
        for window in table.windows:
            name = window.name.lower()
            members[f"{name}_place"] = Out(place_bits(window))
            members |= (
                {f"{name}_w_en": Out(1), f"{name}_w_error": In(1)}
                if window.writable
                else {
                    f"{name}_r_en": Out(1),
                    f"{name}_r_data": In(BUS_BITS),
                    f"{name}_r_error": In(1),
                }
            )
        super().__init__(members)

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"space_{self._table.name}"

    def elaborate(self, platform):
        m = Module()
        bits = self._table.region_bits - (BUS_BYTES - 1).bit_length()
        (w_place, w_region), (r_place, r_region) = (
            (addr[:bits], addr[bits:]) for addr in (self.w_addr, self.r_addr)
        )
        region = Signal.like(r_region, name="region")
        beyond_w, beyond_r, was_beyond = Signal(), Signal(), Signal()
        m.d.comb += [
            self.w_error.eq(self.w_en),
            self.r_error.eq(1),
            self.index.eq(Mux(self.w_en, w_place, r_place)),
            beyond_w.eq((w_place >> len(self.index)).any()),
            beyond_r.eq((r_place >> len(self.index)).any()),
        ]
        with m.If(self.r_en):
            m.d.sync += [region.eq(r_region), was_beyond.eq(beyond_r)]
        with m.If((w_region == 0) & ~beyond_w):
            m.d.comb += [self.reg_w_en.eq(self.w_en), self.w_error.eq(self.reg_w_error)]
        with m.If((region == 0) & ~was_beyond):
            m.d.comb += [self.r_data.eq(self.reg_r_data), self.r_error.eq(self.reg_r_error)]
        for window in self._table.windows:
            self._place(m, window, (w_region, w_place), (r_region, r_place), region)
        return m

    def _place(self, m, window, write, read, region):
        """Pass on accesses of one window; addresses out of range are refused."""
        name = window.name.lower()
        place = getattr(self, f"{name}_place")
        chosen, at = write if window.writable else read
        inside = (chosen == window.region) & ~(at >> len(place)).any()
        m.d.comb += place.eq(at)
        if window.writable:
            with m.If(inside):
                m.d.comb += [
                    getattr(self, f"{name}_w_en").eq(self.w_en),
                    self.w_error.eq(getattr(self, f"{name}_w_error")),
                ]
            return
        was_inside = Signal(name=f"{name}_inside")
        with m.If(self.r_en):
            m.d.sync += was_inside.eq(inside)
        m.d.comb += getattr(self, f"{name}_r_en").eq(self.r_en & inside)
        with m.If((region == window.region) & was_inside):
            m.d.comb += [
                self.r_data.eq(getattr(self, f"{name}_r_data")),
                self.r_error.eq(getattr(self, f"{name}_r_error")),
            ]
