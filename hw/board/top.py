# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""The design on a board: a GEMM engine behind a serial line."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.board.link import BUS_PREFIX, Link, bus_members
from hw.emit.netlist import CLOCKING, Netlist, Port, module_ports
from hw.emit.verilog import to_verilog
from hw.gemm import engine
from hw.gemm.bus import Wishbone
from hw.spec import GemmSpec
from hw.spec.board import BoardSpec

DESCRIPTIONS = {
    "clk": "clock, rising edge",
    "rst": "synchronous reset, active high; discards a request, ends a product, clears registers",
    "rx": "serial line to the board, idle high; asynchronous",
    "tx": "serial line from the board, idle high",
    "active": "a request is being processed",
    "fault": "the last request was answered with an error",
    "irq": "interrupt of the engine, level-sensitive",
}
_PINS = {"rx": In(1), "tx": Out(1, init=1), "active": Out(1), "fault": Out(1), "irq": Out(1)}


def board(spec: BoardSpec) -> Netlist:
    """Link and engine, connected by a Wishbone bus."""
    link, unit = Link(spec), engine(spec.gemm)
    top = Netlist(
        spec.name,
        [
            Port(name, 1, "input" if member.flow is In else "output")
            for name, member in _PINS.items()
        ],
    )
    (bits,) = (port.width for port in module_ports(link) if port.name == f"{BUS_PREFIX}adr")
    names = list(bus_members(bits))
    for port in module_ports(link):
        if port.name.startswith(BUS_PREFIX):
            top.wire(port.name, port.width)
    top.instantiate(
        link,
        "link",
        **{port.name: port.name for port in module_ports(link) if port not in CLOCKING},
    )
    top.instantiate(
        unit,
        "engine",
        irq="irq",
        **{f"{Wishbone.prefix}{name}": f"{BUS_PREFIX}{name}" for name in names},
    )
    return top


class BoardTop(wiring.Component):
    """The same design as a component for Amaranth platforms: an instance plus a Verilog file.

    It is in the domain ``sync``, whose clock must be ``clock_hz``.

    Parameters
    ----------
    gemm
        The engine; its bus must be Wishbone.
    clock_hz, baud
        Clock, and bits per second on the line; see `BoardSpec`.

    Members
    -------
    rx, tx
        The serial line.
    active, fault, irq
        See `DESCRIPTIONS`; suitable for LEDs.
    """

    def __init__(self, gemm: GemmSpec, clock_hz: int, baud: int):
        self.spec = BoardSpec(gemm=gemm, clock_hz=clock_hz, baud=baud)
        super().__init__(_PINS)

    def elaborate(self, platform):
        platform.add_file(f"{self.spec.name}.v", to_verilog(board(self.spec)))
        m = Module()
        pins = {
            f"{'i' if member.flow is In else 'o'}_{name}": getattr(self, name)
            for name, member in _PINS.items()
        }
        m.submodules.board = Instance(
            self.spec.name, i_clk=ClockSignal(), i_rst=ResetSignal(), **pins
        )
        return m
