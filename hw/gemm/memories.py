# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Memories between the bus and the array: 32 bits on one side, a whole word on the other.

Both sides read one cycle after the address, like block RAM. While the engine is busy only the array
has access, otherwise only the bus. No word is ever read while it is written, so block RAM needs no
extra logic for that case.
"""

from amaranth import *
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from hw.emit.netlist import Netlist, Port, lane
from hw.spec.registers import BUS_BITS, BUS_BYTES, Window


def _ports(inputs: dict[str, int], outputs: dict[str, int]) -> list[Port]:
    """Ports by name and width."""
    return [
        Port(name, width, way)
        for way, names in (("input", inputs), ("output", outputs))
        for name, width in names.items()
    ]


def operand_memory(
    window: Window, *, slots: int, lanes: int, width: int, kind: type[Netlist] = Netlist
) -> Netlist:
    """Memory that the bus writes by bytes and the array reads by words.

    Codes beyond the edges of the matrix are replaced by zeros: code 0 is zero in every format.

    Ports: for the bus those of `WriteAccess`; for the array ``r_en``, ``r_addr`` and, one cycle
    later, ``r_data``, padded with zeros to whole bytes. ``slots`` and ``lanes`` select the codes of
    ``r_data`` that are not replaced. Without ``r_en`` the word does not change.

    Parameters
    ----------
    window
        The memory as seen from the bus.
    slots, lanes, width
        Layout of a word: rows or columns, codes for each of them, and bits of a code.
    kind
        Class of the module.
    """
    address, beat = (window.depth - 1).bit_length(), -(-window.width // 8) * 8
    module = kind(
        f"operands_{window.depth}_{slots}x{lanes}x{width}",
        _ports(
            {
                "busy": 1,
                "w_en": 1,
                "w_place": place_bits(window),
                "w_data": BUS_BITS,
                "w_strb": BUS_BYTES,
                "r_en": 1,
                "r_addr": address,
                "slots": slots,
                "lanes": lanes,
            },
            {"w_error": 1, "refused": 1, "r_data": beat},
        ),
    )
    count = window.lanes * BUS_BYTES
    for name, bits in (("bytes", count), ("word", address), ("held", BUS_BITS), ("read_en", 1)):
        module.wire(name, bits)
    module.instantiate(
        WriteAccess(window),
        "access",
        busy="busy",
        en="w_en",
        place="w_place",
        data="w_data",
        strobe="w_strb",
        error="w_error",
        refused="refused",
        word="word",
        bytes="bytes",
        held="held",
        read="r_en",
        read_en="read_en",
    )
    data = {
        f"{8 * byte + 7}:{8 * byte}": lane("held", byte % BUS_BYTES, 8) for byte in range(count)
    }
    words = module.memory(
        "words",
        8 * count,
        window.depth,
        write=("bytes", "word"),
        data=data,
        read=("read_en", "r_addr"),
    )
    for place in range(slots * lanes):
        counts = f"slots[{place // lanes}] & lanes[{place % lanes}]"
        module.assign(
            lane("r_data", place, width), f"{lane(words, place, width)} & {{{width}{{{counts}}}}}"
        )
    if beat > window.width:
        module.assign(f"r_data[{beat - 1}:{window.width}]", "0")
    return module


def result_memory(window: Window, kind: type[Netlist] = Netlist) -> Netlist:
    """Memory that the array writes by words and the bus reads.

    Ports: for the array ``w_en``, ``w_addr``, ``w_data``; for the bus those of `ReadAccess`, with
    ``r_data`` and ``r_error`` one cycle later.
    """
    address = (window.depth - 1).bit_length()
    module = kind(
        f"results_{window.depth}x{window.width}",
        _ports(
            {
                "busy": 1,
                "w_en": 1,
                "w_addr": address,
                "w_data": window.width,
                "r_en": 1,
                "r_place": place_bits(window),
            },
            {"refused": 1, "r_data": BUS_BITS, "r_error": 1},
        ),
    )
    for name, bits in (
        ("word", address),
        ("read_en", 1),
        ("write_en", 1),
        ("whole", window.lanes * BUS_BITS),
    ):
        module.wire(name, bits)
    chosen, part = {}, f"whole[{BUS_BITS - 1}:0]"
    if window.lane_bits:
        chosen = {"lane": module.wire("lane", window.lane_bits)}
        part = f"whole[lane * {BUS_BITS} +: {BUS_BITS}]"
    module.instantiate(
        ReadAccess(window),
        "access",
        busy="busy",
        en="r_en",
        place="r_place",
        refused="refused",
        word="word",
        read_en="read_en",
        error="r_error",
        write="w_en",
        write_en="write_en",
        **chosen,
    )
    words = module.memory(
        "words",
        window.width,
        window.depth,
        write=("write_en", "w_addr"),
        data={f"{window.width - 1}:0": "w_data"},
        read=("read_en", "word"),
    )
    module.assign("whole", words)
    module.assign("r_data", f"r_error ? 0 : {part}")
    return module


def place_bits(window: Window) -> int:
    """Bits of a bus word's number within the window."""
    return window.lane_bits + (window.depth - 1).bit_length()


def _split(window: Window, place):
    """Lane and memory word of a bus word, and whether it is out of range."""
    lane, word = place[: window.lane_bits], place[window.lane_bits :]
    return lane, word, (word >= window.depth) | (lane >= window.lanes)


class WriteAccess(wiring.Component):
    """Write access of the bus: answers in the same cycle, writes one cycle later.

    Members
    -------
    busy
        The array has access, not the bus; it never rises in the cycle after a write.
    en, place, data, strobe
        Write to bus word ``place`` of the window; ``strobe`` has one bit per byte.
    error, refused
        The write is not done; the reason is ``busy``.
    word, bytes, held
        The previous write: memory word, bytes to write, and data.
    read, read_en
        The array requests a read; the read is done.
    """

    def __init__(self, window: Window):
        self._window = window
        super().__init__(
            {
                "busy": In(1),
                "en": In(1),
                "place": In(place_bits(window)),
                "data": In(BUS_BITS),
                "strobe": In(BUS_BYTES),
                "error": Out(1),
                "refused": Out(1),
                "word": Out(range(window.depth)),
                "bytes": Out(window.lanes * BUS_BYTES),
                "held": Out(BUS_BITS),
                "read": In(1),
                "read_en": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"write_access_{self._window.depth}x{self._window.lanes}"

    def elaborate(self, platform):
        m = Module()
        lane, word, absent = _split(self._window, self.place)
        done = self.en & ~self.busy & ~absent
        strobes = Signal.like(self.bytes, name="strobes")
        m.d.comb += [
            self.refused.eq(self.en & self.busy),
            self.error.eq(self.en & (self.busy | absent)),
            # With this, synthesis can see that no word is read while it is written.
            self.bytes.eq(strobes & (~self.busy).replicate(len(strobes))),
            self.read_en.eq(self.read & self.busy),
        ]
        m.d.sync += [
            self.word.eq(word),
            self.held.eq(self.data),
            strobes.eq(
                Cat(
                    self.strobe & (done & (lane == own)).replicate(BUS_BYTES)
                    for own in range(self._window.lanes)
                )
            ),
        ]
        return m


class ReadAccess(wiring.Component):
    """Read access of the bus: starts in the same cycle, answers one cycle later.

    Members
    -------
    busy
        The array has access, not the bus.
    en, place
        Read of bus word ``place`` of the window.
    refused
        The read is not done because of ``busy``.
    word, read_en
        Memory word, and whether it is read.
    lane, error
        The previous read: part of the word, if it has several; the read failed.
    write, write_en
        The array requests a write; the write is done.
    """

    def __init__(self, window: Window):
        self._window = window
        lane = {"lane": Out(window.lane_bits)} if window.lane_bits else {}
        super().__init__(
            {
                "busy": In(1),
                "en": In(1),
                "place": In(place_bits(window)),
                "refused": Out(1),
                "word": Out(range(window.depth)),
                "read_en": Out(1),
                **lane,
                "error": Out(1),
                "write": In(1),
                "write_en": Out(1),
            }
        )

    @property
    def module_name(self) -> str:
        """Name of the Verilog module."""
        return f"read_access_{self._window.depth}x{self._window.lanes}"

    def elaborate(self, platform):
        m = Module()
        lane, word, absent = _split(self._window, self.place)
        m.d.comb += [
            self.refused.eq(self.en & self.busy),
            self.word.eq(word),
            self.read_en.eq(self.en & ~self.busy),
            self.write_en.eq(self.write & self.busy),
        ]
        with m.If(self.en):
            m.d.sync += self.error.eq(self.busy | absent)
            if self._window.lane_bits:
                m.d.sync += self.lane.eq(lane)
        return m
