# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""AXI4-Stream top of an array."""

from hw.array import drain
from hw.array.os.core import OUTPUT_STATIONARY
from hw.array.os.pe import result_width
from hw.array.result_lane import ResultLane
from hw.array.ws.core import WEIGHT_STATIONARY
from hw.emit.netlist import Netlist, Port, lane
from hw.spec import ArraySpec, Dataflow

__all__ = ["descriptions", "element", "stream_top"]

_CORES = {Dataflow.OS: OUTPUT_STATIONARY, Dataflow.WS: WEIGHT_STATIONARY}

_DESCRIPTIONS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high; drops what is in flight",
    "s_axis_a_tvalid": "a beat of A is offered",
    "s_axis_a_tlast": "last beat of the tile",
    "s_axis_b_tvalid": "a beat of B is offered",
    "s_axis_b_tlast": "last beat of the tile",
    "m_axis_c_tvalid": "a beat of C is offered",
    "m_axis_c_tready": "the beat of C is taken",
    "m_axis_c_tdata": "one row of C, row 0 first, column 0 in the low bits, a slot each",
    "m_axis_c_tlast": "last row of the tile",
    "m_axis_c_tuser": "flags of each column's sum, column 0 in the low bits: bit 0 plus infinity, "
                      "bit 1 minus infinity, both NaN; a single bit is NaN",
}


def _stream(name: str, width: int, *, user: int = 0) -> list[Port]:
    """Ports of one stream, operands coming in and results going out."""
    forth, back = ("output", "input") if name.startswith("m_") else ("input", "output")
    ports = [Port(f"{name}_tvalid", 1, forth), Port(f"{name}_tready", 1, back),
             Port(f"{name}_tdata", -(-width // 8) * 8, forth), Port(f"{name}_tlast", 1, forth)]
    return ports + ([Port(f"{name}_tuser", user, forth)] if user else [])


def descriptions(spec: ArraySpec) -> dict[str, str]:
    """What each port means, for the manifest and the port sheet."""
    return _DESCRIPTIONS | _CORES[spec.dataflow].descriptions | drain.descriptions(spec)


def element(spec: ArraySpec):
    """Component that is the processing element of an array."""
    return _CORES[spec.dataflow].element(spec)


def stream_top(spec: ArraySpec) -> Netlist:
    """``C = A @ B`` tile by tile over AXI4-Stream; any K from 1, cycles as `ArraySpec` says.

    While C is not taken, the whole array stops. A reset in mid-tile drops the tile. Output stages,
    if there are any, stand between the sums and C.
    """
    mac, c, sums = spec.mac, "m_axis_c", "sums" if spec.out else "m_axis_c"
    core = _CORES[spec.dataflow]
    top = Netlist(spec.name, [
        *_stream("s_axis_a", spec.rows * mac.lanes * mac.a.width, user=core.a_user),
        *_stream("s_axis_b", spec.cols * mac.lanes * mac.b.width),
        *_stream(c, spec.cols * spec.slot_width, user=spec.cols * spec.flag_bits),
        *drain.drain_ports(spec), Port("error", 1, "output"),
    ])
    for name, width in core.wires(spec):
        top.wire(name, width)
    shakes = {f"{short}_{wire}": f"{name}_{wire}" for short, name in
              (("a", "s_axis_a"), ("b", "s_axis_b"), ("c", sums))
              for wire in ("tvalid", "tready", "tlast")}
    if spec.out:
        for wire, width in (("tvalid", 1), ("tready", 1), ("tlast", 1),
                            ("tdata", spec.cols * mac.acc.width),
                            ("tuser", spec.cols * mac.flag_bits)):
            if width:
                top.wire(f"{sums}_{wire}", width)
        drain.drain(top, spec, sums=sums, codes=c)
    core.place(top, spec, shakes)
    _place_lanes(top, spec, sums)
    return top


def _place_lanes(top: Netlist, spec: ArraySpec, sums: str) -> None:
    """Place what puts each column's sum into its slot of the stream ``sums``."""
    mac, result = spec.mac, ResultLane(spec)
    for col in range(spec.cols):
        flags = {"o_flags": lane(f"{sums}_tuser", col, mac.flag_bits)} if mac.flag_bits else {}
        top.place(result, f"result_{col}", kept="kept", i=lane("c", col, result_width(mac)),
                  o_slot=lane(f"{sums}_tdata", col, len(result.o_slot)), **flags)
