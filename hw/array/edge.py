# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Sums in blocks in an array: inner sums leave every block, outer sums are at the array's edge.

The array of inner sums is an ordinary one, whose tiles are the blocks. At its edge, one adder per
column and a memory with a word per row of C hold the outer sums. Both are stages of a stream, so
any array can be in front of them.
"""

from collections.abc import Sequence

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Member, Out

from hw.emit.netlist import Netlist, instantiate, lane
from hw.mac.block import add_fixed_block, promotion, promotion_operands, with_nan
from hw.mac.stages import delayed
from hw.mac.step import MacStep
from hw.spec import ArraySpec, MacSpec

DESCRIPTIONS = {
    "s_axis_a_tuser": "scales of the block of A, row 0 in the low bits; read with the last beat of "
    "each block",
    "s_axis_b_tuser": "scales of the block of B, column 0 in the low bits; read with the last beat "
    "of each block",
}


def scale_bits(spec: ArraySpec) -> tuple[int, int]:
    """Bits of the scales beside a beat of A and a beat of B."""
    scale = spec.mac.blocks.scale if spec.mac.blocks else None
    return (spec.rows * scale.width, spec.cols * scale.width) if scale else (0, 0)


def add_edge(top: Netlist, spec: ArraySpec, inner: Netlist, *, sums: str) -> None:
    """Add the array of inner sums, and the edge that makes the stream ``sums`` of outer sums.

    ``top`` has the operand streams as ports, and the stream ``sums`` as ports or wires.
    """
    _add_inner(top, spec, inner)
    _add_queue(top, spec)
    _add_columns(top, spec, sums)


def _add_inner(top: Netlist, spec: ArraySpec, inner: Netlist) -> None:
    """The array of inner sums, behind the component that cuts tiles into blocks."""
    array = spec.inner_array
    for side in "ab":
        for wire in ("tvalid", "tready", "tlast"):
            top.wire(f"block_{side}_{wire}", 1)
    for wire, width in (
        ("tvalid", 1),
        ("tready", 1),
        ("tlast", 1),
        ("tdata", array.cols * array.slot_width),
        ("tuser", array.cols * array.flag_bits),
    ):
        if width:
            top.wire(f"inner_{wire}", width)
    for name, width in (("push", spec.blocks_in_flight), ("head", spec.blocks_in_flight)):
        top.wire(name, width)
    for name in ("push_last", "pop"):
        top.wire(name, 1)
    top.instantiate(
        Framer(spec),
        "framer",
        **{
            f"{short}_{wire}": f"{stream}_{wire}"
            for short, stream in (
                ("a", "s_axis_a"),
                ("b", "s_axis_b"),
                ("inner_a", "block_a"),
                ("inner_b", "block_b"),
            )
            for wire in ("tvalid", "tready", "tlast")
        },
        push="push",
        push_last="push_last",
        head="head",
        pop="pop",
    )
    flags = {"m_axis_c_tuser": "inner_tuser"} if array.flag_bits else {}
    top.instantiate(
        inner,
        "inner",
        **{
            f"s_axis_{side}_{wire}": f"block_{side}_{wire}"
            for side in "ab"
            for wire in ("tvalid", "tready", "tlast")
        },
        s_axis_a_tdata="s_axis_a_tdata",
        s_axis_b_tdata="s_axis_b_tdata",
        **{f"m_axis_c_{wire}": f"inner_{wire}" for wire in ("tvalid", "tready", "tlast", "tdata")},
        **flags,
        error="error",
    )


def _add_queue(top: Netlist, spec: ArraySpec) -> None:
    """Facts of the blocks in flight: whether a block ends its tile, and its scales."""
    widths = {"last": 1} | {
        f"{side}_scales": bits for side, bits in zip("ab", scale_bits(spec), strict=True) if bits
    }
    sources = {"last": "push_last", "a_scales": "s_axis_a_tuser", "b_scales": "s_axis_b_tuser"}
    for fact, width in widths.items():
        top.wire(f"block_{fact}", width)
        slots = [
            top.register(f"{fact}_{slot}", width, sources[fact], enable=f"push[{slot}]")
            for slot in range(spec.blocks_in_flight)
        ]
        chosen = slots[-1]
        for slot in reversed(range(len(slots) - 1)):
            chosen = f"head[{slot}] ? {slots[slot]} : {chosen}"
        top.assign(f"block_{fact}", chosen)


def _add_columns(top: Netlist, spec: ArraySpec, sums: str) -> None:
    """Control, memory and one adder per column."""
    mac, array = spec.mac, spec.inner_array
    column, rows_bits = EdgeColumn(mac), max((spec.rows - 1).bit_length(), 1)
    word = mac.acc.width + mac.flag_bits
    for name, width in (
        ("edge_en", 1),
        ("edge_first", 1),
        ("edge_row", rows_bits),
        ("written_row", rows_bits),
        ("written", 1),
        ("totals", spec.cols * word),
    ):
        top.wire(name, width)
    top.instantiate(
        EdgeControl(spec),
        "edge_control",
        **{
            f"{way}_{wire}": f"{name}_{wire}"
            for way, name in (("i", "inner"), ("o", sums))
            for wire in ("tvalid", "tready", "tlast")
        },
        block_last="block_last",
        pop="pop",
        en="edge_en",
        first="edge_first",
        row="edge_row",
        written="written",
        written_row="written_row",
    )
    held = top.memory(
        "outer",
        spec.cols * word,
        spec.rows,
        write=("written", "written_row"),
        data={f"{spec.cols * word - 1}:0": "totals"},
        read=("edge_en", "edge_row"),
    )
    scales = {}
    if mac.block_scale:
        width = mac.blocks.scale.width
        zeros = width.bit_length() - 1
        a = top.wire("a_scale", width)
        top.assign(a, f"block_a_scales[{{edge_row, {zeros}'b0}} +: {width}]")
        scales["i_a_scale"] = a
    slot = mac.acc.width if spec.out else spec.slot_width
    for col in range(spec.cols):
        if mac.block_scale:
            scales["i_b_scale"] = lane("block_b_scales", col, width)
        inputs = {"i_flags": lane("inner_tuser", col, array.flag_bits)} if array.flag_bits else {}
        first = col * array.slot_width
        outputs = {"o_flags": lane(f"{sums}_tuser", col, mac.flag_bits)} if mac.flag_bits else {}
        top.instantiate(
            column,
            f"column_{col}",
            en="edge_en",
            i_first="edge_first",
            i_data=f"inner_tdata[{first + array.result_width - 1}:{first}]",
            i_old=lane(held, col, word),
            o_total=lane("totals", col, word),
            o_data=lane(f"{sums}_data", col, mac.acc.width),
            **inputs,
            **scales,
            **outputs,
        )
    top.wire(f"{sums}_data", spec.cols * mac.acc.width)
    for col in range(spec.cols):
        data, spare = lane(f"{sums}_data", col, mac.acc.width), slot - mac.acc.width
        top_bit = f"{sums}_data[{(col + 1) * mac.acc.width - 1}]"
        fill = top_bit if mac.acc.is_fixed else "1'b0"
        top.assign(
            lane(f"{sums}_tdata", col, slot),
            f"{{{{{spare}{{{fill}}}}}, {data}}}" if spare else data,
        )


class Framer(wiring.Component):
    """Cuts the tiles of the operands into blocks, and keeps the order of the blocks in flight.

    A block ends ``spec.edge_step`` cycles after the one before or later, so that an outer sum is
    written before it is read again. Latency is 0 cycles.

    Members
    -------
    a_tvalid, a_tready, a_tlast, b_tvalid, b_tready, b_tlast
        Handshakes of the operands; ``tlast`` ends a tile.
    inner_a_tvalid, inner_a_tready, inner_a_tlast, inner_b_tvalid, inner_b_tready, inner_b_tlast
        Handshakes of the array of inner sums; ``tlast`` ends a block.
    push, push_last
        One-hot slot in which the facts of the block are kept; the block ends its tile.
    head, pop
        One-hot slot of the oldest block; its last row is taken.
    """

    def __init__(self, spec: ArraySpec):
        self._spec = spec
        shakes: dict[str, Member] = {}
        for name in ("a", "b"):
            shakes |= {f"{name}_tvalid": In(1), f"{name}_tready": Out(1), f"{name}_tlast": In(1)}
        for name in ("inner_a", "inner_b"):
            shakes |= {f"{name}_tvalid": Out(1), f"{name}_tready": In(1), f"{name}_tlast": Out(1)}
        slots = spec.blocks_in_flight
        super().__init__(
            shakes
            | {"push": Out(slots), "push_last": Out(1), "head": Out(slots, init=1), "pop": In(1)}
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        spec = self._spec
        return f"framer_{spec.block_beats}x{spec.edge_step}_{spec.blocks_in_flight}"

    def elaborate(self, platform):
        m = Module()
        spec, slots = self._spec, self._spec.blocks_in_flight
        tail = Signal(slots, init=1)
        used = Signal(range(slots + 1))
        beat = Signal(range(max(spec.block_beats, 2)))
        wait = Signal(range(max(spec.edge_step, 2)))
        whole, ends, free, taken = (Signal(name=n) for n in ("whole", "ends", "free", "taken"))
        m.d.comb += [
            whole.eq(beat == spec.block_beats - 1),
            ends.eq(whole | self.a_tlast),
            # The last beat of a block waits until its facts and its sums have a place.
            free.eq(~ends | ((used != slots) & (wait == 0))),
            self.inner_a_tvalid.eq(self.a_tvalid & free),
            # The array takes both beats together, so b waits with a.
            self.inner_b_tvalid.eq(self.b_tvalid & free),
            self.a_tready.eq(self.inner_a_tready & free),
            self.b_tready.eq(self.inner_b_tready & free),
            self.inner_a_tlast.eq(ends),
            self.inner_b_tlast.eq(whole | self.b_tlast),
            taken.eq(self.a_tvalid & self.a_tready),
            self.push.eq(tail & (taken & ends).replicate(slots)),
            self.push_last.eq(self.a_tlast),
        ]
        with m.If(taken):
            m.d.sync += beat.eq(Mux(ends, 0, beat + 1))
        with m.If(taken & ends):
            m.d.sync += [tail.eq(Cat(tail[-1], tail[:-1])), wait.eq(spec.edge_step - 1)]
        with m.Elif(wait != 0):
            m.d.sync += wait.eq(wait - 1)
        with m.If(self.pop):
            m.d.sync += self.head.eq(Cat(self.head[-1], self.head[:-1]))
        m.d.sync += used.eq(used + (taken & ends) - self.pop)
        return m


class EdgeControl(wiring.Component):
    """Handshakes of the edge, rows of the memory, and the ends of blocks and tiles.

    A row of inner sums leaves as outer sums ``spec.edge_latency`` cycles later if its block is the
    last of its tile. While a row of outer sums waits, the edge stops.

    Members
    -------
    i_tvalid, i_tready, i_tlast
        Handshake of the rows of inner sums; ``tlast`` ends a block.
    o_tvalid, o_tready, o_tlast
        Handshake of the rows of outer sums; ``tlast`` ends a tile.
    block_last
        The block of the row is the last of its tile.
    pop
        The last row of a block is taken.
    en
        Clock enable of the columns, and read enable of the memory.
    first
        The row is in the first block of its tile.
    row
        Row that is read.
    written, written_row
        The row that is written.
    """

    def __init__(self, spec: ArraySpec):
        self._spec = spec
        row = max((spec.rows - 1).bit_length(), 1)
        super().__init__(
            {
                "i_tvalid": In(1),
                "i_tready": Out(1),
                "i_tlast": In(1),
                "o_tvalid": Out(1),
                "o_tready": In(1),
                "o_tlast": Out(1),
                "block_last": In(1),
                "pop": Out(1),
                "en": Out(1),
                "first": Out(1),
                "row": Out(row),
                "written": Out(1),
                "written_row": Out(row),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"edge_control_{self._spec.rows}_l{self._spec.edge_latency}"

    def elaborate(self, platform):
        m = Module()
        spec = self._spec
        opening, taken = Signal(init=1), Signal(name="taken")
        safe = self._safe(m, taken)
        m.d.comb += [
            self.i_tready.eq(self.en & safe),
            taken.eq(self.i_tvalid & self.i_tready),
            self.first.eq(opening),
            self.pop.eq(taken & self.i_tlast),
        ]
        with m.If(taken):
            m.d.sync += self.row.eq(Mux(self.i_tlast, 0, self.row + 1))
        with m.If(self.pop):
            m.d.sync += opening.eq(self.block_last)
        valid, leaves = taken, self.block_last
        last, row = self.i_tlast, self.row
        for stage in range(spec.edge_latency):
            later = [
                Signal.like(each, name=f"{name}_q{stage}")
                for each, name in (
                    (valid, "valid"),
                    (leaves, "leaves"),
                    (last, "last"),
                    (row, "row"),
                )
            ]
            with m.If(self.en):
                m.d.sync += [
                    q.eq(d) for q, d in zip(later, (valid, leaves, last, row), strict=True)
                ]
            valid, leaves, last, row = later
        m.d.comb += [
            self.o_tvalid.eq(valid & leaves),
            self.o_tlast.eq(last),
            self.en.eq(~self.o_tvalid | self.o_tready),
            self.written.eq(valid),
            self.written_row.eq(row),
        ]
        return m

    def _safe(self, m, taken):
        """Whether the next row may be read: its sum of the block before is written.

        With few rows a stall can bring blocks closer together than their ends were.
        """
        spec = self._spec
        if spec.rows > spec.edge_latency:
            return Const(1)
        age = Signal(range(spec.edge_latency + 1), init=spec.edge_latency)
        with m.If(taken & (self.row == 0)):
            m.d.sync += age.eq(0)
        with m.Elif(self.en & (age != spec.edge_latency)):
            m.d.sync += age.eq(age + 1)
        return (self.row != 0) | (age == spec.edge_latency)


class EdgeColumn(wiring.Component):
    """The end of a block in one column: ``o_total = i_old + scale * i_data``.

    Latency is ``ArraySpec.edge_latency`` cycles from the inner sum, throughput one sum per cycle.
    ``i_old`` is the outer sum as read in the cycle after ``i_data``.

    Members
    -------
    en
        Clock enable.
    i_first
        The block is the first of its sum; ``i_old`` does not count.
    i_data, i_flags
        Inner sum and its flags.
    i_a_scale, i_b_scale
        Scales of the block.
    i_old, o_total
        Outer sum as stored, flags above.
    o_data, o_flags
        Outer sum, and its flags.
    """

    def __init__(self, spec: MacSpec):
        self._spec = spec
        inner, word = spec.inner_mac, spec.acc.width + spec.flag_bits
        members = {"en": In(1), "i_first": In(1), "i_data": In(inner.acc.width)}
        if inner.flag_bits:
            members["i_flags"] = In(inner.flag_bits)
        if spec.blocks.scale:
            members |= {f"i_{side}_scale": In(spec.blocks.scale.width) for side in "ab"}
        members |= {"i_old": In(word), "o_total": Out(word), "o_data": Out(spec.acc.width)}
        if spec.flag_bits:
            members["o_flags"] = Out(spec.flag_bits)
        super().__init__(members)

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"edge_column_{self._spec.name.removeprefix('mac_')}"

    def elaborate(self, platform):
        m = Module()
        spec, width = self._spec, self._spec.acc.width
        first = delayed(m, self.i_first, 1, name="first")
        old = Signal(len(self.i_old), name="old")
        m.d.comb += old.eq(Mux(first, 0, self.i_old))
        flags = self.i_flags if spec.inner_mac.flag_bits else None
        if spec.acc.is_fixed:
            inner = delayed(m, self.i_data, 1, name="inner")
            total = add_fixed_block(m, spec, old[:width], inner)
            if spec.flag_bits:
                total = Cat(total, old[width:] | delayed(m, flags, 1, name="flags"))
            total = delayed(m, total, 1, name="total")
        else:
            total = self._add(m, platform, old, flags)
        m.d.comb += [
            self.o_total.eq(total),
            self.o_data.eq(with_nan(m, spec.blocks, total[:width])),
        ]
        if spec.flag_bits:
            m.d.comb += self.o_flags.eq(total[width:])
        return EnableInserter(self.en)(m)

    def _add(self, m, platform, old, flags):
        """Floating-point outer sum, from the step of a MAC."""
        spec = self._spec
        unit = promotion(spec)
        step = MacStep(unit)
        scales: Sequence[Value] = [self.i_a_scale, self.i_b_scale] if spec.blocks.scale else []
        a, b = promotion_operands(m, spec, self.i_data, flags, scales)
        instantiate(m, platform, step, name="step")
        m.d.comb += [
            step.en.eq(self.en),
            step.i_a.eq(delayed(m, a, 1, name="operand")),
            step.i_b.eq(delayed(m, b, 1, name="scale")),
            step.i_sum.eq(delayed(m, old, unit.pipeline - unit.adder_stages, name="old")),
        ]
        return step.o_sum
