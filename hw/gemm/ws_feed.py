# SPDX-License-Identifier: Apache-2.0
"""Feeds a weight-stationary array: reads rows of A and weights independently."""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.array.ws.sequencer import FIRST, LAST
from hw.emit.netlist import Netlist, lane
from hw.gemm.feed import Feed, TilesLeft, below, sizes
from hw.gemm.memories import operand_memory
from hw.spec import GemmSpec
from hw.spec.registers import RegisterMap


def _instantiate(top: Netlist, spec: GemmSpec, table: RegisterMap) -> dict[str, str]:
    """Add feeders and operand memories; steps beyond K get codes that change no sum."""
    array, mac = spec.array, spec.array.mac
    for name in "ab":
        for wire in ("en", "valid", "ready"):
            top.wire(f"{name}_{wire}", 1)
    top.join(
        RowFeeder(spec),
        "row_feeder",
        start="run",
        hold="holds",
        **sizes(spec, "mkn"),
        declare=("a_addr", "a_last", "a_user", "codes"),
    )
    top.join(
        WeightFeeder(spec),
        "weight_feeder",
        start="run",
        **sizes(spec, "mkn"),
        declare=("b_addr", "b_last", "lanes", "cols"),
    )
    deep = array.rows * mac.lanes
    _memory(
        top,
        table,
        "a",
        slots=deep,
        lanes=1,
        width=mac.a.width,
        neutral=mac.neutral[0],
        steps=[f"codes[{place // mac.lanes * mac.lanes}]" for place in range(deep)],
        counts={"slots": "codes", "lanes": "1'b1"},
    )
    _memory(
        top,
        table,
        "b",
        slots=array.cols,
        lanes=mac.lanes,
        width=mac.b.width,
        neutral=mac.neutral[1],
        steps=["lanes[0]"] * (array.cols * mac.lanes),
        counts={"slots": "cols", "lanes": "lanes"},
    )
    return {
        f"s_axis_{name}_t{wire}": f"{name}_{wire}"
        for name, wires in (
            ("a", ("valid", "ready", "last", "user")),
            ("b", ("valid", "ready", "last")),
        )
        for wire in wires
    } | {f"s_axis_{name}_tdata": f"{name}_beat" for name in "ab"}


def _memory(
    top: Netlist,
    table: RegisterMap,
    name: str,
    *,
    slots: int,
    lanes: int,
    width: int,
    neutral: int,
    steps: list[str],
    counts: dict[str, str],
) -> None:
    """Add the memory of an operand, and the wire with its beats.

    A code whose signal in ``steps`` is 0 lies beyond K and is replaced by ``neutral``.
    """
    memory = operand_memory(
        table.window(name.upper()), slots=slots, lanes=lanes, width=width, kind=type(top)
    )
    (read,) = (port for port in memory.ports if port.name == "r_data")
    word = top.wire(f"{name}_word", read.width)
    top.join(
        memory,
        f"memory_{name}",
        w_en=f"{name}_w_en",
        w_place=f"{name}_place",
        w_error=f"{name}_w_error",
        refused=f"{name}_refused",
        r_en=f"{name}_en",
        r_addr=f"{name}_addr",
        r_data=word,
        **counts,
    )
    beat = top.wire(f"{name}_beat", read.width)
    if not neutral:
        top.assign(beat, word)
        return
    for place, step in enumerate(steps):
        top.assign(
            lane(beat, place, width),
            f"{lane(word, place, width)} | ({step} ? {width}'d0 : {width}'d{neutral})",
        )
    if read.width > width * len(steps):
        top.assign(f"{beat}[{read.width - 1}:{width * len(steps)}]", "0")


WEIGHT_STATIONARY = Feed(instantiate=_instantiate, counts=("beats", "steps"))


class RowFeeder(wiring.Component):
    """Generates the addresses of A, and the signals for the words read one cycle later.

    A tile of C reads its rows of A once for each pass over K. One beat per cycle; the first is on
    the stream 2 cycles after ``start``. While a beat waits, the feeder waits.

    Members
    -------
    start, m, k, n, steps
        Start; the sizes, and the words of a row of A, must not change until the last beat is
        accepted.
    hold, held
        Keep the sums of the last pass in the array; add those of the first pass to the sums that
        are there.
    a_en, a_addr
        Next read.
    a_valid, a_ready, a_last, a_user
        Handshake of the beats; last beat of a pass; first or last pass of its sums.
    fed
        With ``hold``: the sums have reached the accumulator memory in this cycle.
    codes
        Valid codes; the others are replaced by zeros.
    """

    def __init__(self, spec: GemmSpec):
        self._spec = spec
        array = spec.array
        self._deep = array.rows * array.mac.lanes
        super().__init__(
            {
                "start": In(1),
                **{size: In(spec.size_bits) for size in "mkn"},
                "steps": In(spec.size_bits + 1),
                "hold": In(1),
                "held": In(1),
                "a_en": Out(1),
                "a_addr": Out(range(spec.depth_a)),
                "a_valid": Out(1),
                "a_ready": In(1),
                "a_last": Out(1),
                "a_user": Out(2),
                "fed": Out(1),
                "codes": Out(self._deep),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return (
            f"row_feeder_{self._spec.tiling}_k{self._spec.array.mac.lanes}_{self._spec.depths}"
            f"_l{self._spec.array.schedule.row_latency}"
        )

    def elaborate(self, platform):
        m = Module()
        array, bits = self._spec.array, self._spec.size_bits
        high = array.schedule.height
        tiles = TilesLeft(self.m, self.n, height=high, width=array.cols)
        k_left, rows_left = Signal(bits, name="k_left"), Signal(range(high + 1))
        feeding, first = Signal(), Signal()
        # Addresses of the tile's first row of A, and of the part of it for the current pass.
        tile, part = (Signal.like(self.a_addr, name=name) for name in ("tile", "part"))
        last_row, last_k = rows_left == 1, k_left <= self._deep
        self._offer(m, feeding, first, last_row, k_left)
        with m.If(self.start):
            m.d.sync += [
                feeding.eq(1),
                first.eq(1),
                *tiles.first(),
                k_left.eq(self.k),
                rows_left.eq(_least(self.m, high)),
                self.a_addr.eq(0),
                tile.eq(0),
                part.eq(0),
            ]
        with m.Elif(self.a_en & feeding):
            m.d.sync += [rows_left.eq(rows_left - 1), self.a_addr.eq(self.a_addr + self.steps)]
            with m.If(last_row):
                m.d.sync += [
                    first.eq(0),
                    k_left.eq(k_left - self._deep),
                    self.a_addr.eq(part + 1),
                    part.eq(part + 1),
                    rows_left.eq(_least(tiles.rows, high)),
                ]
            with m.If(last_row & last_k):
                m.d.sync += [
                    first.eq(1),
                    *tiles.right(),
                    k_left.eq(self.k),
                    self.a_addr.eq(tile),
                    part.eq(tile),
                ]
            with m.If(last_row & last_k & tiles.last_n):
                following = self.a_addr + 1
                m.d.sync += [
                    *tiles.down(),
                    self.a_addr.eq(following),
                    tile.eq(following),
                    part.eq(following),
                    feeding.eq(~tiles.last_m),
                    rows_left.eq(_least(tiles.rows - high, high)),
                ]
        self._tell_held(m, feeding)
        return m

    def _offer(self, m, feeding, first, last_row, k_left):
        """Set the signals for the word that is read now."""
        m.d.comb += self.a_en.eq(~self.a_valid | self.a_ready)
        with m.If(self.a_en):
            m.d.sync += [
                self.a_valid.eq(feeding),
                self.a_last.eq(last_row),
                self.a_user[FIRST].eq(first & ~self.held),
                self.a_user[LAST].eq((k_left <= self._deep) & ~self.hold),
                self.codes.eq(below(k_left, self._deep)),
            ]

    def _tell_held(self, m, feeding):
        """Set ``fed`` when the sums of the last beat have reached the accumulator memory."""
        down = self._spec.array.schedule.down
        left = Signal(range(down + 1), name="sums_left")
        m.d.comb += self.fed.eq(left == 1)
        with m.If(self.hold & self.a_valid & self.a_ready & ~feeding):
            m.d.sync += left.eq(down)
        with m.Elif(left != 0):
            m.d.sync += left.eq(left - 1)


def _least(left, high: int):
    """The smaller of the two."""
    return Mux(left > high, high, left)


class WeightFeeder(wiring.Component):
    """Generates the addresses of B, and the signals for the words read one cycle later.

    A pass reads as many steps of K as the array has rows, the last one first. One beat per cycle;
    the first is on the stream 2 cycles after ``start``. While a beat waits, the feeder waits.

    Members
    -------
    start, m, k, n, beats
        Start; the sizes, and the steps of K, must not change until the last beat is accepted.
    b_en, b_addr
        Next read; for steps beyond K it reads an unrelated word.
    b_valid, b_ready, b_last
        Handshake of the beats; last beat of a pass.
    lanes, cols
        Valid lanes and columns; operands of the others are replaced by zeros. In a step beyond K no
        lane is valid.
    """

    def __init__(self, spec: GemmSpec):
        self._spec = spec
        array = spec.array
        super().__init__(
            {
                "start": In(1),
                **{size: In(spec.size_bits) for size in "mkn"},
                "beats": In(spec.size_bits + 1),
                "b_en": Out(1),
                "b_addr": Out(range(spec.depth_b)),
                "b_valid": Out(1),
                "b_ready": In(1),
                "b_last": Out(1),
                "lanes": Out(array.mac.lanes),
                "cols": Out(array.cols),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return (
            f"weight_feeder_{self._spec.tiling}_k{self._spec.array.mac.lanes}_{self._spec.depths}"
        )

    def elaborate(self, platform):
        m = Module()
        array, lanes = self._spec.array, self._spec.array.mac.lanes
        rows, deep = array.rows, array.rows * array.mac.lanes
        tiles = TilesLeft(self.m, self.n, height=array.schedule.height, width=array.cols)
        # Codes of K left from the current step on; negative beyond K.
        left = Signal(signed(max(self._spec.size_bits, deep.bit_length()) + 1), name="k_left")
        step, tile = Signal(range(rows)), Signal.like(self.b_addr, name="tile")
        feeding = Signal()
        last_step, last_k, back = step == 0, left <= deep, deep - lanes
        m.d.comb += self.b_en.eq(~self.b_valid | self.b_ready)
        with m.If(self.b_en):
            m.d.sync += [
                self.b_valid.eq(feeding),
                self.b_last.eq(last_step),
                self.lanes.eq(Mux(left < 0, 0, below(left.as_unsigned(), lanes))),
                self.cols.eq(below(tiles.cols, array.cols)),
            ]
        with m.If(self.start):
            m.d.sync += [
                feeding.eq(1),
                *tiles.first(),
                left.eq(self.k - back),
                step.eq(rows - 1),
                self.b_addr.eq(rows - 1),
                tile.eq(0),
            ]
        with m.Elif(self.b_en & feeding):
            m.d.sync += [left.eq(left + lanes), step.eq(step - 1), self.b_addr.eq(self.b_addr - 1)]
            with m.If(last_step):
                m.d.sync += [
                    left.eq(left - deep - back),
                    step.eq(rows - 1),
                    self.b_addr.eq(self.b_addr + (2 * rows - 1)),
                ]
            with m.If(last_step & last_k):
                following = Mux(tiles.last_n, 0, tile + self.beats)
                m.d.sync += [
                    *tiles.right(),
                    left.eq(self.k - back),
                    self.b_addr.eq(following + (rows - 1)),
                    tile.eq(following),
                ]
            with m.If(last_step & last_k & tiles.last_n):
                m.d.sync += [*tiles.down(), feeding.eq(~tiles.last_m)]
        return m
