# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Top module of an array with its AXI4-Streams, and the result slot of each column."""

from typing import Any

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.array import drain, edge
from hw.array.core import result_width
from hw.array.os import OUTPUT_STATIONARY
from hw.array.ws import WEIGHT_STATIONARY
from hw.emit.netlist import Netlist, Port, lane
from hw.spec import ArraySpec, Dataflow, FixedAccumulator

_CORES = {Dataflow.OS: OUTPUT_STATIONARY, Dataflow.WS: WEIGHT_STATIONARY}

_DESCRIPTIONS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high; discards everything in flight",
    "s_axis_a_tvalid": "the beat of A is valid",
    "s_axis_a_tlast": "last beat of the tile",
    "s_axis_b_tvalid": "the beat of B is valid",
    "s_axis_b_tlast": "last beat of the tile",
    "m_axis_c_tvalid": "the beat of C is valid",
    "m_axis_c_tready": "the beat of C is accepted",
    "m_axis_c_tdata": "one row of C, row 0 first; one slot per column, column 0 in the low bits",
    "m_axis_c_tlast": "last row of the tile",
    "m_axis_c_tuser": "flags of each column's sum, column 0 in the low bits: bit 0 plus infinity, "
    "bit 1 minus infinity, both NaN; if there is only one bit, it means NaN",
}


def _stream(name: str, width: int, *, user: int = 0) -> list[Port]:
    """Ports of one stream; operands are inputs, results are outputs."""
    forth, back = ("output", "input") if name.startswith("m_") else ("input", "output")
    ports = [
        Port(f"{name}_tvalid", 1, forth),
        Port(f"{name}_tready", 1, back),
        Port(f"{name}_tdata", -(-width // 8) * 8, forth),
        Port(f"{name}_tlast", 1, forth),
    ]
    return ports + ([Port(f"{name}_tuser", user, forth)] if user else [])


def descriptions(spec: ArraySpec) -> dict[str, str]:
    """Meaning of each port, for the manifest and the port sheet."""
    scales = edge.DESCRIPTIONS if spec.mac.block_scale else {}
    return _DESCRIPTIONS | _CORES[spec.dataflow].descriptions | scales | drain.descriptions(spec)


def element(spec: ArraySpec) -> Any:
    """Processing element of an array."""
    return _CORES[spec.dataflow].element(spec.inner_array if spec.mac.blocks else spec)


def array(spec: ArraySpec) -> Netlist:
    """Array that computes ``C = A @ B`` tile by tile over AXI4-Stream, for any K of at least 1.

    `ArraySpec` has its cycle counts. While a beat of C waits, the whole array stops. A reset
    discards the tiles in flight. Output stages, if any, are between the sums and C.
    """
    mac, c, sums = spec.mac, "m_axis_c", "sums" if spec.out else "m_axis_c"
    core = _CORES[spec.dataflow]
    scale_a, scale_b = edge.scale_bits(spec)
    top = Netlist(
        spec.name,
        [
            *_stream("s_axis_a", spec.rows * mac.lanes * mac.a.width, user=core.a_user + scale_a),
            *_stream("s_axis_b", spec.cols * mac.lanes * mac.b.width, user=scale_b),
            *_stream(c, spec.cols * spec.slot_width, user=spec.cols * spec.flag_bits),
            *drain.drain_ports(spec),
            Port("error", 1, "output"),
        ],
    )
    for name, width in () if mac.blocks else core.wires(spec):
        top.wire(name, width)
    shakes = {
        f"{short}_{wire}": f"{name}_{wire}"
        for short, name in (("a", "s_axis_a"), ("b", "s_axis_b"), ("c", sums))
        for wire in ("tvalid", "tready", "tlast")
    }
    if spec.out:
        for wire, width in (
            ("tvalid", 1),
            ("tready", 1),
            ("tlast", 1),
            ("tdata", spec.cols * mac.acc.width),
            ("tuser", spec.cols * mac.flag_bits),
        ):
            if width:
                top.wire(f"{sums}_{wire}", width)
        drain.drain(top, spec, sums=sums, codes=c)
    if mac.blocks:
        edge.add_edge(top, spec, array(spec.inner_array), sums=sums)
        return top
    core.instantiate(top, spec, shakes)
    _add_lanes(top, spec, sums)
    return top


def _add_lanes(top: Netlist, spec: ArraySpec, sums: str) -> None:
    """Add the components that put each column's sum into its slot of the stream ``sums``."""
    mac, result = spec.mac, ResultLane(spec)
    for col in range(spec.cols):
        flags = {"o_flags": lane(f"{sums}_tuser", col, mac.flag_bits)} if mac.flag_bits else {}
        top.instantiate(
            result,
            f"result_{col}",
            kept="kept",
            i=lane("c", col, result_width(mac)),
            o_slot=lane(f"{sums}_tdata", col, len(result.o_slot)),
            **flags,
        )


class ResultLane(wiring.Component):
    """Keeps one result for the sequencer, and extends it to a slot of whole bytes.

    A fixed-point sum is sign-extended, any other sum zero-extended. If an output stage follows, the
    slot is just the sum. Latency is 0 cycles.

    Members
    -------
    kept
        1: output the kept result. 0: output ``i`` and keep it.
    i
        Sum in the low bits, flags above.
    o_slot, o_flags
        Result; ``o_flags`` exists only if sums have flags.
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
        data = offered[: acc.width]
        m.d.comb += self.o_slot.eq(data.as_signed() if isinstance(acc, FixedAccumulator) else data)
        if self._spec.flag_bits:
            m.d.comb += self.o_flags.eq(offered[acc.width :])
        return m
