# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""The engine: bus, registers, memories and control around an array."""

from hw.array import array
from hw.emit.netlist import Netlist, Port, module_ports
from hw.gemm.bus import Axi4Lite, Wishbone
from hw.gemm.control import Control, Limits
from hw.gemm.feed import sizes
from hw.gemm.memories import result_memory
from hw.gemm.os_feed import OUTPUT_STATIONARY
from hw.gemm.register_file import RegisterFile, port_name
from hw.gemm.space import Space
from hw.gemm.writer import Writer
from hw.gemm.ws_feed import WEIGHT_STATIONARY
from hw.spec import Bus, Dataflow, GemmSpec
from hw.spec.registers import Access, RegisterMap, gemm_map

_BUSES = {Bus.AXI4LITE: Axi4Lite, Bus.WISHBONE: Wishbone}
_FEEDS = {Dataflow.OS: OUTPUT_STATIONARY, Dataflow.WS: WEIGHT_STATIONARY}
#: Wires that are 1 when an access to a memory is refused because the engine is busy.
_REFUSALS = ("a_refused", "b_refused", "c_refused")
_DESCRIPTIONS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high; ends a product, clears registers but not memories",
    "irq": "interrupt, level-sensitive; see IRQ_ENABLE",
}


def descriptions(spec: GemmSpec) -> dict[str, str]:
    """Meaning of each port, for the manifest and the port sheet."""
    return _DESCRIPTIONS | _BUSES[spec.bus].descriptions


def engine(spec: GemmSpec, kind: type[Netlist] = Netlist) -> Netlist:
    """Engine that computes ``C = A @ B``; from start to done it takes ``spec.cycles``.

    If ``kind`` is `hw.gemm.shell.Shell`, array and memories are left out.
    """
    table = gemm_map(spec)
    front = _BUSES[spec.bus](table.address_bits)
    outer = [port for port in module_ports(front) if port.name.startswith(front.prefix)]
    top = kind(spec.name, [*outer, Port("irq", 1, "output")])
    _add_bus(top, front, {port.name for port in outer}, table)
    _add_state(top, spec, table)
    streams = _FEEDS[spec.array.dataflow].instantiate(top, spec, table)
    _add_results(top, spec, table, streams)
    return top


def _add_bus(top: Netlist, front, outer: set[str], table: RegisterMap) -> None:
    """Add bus interface and address decoder, connected by wires named like their ports."""
    inner = tuple(port.name for port in module_ports(front) if port.name not in outer)
    top.join(front, "bus", declare=inner)
    space = Space(table)
    own = tuple(port.name for port in module_ports(space) if port.name not in inner)
    top.join(space, "space", declare=own)


def _add_state(top: Netlist, spec: GemmSpec, table: RegisterMap) -> None:
    """Add registers, check of the sizes, and control."""
    counts = _FEEDS[spec.array.dataflow].counts
    registers, limits = RegisterFile(table), Limits(spec, counts)
    held = tuple(port.name for port in module_ports(registers) if port.name.startswith("o_"))
    declared = (*held, "refused")
    errors = [
        port_name("ERROR", field.name)
        for register in table.registers
        for field in register.fields
        if register.name == "ERROR" and field.access is Access.STICKY
    ]
    control = Control(len(errors))
    for name in ("checked", "wrong", "run", "holds", "held", "busy", "cycles"):
        (port,) = (port for port in module_ports(control) if port.name == name)
        top.wire(name, port.width)
    for name in ("ended", "fed", "written"):
        top.wire(name, 1)
    top.assign("ended", "written | fed")
    for name in _REFUSALS:
        top.wire(name, 1)
    causes = tuple(name.removeprefix("error_") for name in errors if name != "error_busy")
    top.join(
        registers,
        "registers",
        declare=declared,
        w_en="reg_w_en",
        w_error="reg_w_error",
        r_data="reg_r_data",
        r_error="reg_r_error",
        lock="busy",
        clear="o_control_start",
        i_status_busy="busy",
        i_status_done="ended",
        i_status_held="held",
        i_cycles_cycles="cycles",
        i_error_busy=" | ".join(("refused", *_REFUSALS)),
        **{f"i_error_{cause}": cause for cause in causes},
    )
    top.join(
        limits,
        "limits",
        declare=(*causes, "across", *counts),
        start="o_control_start",
        done="checked",
        **{size: f"o_{size}_{size}" for size in "mkn"},
    )
    flags = ", ".join(f"o_{name}" for name in reversed(errors))
    top.join(
        control,
        "control",
        start="o_control_start",
        hold="o_control_hold",
        done="o_status_done",
        errors=f"{{{flags}}}",
        done_enable="o_irq_enable_done",
        error_enable="o_irq_enable_error",
    )


def _add_results(
    top: Netlist, spec: GemmSpec, table: RegisterMap, operands: dict[str, str]
) -> None:
    """Add array, writer and result memory."""
    unit = array(spec.array)
    for name in ("c_valid", "c_last", "c_w_en"):
        top.wire(name, 1)
    window = table.window("C")
    row = top.wire("c_row", window.width)
    slots = spec.array.cols * spec.array.slot_width
    streams = operands | {
        "m_axis_c_tvalid": "c_valid",
        "m_axis_c_tready": "1'b1",
        "m_axis_c_tlast": "c_last",
        "m_axis_c_tdata": f"{row}[{slots - 1}:0]",
    }
    if spec.array.flag_bits:
        streams["m_axis_c_tuser"] = f"{row}[{window.width - 1}:{slots}]"
    known = {port.name for port in unit.ports}
    streams |= {
        port: f"{{{spec.array.cols}{{{held}}}}}"
        for port, held in (
            ("c_scale", "o_scale_scale"),
            ("c_zero_point", "o_zero_point_zero_point"),
        )
        if port in known
    }
    top.instantiate(unit, "array", **streams)
    writer = Writer(spec)
    top.join(
        writer,
        "writer",
        start="run",
        valid="c_valid",
        last="c_last",
        w_en="c_w_en",
        w_addr=top.wire("c_addr", len(writer.w_addr)),
        done="written",
        **sizes(spec, "mn"),
    )
    top.join(
        result_memory(window, kind=type(top)),
        "memory_c",
        w_en="c_w_en",
        w_addr="c_addr",
        w_data=row,
        r_en="c_r_en",
        r_place="c_place",
        r_data="c_r_data",
        r_error="c_r_error",
        refused="c_refused",
    )
