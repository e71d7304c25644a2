# SPDX-License-Identifier: Apache-2.0
"""Feeds an output-stationary array: reads both operand memories together, beat by beat."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.emit.netlist import Netlist
from hw.gemm.feed import Feed, TilesLeft, below, sizes
from hw.gemm.memories import operand_memory
from hw.spec import GemmSpec
from hw.spec.registers import RegisterMap


def _instantiate(top: Netlist, spec: GemmSpec, table: RegisterMap) -> dict[str, str]:
    """Add feeder and operand memories."""
    mac = spec.array.mac
    top.wire("valid", 1)
    top.wire("ready", 1)
    top.join(
        Feeder(spec),
        "feeder",
        start="run",
        hold="holds",
        r_en="advance",
        **sizes(spec, "mkn"),
        declare=("a_addr", "b_addr", "last", "lanes", "cols"),
    )
    top.wire("advance", 1)
    for name, slots, fmt, count in (
        ("a", spec.array.rows, mac.a, f"{{{spec.array.rows}{{1'b1}}}}"),
        ("b", spec.array.cols, mac.b, "cols"),
    ):
        memory = operand_memory(
            table.window(name.upper()),
            slots=slots,
            lanes=mac.lanes,
            width=fmt.width,
            kind=type(top),
        )
        (read,) = (port for port in memory.ports if port.name == "r_data")
        top.join(
            memory,
            f"memory_{name}",
            w_en=f"{name}_w_en",
            w_place=f"{name}_place",
            w_error=f"{name}_w_error",
            refused=f"{name}_refused",
            r_en="advance",
            r_addr=f"{name}_addr",
            slots=count,
            r_data=top.wire(f"{name}_beat", read.width),
        )
    streams = {
        f"s_axis_{name}_{wire}": source
        for name in "ab"
        for wire, source in (("tvalid", "valid"), ("tlast", "last"), ("tdata", f"{name}_beat"))
    }
    return streams | {"s_axis_a_tready": "ready"}


OUTPUT_STATIONARY = Feed(instantiate=_instantiate)


class Feeder(wiring.Component):
    """Generates the addresses of A and B, and the signals for the words read one cycle later.

    Tiles of C go row by row, from left to right. The words of A for a row of tiles are read again
    for each tile, all words of B for each row. One beat per cycle; the first is on the streams 2
    cycles after ``start``. While a beat waits, the feeder waits.

    Members
    -------
    start, m, k, n, hold
        Start; the sizes must not change until the last beat is accepted. With ``hold`` no beat ends
        a tile.
    r_en, a_addr, b_addr
        Next read.
    valid, ready, last
        Handshake of the beats; last beat of a tile.
    fed
        With ``hold``: the last beat is accepted in this cycle.
    lanes, cols
        Valid lanes and columns; operands of the others are replaced by zeros.
    """

    def __init__(self, spec: GemmSpec):
        self._spec = spec
        array = spec.array
        super().__init__(
            {
                "start": In(1),
                **{size: In(spec.size_bits) for size in "mkn"},
                "r_en": Out(1),
                "a_addr": Out(range(spec.depth_a)),
                "b_addr": Out(range(spec.depth_b)),
                "valid": Out(1),
                "ready": In(1),
                "last": Out(1),
                "hold": In(1),
                "fed": Out(1),
                "lanes": Out(array.mac.lanes),
                "cols": Out(array.cols),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"feeder_{self._spec.array.size}_k{self._spec.array.mac.lanes}_{self._spec.depths}"

    def elaborate(self, platform):
        m = Module()
        array, bits = self._spec.array, self._spec.size_bits
        tiles = TilesLeft(self.m, self.n, height=array.rows, width=array.cols)
        k_left = Signal(bits, name="k_left")
        row, feeding = Signal.like(self.a_addr, name="row"), Signal()
        last_k = k_left <= array.mac.lanes
        m.d.comb += [
            self.r_en.eq(~self.valid | self.ready),
            self.fed.eq(self.hold & self.valid & self.ready & ~feeding),
        ]
        with m.If(self.r_en):
            m.d.sync += [
                self.valid.eq(feeding),
                self.last.eq(last_k & ~self.hold),
                self.lanes.eq(below(k_left, array.mac.lanes)),
                self.cols.eq(below(tiles.cols, array.cols)),
            ]
        with m.If(self.start):
            all_m, all_n = tiles.first()
            m.d.sync += [
                feeding.eq(1),
                all_m,
                k_left.eq(self.k),
                all_n,
                self.a_addr.eq(0),
                self.b_addr.eq(0),
                row.eq(0),
            ]
        with m.Elif(self.r_en & feeding):
            m.d.sync += [
                k_left.eq(k_left - array.mac.lanes),
                self.a_addr.eq(self.a_addr + 1),
                self.b_addr.eq(self.b_addr + 1),
            ]
            with m.If(last_k):
                m.d.sync += [k_left.eq(self.k), *tiles.right(), self.a_addr.eq(row)]
            with m.If(last_k & tiles.last_n):
                m.d.sync += [
                    *tiles.down(),
                    self.a_addr.eq(self.a_addr + 1),
                    row.eq(self.a_addr + 1),
                    self.b_addr.eq(0),
                    feeding.eq(~tiles.last_m),
                ]
        return m
