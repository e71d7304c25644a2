# SPDX-License-Identifier: Apache-2.0
"""Handshake of the output stages at an array's drain."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.spec import OutputSpec

__all__ = ["Handover"]


class Handover(wiring.Component):
    """What says whether the output stages of all columns hold a row, and whether they move on.

    A row that is offered and not taken stops the stages; what follows it waits in front of them.
    Latency is that of ``spec``, throughput one row a cycle.

    Members
    -------
    i_tvalid, i_tready, i_tlast
        Handshake of the rows of sums.
    o_tvalid, o_tready, o_tlast
        Handshake of the rows of codes.
    en
        Clock enable of the stages.
    """

    def __init__(self, spec: OutputSpec):
        self._stages = spec.latency
        super().__init__({
            "i_tvalid": In(1), "i_tready": Out(1), "i_tlast": In(1),
            "o_tvalid": Out(1), "o_tready": In(1), "o_tlast": Out(1), "en": Out(1),
        })

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"handover_l{self._stages}"

    def elaborate(self, platform):
        m = Module()
        valid, last = self.i_tvalid, self.i_tlast
        for stage in range(self._stages):
            held, ends = Signal(name=f"valid_q{stage}"), Signal(name=f"last_q{stage}")
            with m.If(self.en):
                m.d.sync += [held.eq(valid), ends.eq(last)]
            valid, last = held, ends
        m.d.comb += [
            self.o_tvalid.eq(valid),
            self.o_tlast.eq(last),
            self.en.eq(~valid | self.o_tready),
            self.i_tready.eq(self.en),
        ]
        return m
