# SPDX-License-Identifier: Apache-2.0
"""Wishbone B4, classic cycles, in front of the address space."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.gemm.space import front_members
from hw.spec.registers import BUS_BITS, BUS_BYTES

__all__ = ["DESCRIPTIONS", "Wishbone"]

PREFIX = "s_wb_"

DESCRIPTIONS = {
    "s_wb_cyc": "a bus cycle goes on",
    "s_wb_stb": "an access is asked for; held until it is answered",
    "s_wb_we": "the access writes",
    "s_wb_adr": "address, counted in 32-bit words",
    "s_wb_sel": "bytes that are written",
    "s_wb_dat_w": "data to write",
    "s_wb_dat_r": "data that was read, 0 where nothing could be",
    "s_wb_ack": "the access was done",
    "s_wb_err": "the access was refused",
}


class Wishbone(wiring.Component):
    """A write is answered in the cycle behind it, a read one cycle later.

    Members
    -------
    s_wb_*
        The bus, device side.
    w_en, w_addr, w_data, w_strb, w_error, r_en, r_addr, r_data, r_error
        See `Space`.
    """

    def __init__(self, address_bits: int):
        word = address_bits - (BUS_BYTES - 1).bit_length()
        ways = {"cyc": In(1), "stb": In(1), "we": In(1), "adr": In(word), "sel": In(BUS_BYTES),
                "dat_w": In(BUS_BITS), "dat_r": Out(BUS_BITS), "ack": Out(1), "err": Out(1)}
        super().__init__({f"{PREFIX}{name}": way for name, way in ways.items()}
                         | front_members(word))

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"wishbone_{len(self.s_wb_adr)}"

    def elaborate(self, platform):
        m = Module()
        waiting, asked = Signal(), Signal()
        answered = self.s_wb_ack | self.s_wb_err
        m.d.comb += [
            asked.eq(self.s_wb_cyc & self.s_wb_stb & ~answered & ~waiting),
            self.w_en.eq(asked & self.s_wb_we),
            self.r_en.eq(asked & ~self.s_wb_we),
            self.w_addr.eq(self.s_wb_adr),
            self.r_addr.eq(self.s_wb_adr),
            self.w_data.eq(self.s_wb_dat_w),
            self.w_strb.eq(self.s_wb_sel),
        ]
        # Who ends the bus cycle early gets no answer.
        error = Mux(waiting, self.r_error, self.w_error)
        answers = self.s_wb_cyc & (waiting | self.w_en)
        m.d.sync += [waiting.eq(self.r_en), self.s_wb_ack.eq(answers & ~error),
                     self.s_wb_err.eq(answers & error)]
        with m.If(waiting):
            m.d.sync += self.s_wb_dat_r.eq(self.r_data)
        return m
