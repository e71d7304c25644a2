# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Memories between the bus and the array: one side has 32 bits, the other a whole word.

Both read a cycle after the address, as block RAM does. While the engine is busy the bus has no
access to them, and else the array has none: so no word is ever read while it is written, and block
RAM needs nothing beside it that says what is read then.
"""

from hw.emit.netlist import Netlist, Port, lane
from hw.gemm.access import ReadAccess, WriteAccess, place_bits
from hw.spec.registers import BUS_BITS, BUS_BYTES, Window

__all__ = ["operand_memory", "result_memory"]


def _ports(inputs: dict[str, int], outputs: dict[str, int]) -> list[Port]:
    """Ports by name and width."""
    return [Port(name, width, way) for way, names in (("input", inputs), ("output", outputs))
            for name, width in names.items()]


def operand_memory(window: Window, *, slots: int, lanes: int, width: int,
                   kind: type[Netlist] = Netlist) -> Netlist:
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
    module = kind(f"operands_{window.depth}_{slots}x{lanes}x{width}", _ports(
        {"busy": 1, "w_en": 1, "w_place": place_bits(window), "w_data": BUS_BITS,
         "w_strb": BUS_BYTES, "r_en": 1, "r_addr": address, "slots": slots, "lanes": lanes},
        {"w_error": 1, "refused": 1, "r_data": beat}))
    count = window.lanes * BUS_BYTES
    for name, bits in (("bytes", count), ("word", address), ("held", BUS_BITS), ("read_en", 1)):
        module.wire(name, bits)
    module.place(WriteAccess(window), "access", busy="busy", en="w_en", place="w_place",
                 data="w_data", strobe="w_strb", error="w_error", refused="refused", word="word",
                 bytes="bytes", held="held", read="r_en", read_en="read_en")
    data = {f"{8 * byte + 7}:{8 * byte}": lane("held", byte % BUS_BYTES, 8)
            for byte in range(count)}
    words = module.memory("words", 8 * count, window.depth, write=("bytes", "word"), data=data,
                          read=("read_en", "r_addr"))
    for place in range(slots * lanes):
        counts = f"slots[{place // lanes}] & lanes[{place % lanes}]"
        module.assign(lane("r_data", place, width),
                      f"{lane(words, place, width)} & {{{width}{{{counts}}}}}")
    if beat > window.width:
        module.assign(f"r_data[{beat - 1}:{window.width}]", "0")
    return module


def result_memory(window: Window, kind: type[Netlist] = Netlist) -> Netlist:
    """Written by the array, word by word, and read by the bus.

    Ports: ``w_en``, ``w_addr``, ``w_data`` for the array; those of `ReadAccess` on the side of the
    bus, with ``r_data`` and ``r_error`` a cycle later.
    """
    address = (window.depth - 1).bit_length()
    module = kind(f"results_{window.depth}x{window.width}", _ports(
        {"busy": 1, "w_en": 1, "w_addr": address, "w_data": window.width, "r_en": 1,
         "r_place": place_bits(window)},
        {"refused": 1, "r_data": BUS_BITS, "r_error": 1}))
    for name, bits in (("word", address), ("read_en", 1), ("write_en", 1),
                       ("whole", window.lanes * BUS_BITS)):
        module.wire(name, bits)
    chosen, part = {}, f"whole[{BUS_BITS - 1}:0]"
    if window.lane_bits:
        chosen = {"lane": module.wire("lane", window.lane_bits)}
        part = f"whole[lane * {BUS_BITS} +: {BUS_BITS}]"
    module.place(ReadAccess(window), "access", busy="busy", en="r_en", place="r_place",
                 refused="refused", word="word", read_en="read_en", error="r_error", write="w_en",
                 write_en="write_en", **chosen)
    words = module.memory("words", window.width, window.depth, write=("write_en", "w_addr"),
                          data={f"{window.width - 1}:0": "w_data"}, read=("read_en", "word"))
    module.assign("whole", words)
    module.assign("r_data", f"r_error ? 0 : {part}")
    return module
