# SPDX-License-Identifier: Apache-2.0
"""Bus interfaces of the engine: AXI4-Lite, and Wishbone B4 with classic cycles."""

from typing import ClassVar

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.spec.registers import BUS_BITS, BUS_BYTES

OKAY, SLVERR = 0, 2
PROT_BITS, RESPONSE_BITS = 3, 2


def front_members(bits: int) -> dict[str, wiring.Member]:
    """Ports between a bus interface and the address space; word addresses have ``bits`` bits."""
    return {
        "w_en": Out(1),
        "w_addr": Out(bits),
        "w_data": Out(BUS_BITS),
        "w_strb": Out(BUS_BYTES),
        "w_error": In(1),
        "r_en": Out(1),
        "r_addr": Out(bits),
        "r_data": In(BUS_BITS),
        "r_error": In(1),
    }


class Axi4Lite(wiring.Component):
    """AXI4-Lite: one write per cycle or one read in three; writes have priority.

    Responses are registered.

    Members
    -------
    s_axil_*
        The bus, subordinate side.
    w_en, w_addr, w_data, w_strb, w_error, r_en, r_addr, r_data, r_error
        See `Space`; addresses count bus words.
    """

    prefix = "s_axil_"
    descriptions: ClassVar[dict[str, str]] = {
        "s_axil_awvalid": "write address is valid",
        "s_axil_awready": "write address is accepted, in the same cycle as the data",
        "s_axil_awaddr": "write address in bytes; the two low bits are ignored",
        "s_axil_awprot": "write protection; ignored",
        "s_axil_wvalid": "write data is valid",
        "s_axil_wready": "write data is accepted, in the same cycle as the address",
        "s_axil_wdata": "write data",
        "s_axil_wstrb": "bytes of the data to write",
        "s_axil_bvalid": "write response is valid",
        "s_axil_bready": "write response is accepted",
        "s_axil_bresp": "write response: 0 done, 2 refused",
        "s_axil_arvalid": "read address is valid",
        "s_axil_arready": "read address is accepted",
        "s_axil_araddr": "read address in bytes; the two low bits are ignored",
        "s_axil_arprot": "read protection; ignored",
        "s_axil_rvalid": "read data is valid",
        "s_axil_rready": "read data is accepted",
        "s_axil_rdata": "read data, 0 if the read was refused",
        "s_axil_rresp": "read response: 0 done, 2 refused",
    }

    def __init__(self, address_bits: int):
        self._low = (BUS_BYTES - 1).bit_length()
        word = address_bits - self._low
        ways = {
            "awvalid": In(1),
            "awready": Out(1),
            "awaddr": In(address_bits),
            "awprot": In(PROT_BITS),
            "wvalid": In(1),
            "wready": Out(1),
            "wdata": In(BUS_BITS),
            "wstrb": In(BUS_BYTES),
            "bvalid": Out(1),
            "bready": In(1),
            "bresp": Out(RESPONSE_BITS),
            "arvalid": In(1),
            "arready": Out(1),
            "araddr": In(address_bits),
            "arprot": In(PROT_BITS),
            "rvalid": Out(1),
            "rready": In(1),
            "rdata": Out(BUS_BITS),
            "rresp": Out(RESPONSE_BITS),
        }
        super().__init__(
            {f"{self.prefix}{name}": way for name, way in ways.items()} | front_members(word)
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"axi4lite_{len(self.s_axil_awaddr)}"

    def elaborate(self, platform):
        m = Module()
        self._write(m)
        self._read(m)
        return m

    def _write(self, m):
        """Accept address and data together, once the previous response is accepted."""
        m.d.comb += [
            self.w_en.eq(
                self.s_axil_awvalid
                & self.s_axil_wvalid
                & (~self.s_axil_bvalid | self.s_axil_bready)
            ),
            self.s_axil_awready.eq(self.w_en),
            self.s_axil_wready.eq(self.w_en),
            self.w_addr.eq(self.s_axil_awaddr[self._low :]),
            self.w_data.eq(self.s_axil_wdata),
            self.w_strb.eq(self.s_axil_wstrb),
        ]
        with m.If(self.w_en):
            m.d.sync += [
                self.s_axil_bvalid.eq(1),
                self.s_axil_bresp.eq(Mux(self.w_error, SLVERR, OKAY)),
            ]
        with m.Elif(self.s_axil_bready):
            m.d.sync += self.s_axil_bvalid.eq(0)

    def _read(self, m):
        """Accept one read at a time."""
        waiting = Signal()
        m.d.comb += [
            self.r_en.eq(
                self.s_axil_arvalid
                & ~self.w_en
                & ~waiting
                & (~self.s_axil_rvalid | self.s_axil_rready)
            ),
            self.s_axil_arready.eq(self.r_en),
            self.r_addr.eq(self.s_axil_araddr[self._low :]),
        ]
        m.d.sync += waiting.eq(self.r_en)
        with m.If(waiting):
            m.d.sync += [
                self.s_axil_rvalid.eq(1),
                self.s_axil_rdata.eq(self.r_data),
                self.s_axil_rresp.eq(Mux(self.r_error, SLVERR, OKAY)),
            ]
        with m.Elif(self.s_axil_rready):
            m.d.sync += self.s_axil_rvalid.eq(0)


class Wishbone(wiring.Component):
    """Wishbone: acknowledges a write after one cycle, a read after two.

    Members
    -------
    s_wb_*
        The bus, device side.
    w_en, w_addr, w_data, w_strb, w_error, r_en, r_addr, r_data, r_error
        See `Space`.
    """

    prefix = "s_wb_"
    descriptions: ClassVar[dict[str, str]] = {
        "s_wb_cyc": "a bus cycle is in progress",
        "s_wb_stb": "requests an access; hold it until ack or err",
        "s_wb_we": "1 for a write, 0 for a read",
        "s_wb_adr": "address in 32-bit words",
        "s_wb_sel": "bytes of the data to write",
        "s_wb_dat_w": "write data",
        "s_wb_dat_r": "read data, 0 if the read was refused",
        "s_wb_ack": "the access is done",
        "s_wb_err": "the access is refused",
    }

    def __init__(self, address_bits: int):
        word = address_bits - (BUS_BYTES - 1).bit_length()
        ways = {
            "cyc": In(1),
            "stb": In(1),
            "we": In(1),
            "adr": In(word),
            "sel": In(BUS_BYTES),
            "dat_w": In(BUS_BITS),
            "dat_r": Out(BUS_BITS),
            "ack": Out(1),
            "err": Out(1),
        }
        super().__init__(
            {f"{self.prefix}{name}": way for name, way in ways.items()} | front_members(word)
        )

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
        # If the master ends the bus cycle early, there is no answer.
        error = Mux(waiting, self.r_error, self.w_error)
        answers = self.s_wb_cyc & (waiting | self.w_en)
        m.d.sync += [
            waiting.eq(self.r_en),
            self.s_wb_ack.eq(answers & ~error),
            self.s_wb_err.eq(answers & error),
        ]
        with m.If(waiting):
            m.d.sync += self.s_wb_dat_r.eq(self.r_data)
        return m
