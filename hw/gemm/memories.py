# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Memories between the bus and the array: one side has 32 bits, the other a whole word.

Both read a cycle after the address, as block RAM does. While the engine is busy the bus has no
access to them, and else the array has none: so no word is ever read while it is written, and block
RAM needs nothing beside it that says what is read then.
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
    """Written by the bus, byte by byte, and read by the array, word by word.

    Zeros take the place of codes beyond the edges of the matrix: code 0 is zero in every format.

    Ports: those of `WriteAccess` on the side of the bus; ``r_en``, ``r_addr`` and, a cycle later,
    ``r_data`` for the array, with zeros above the codes up to whole bytes; ``slots`` and ``lanes``
    say which codes of ``r_data`` count. Without ``r_en`` the word stays.

    Parameters
    ----------
    window
        The memory as the bus sees it.
    slots, lanes, width
        What is in a word: for each row or column as many codes as there are lanes, and their width.
    kind
        Kind of the module.
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
    """Written by the array, word by word, and read by the bus.

    Ports: ``w_en``, ``w_addr``, ``w_data`` for the array; those of `ReadAccess` on the side of the
    bus, with ``r_data`` and ``r_error`` a cycle later.
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
    """Bits of the number of a bus word in the window."""
    return window.lane_bits + (window.depth - 1).bit_length()


def _split(window: Window, place):
    """Lane and word of a bus word, and whether there is no such word."""
    lane, word = place[: window.lane_bits], place[window.lane_bits :]
    return lane, word, (word >= window.depth) | (lane >= window.lanes)


class WriteAccess(wiring.Component):
    """Answers at once, writes a cycle later.

    Members
    -------
    busy
        The memory is the array's, not the bus's; it cannot rise in the cycle behind a write.
    en, place, data, strobe
        A write of the bus to its word ``place`` of the window; a bit for each byte.
    error, refused
        The write is not done; it is not because of ``busy``.
    word, bytes, held
        Of the write before: word of the memory, which of all its bytes are written, and with what.
    read, read_en
        The array wants to read; it does.
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
            # Tells synthesis that no word is read while it is written.
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
    """Chooses at once, answers a cycle later.

    Members
    -------
    busy
        The memory is the array's, not the bus's.
    en, place
        A read of the bus from its word ``place`` of the window.
    refused
        It is not done because of ``busy``.
    word, read_en
        Word of the memory, and whether it is read.
    lane, error
        Of the read before: which part of the word is wanted, if there are several; there is none.
    write, write_en
        The array wants to write; it does.
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
