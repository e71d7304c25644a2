# SPDX-License-Identifier: Apache-2.0
"""Operands of an output-stationary array: both memories are read at once."""

from hw.emit.netlist import Netlist
from hw.gemm.feed import Feed
from hw.gemm.feeder import Feeder
from hw.gemm.memories import operand_memory
from hw.gemm.parts import place_part, sizes
from hw.spec import GemmSpec
from hw.spec.registers import RegisterMap

__all__ = ["OUTPUT_STATIONARY"]


def _place(top: Netlist, spec: GemmSpec, table: RegisterMap) -> dict[str, str]:
    """Feeder, operand memories."""
    mac = spec.array.mac
    top.wire("valid", 1)
    top.wire("ready", 1)
    place_part(top, Feeder(spec), "feeder", start="run", hold="holds", r_en="advance",
               **sizes(spec, "mkn"),
               declare=("a_addr", "b_addr", "last", "lanes", "cols"))
    top.wire("advance", 1)
    for name, slots, fmt, count in (("a", spec.array.rows, mac.a, f"{{{spec.array.rows}{{1'b1}}}}"),
                                    ("b", spec.array.cols, mac.b, "cols")):
        memory = operand_memory(table.window(name.upper()), slots=slots, lanes=mac.lanes,
                                width=fmt.width, kind=type(top))
        (read,) = (port for port in memory.ports if port.name == "r_data")
        place_part(top, memory, f"memory_{name}", w_en=f"{name}_w_en", w_place=f"{name}_place",
                   w_error=f"{name}_w_error", refused=f"{name}_refused", r_en="advance",
                   r_addr=f"{name}_addr", slots=count,
                   r_data=top.wire(f"{name}_beat", read.width))
    streams = {f"s_axis_{name}_{wire}": source for name in "ab" for wire, source in (
        ("tvalid", "valid"), ("tlast", "last"), ("tdata", f"{name}_beat"))}
    return streams | {"s_axis_a_tready": "ready"}


OUTPUT_STATIONARY = Feed(place=_place)
