# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Rows of processing elements, and the grid that they make."""

from hw.array.os.pe import ProcessingElement, kept_width, result_width
from hw.array.skew import skew
from hw.emit.netlist import Netlist, Port, lane
from hw.mac.carry_save import Resolver
from hw.spec import ArraySpec

__all__ = ["grid", "resolved", "row"]


def _vectors(spec: ArraySpec) -> tuple[int, int]:
    """Bits of b and of c in one column."""
    return spec.mac.lanes * spec.mac.b.width, kept_width(spec.mac)


def row(spec: ArraySpec) -> Netlist:
    """``spec.cols`` processing elements from west to east.

    Ports are those of `ProcessingElement`; what a column has of its own (b, c, the drain) is a
    vector with column 0 in the low bits.
    """
    b_width, c_width = _vectors(spec)
    pe = ProcessingElement(spec)
    west = pe.west.as_value()
    module = Netlist(f"row_{spec.cols}_os_{spec.mac.name.removeprefix('mac_')}", [
        Port("en", 1, "input"), Port("west", len(west), "input"),
        Port("shift", spec.cols, "input"), Port("start", spec.cols, "input"),
        Port("south_b", spec.cols * b_width, "input"),
        Port("north_b", spec.cols * b_width, "output"),
        Port("south_c", spec.cols * c_width, "input"),
        Port("north_c", spec.cols * c_width, "output"),
    ])
    operands = "west"
    for col in range(spec.cols):
        east = module.wire(f"east_{col}", len(west))
        module.place(pe, f"pe_{col}", en="en", west=operands, east=east,
                     shift=lane("shift", col, 1), start=lane("start", col, 1),
                     south_b=lane("south_b", col, b_width), north_b=lane("north_b", col, b_width),
                     south_c=lane("south_c", col, c_width), north_c=lane("north_c", col, c_width))
        operands = east
    return module


def resolved(module: Netlist, spec: ArraySpec, kept: str) -> str:
    """Sums that elements keep as numbers; an adder a column makes numbers of other ones."""
    if spec.mac.latency == spec.mac.loop_latency:
        return kept
    width = result_width(spec.mac)
    resolver, sums = Resolver(spec.mac), module.wire("sums", spec.cols * width)
    for col in range(spec.cols):
        module.place(resolver, f"resolver_{col}", en="en",
                     i=lane(kept, col, kept_width(spec.mac)), o=lane(sums, col, width))
    return sums


def grid(spec: ArraySpec) -> Netlist:
    """``spec.rows`` rows; a enters in the west, b in the south, sums leave in the north.

    Row 0 is the northernmost, so that the rows of a tile leave in their own order. Operands come as
    whole columns of A and rows of B and are skewed here; results are aligned again.

    Ports: ``en``; ``a``, ``b`` codes with row or column 0 in the low bits; ``frame`` (valid, first,
    last from the low bit on); ``shift``, ``start`` for each column; ``c`` one row of results.
    """
    b_width, c_width = _vectors(spec)
    a_width, frame_width = spec.mac.lanes * spec.mac.a.width, 3
    module = Netlist(spec.name.replace("array_", "grid_", 1), [
        Port("en", 1, "input"), Port("frame", frame_width, "input"),
        Port("a", spec.rows * a_width, "input"), Port("b", spec.cols * b_width, "input"),
        Port("shift", spec.cols, "input"), Port("start", spec.cols, "input"),
        Port("c", spec.cols * result_width(spec.mac), "output"),
    ])
    skewed_a = module.wire("skewed_a", spec.rows * a_width)
    module.place(skew(lanes=spec.rows, width=a_width, reverse=True), "skew_a",
                 en="en", i="a", o=skewed_a)
    b = module.wire("skewed_b", spec.cols * b_width)
    module.place(skew(lanes=spec.cols, width=b_width), "skew_b", en="en", i="b", o=b)
    c, frame = f"{{{spec.cols * c_width}{{1'b0}}}}", "frame"
    one_row = row(spec)
    for index in reversed(range(spec.rows)):
        north_b = module.wire(f"north_b_{index}", spec.cols * b_width)
        north_c = module.wire(f"north_c_{index}", spec.cols * c_width)
        module.place(one_row, f"row_{index}", en="en", shift="shift", start="start",
                     west=f"{{{frame}, {lane(skewed_a, index, a_width)}}}",
                     south_b=b, north_b=north_b, south_c=c, north_c=north_c)
        b, c = north_b, north_c
        if index:
            frame = module.register(f"frame_{index}", frame_width, frame, enable="en",
                                    reset=True)
    module.place(skew(lanes=spec.cols, width=result_width(spec.mac), reverse=True), "align_c",
                 en="en", i=resolved(module, spec, c), o="c")
    return module
