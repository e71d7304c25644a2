# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Output stages of an array, one per column, and their handshake."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.emit.netlist import Netlist, Port, lane
from hw.output import Output
from hw.output.unit import SCALES
from hw.spec import ArraySpec, OutputSpec

#: Inputs of the output stages, by port of the array.
_SETTINGS = {"c_scale": "i_scale", "c_zero_point": "i_zero_point"}
_SAMPLED = (
    "column 0 in the low bits; sampled at the clock edge after which a row of C is first valid"
)


def descriptions(spec: ArraySpec) -> dict[str, str]:
    """Meaning of each port of `drain_ports`."""
    if spec.out is None:
        return {}
    zero = f"integer code that means zero, {_SAMPLED}"
    return {"c_scale": f"{SCALES.get(spec.out.scale)}; {_SAMPLED}", "c_zero_point": zero}


def drain_ports(spec: ArraySpec) -> list[Port]:
    """Inputs of the array for its output stages."""
    widths = (spec.out.scale_bits, spec.out.zero_point_bits) if spec.out else (0, 0)
    return [
        Port(name, spec.cols * width, "input")
        for name, width in zip(_SETTINGS, widths, strict=True)
        if width
    ]


def drain(top: Netlist, spec: ArraySpec, *, sums: str, codes: str) -> None:
    """Add output stages between the stream ``sums``, one sum per slot, and the stream ``codes``.

    Codes are extended to whole bytes, signed ones with their sign and the others with zeros.
    """
    out, stage = spec.out, Output(spec.out, enable=True)
    shakes = {
        f"{way}_{wire}": f"{name}_{wire}"
        for way, name in (("i", sums), ("o", codes))
        for wire in ("tvalid", "tready", "tlast")
    }
    top.instantiate(Handover(out), "handover", **shakes, en=top.wire("move", 1))
    data = top.wire("codes", spec.cols * out.to.width)
    for col in range(spec.cols):
        inputs = {
            own: lane(port, col, width // spec.cols)
            for port, own, width in (
                (port.name, _SETTINGS[port.name], port.width) for port in drain_ports(spec)
            )
        }
        if out.flag_bits:
            inputs["i_flags"] = lane(f"{sums}_tuser", col, out.flag_bits)
        code, spare = lane(data, col, out.to.width), spec.slot_width - out.to.width
        top.instantiate(
            stage,
            f"out_{col}",
            en="move",
            o_data=code,
            **inputs,
            i_data=lane(f"{sums}_tdata", col, out.source.width),
        )
        fill = f"{data}[{(col + 1) * out.to.width - 1}]" if spec.result_signed else "1'b0"
        top.assign(
            lane(f"{codes}_tdata", col, spec.slot_width),
            f"{{{{{spare}{{{fill}}}}}, {code}}}" if spare else code,
        )


class Handover(wiring.Component):
    """Handshake of the output stages of all columns.

    While a row of codes waits, the stages stop and the next rows wait in front of them. Latency is
    that of ``spec``, throughput one row per cycle.

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
        super().__init__(
            {
                "i_tvalid": In(1),
                "i_tready": Out(1),
                "i_tlast": In(1),
                "o_tvalid": Out(1),
                "o_tready": In(1),
                "o_tlast": Out(1),
                "en": Out(1),
            }
        )

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
