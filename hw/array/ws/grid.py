# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Rows of weight-stationary processing elements, the grid that they make, and its sums' memory."""

from hw.array.os.grid import resolved
from hw.array.os.pe import kept_width, result_width
from hw.array.skew import skew
from hw.array.ws.pe import WeightElement
from hw.array.ws.sums import SumMemory
from hw.emit.netlist import Netlist, Port, lane
from hw.spec import ArraySpec

__all__ = ["grid", "row"]


def _vectors(spec: ArraySpec) -> tuple[int, int]:
    """Bits of b and of a sum in one column."""
    return spec.mac.lanes * spec.mac.b.width, kept_width(spec.mac)


def row(spec: ArraySpec) -> Netlist:
    """``spec.cols`` processing elements from west to east.

    Ports are those of `WeightElement`; what a column has of its own (b, the sum) is a vector with
    column 0 in the low bits.
    """
    b_width, sum_width = _vectors(spec)
    pe = WeightElement(spec)
    west = len(pe.west.as_value())
    module = Netlist(f"row_{spec.cols}_ws_{spec.mac.name.removeprefix('mac_')}", [
        Port("en", 1, "input"), Port("west", west, "input"),
        Port("north_b", spec.cols * b_width, "input"),
        Port("south_b", spec.cols * b_width, "output"),
        Port("north_sum", spec.cols * sum_width, "input"),
        Port("south_sum", spec.cols * sum_width, "output"),
    ])
    operands = "west"
    for col in range(spec.cols):
        east = module.wire(f"east_{col}", west)
        lanes = {f"{side}_{name}": lane(f"{side}_{name}", col, width)
                 for side in ("north", "south") for name, width in (("b", b_width),
                                                                   ("sum", sum_width))}
        module.place(pe, f"pe_{col}", en="en", west=operands, east=east, **lanes)
        operands = east
    return module


def memory_row(spec: ArraySpec) -> Netlist:
    """`SumMemory` of each column from west to east; sums are vectors, column 0 in the low bits."""
    part, (_, width) = SumMemory(spec), _vectors(spec)
    control = len(part.west.as_value())
    module = Netlist(f"memory_{spec.cols}_{part.module_name}", [
        Port("en", 1, "input"), Port("west", control, "input"),
        Port("south_sum", spec.cols * width, "input"),
        Port("north_sum", spec.cols * width, "output"),
    ])
    west = "west"
    for col in range(spec.cols):
        east = module.wire(f"east_{col}", control)
        module.place(part, f"sums_{col}", en="en", west=west, east=east,
                     south_sum=lane("south_sum", col, width),
                     north_sum=lane("north_sum", col, width))
        west = east
    return module


def _next_frame(module: Netlist, spec: ArraySpec, index: int, frame: str) -> str:
    """Swap and load of the row ``index``: a swap comes as late as the sums, a load a cycle late."""
    cycles = spec.schedule.row_latency
    if cycles == 1:
        return module.register(f"frame_{index}", 2, frame, enable="en", reset=True)
    load = module.register(f"load_{index}", 1, f"{frame}[1]", enable="en", reset=True)
    swaps = module.register(f"swaps_{index}", cycles, f"{{swaps_{index}[{cycles - 2}:0], "
                            f"{frame}[0]}}", enable="en", reset=True)
    own = module.wire(f"frame_{index}", 2)
    module.assign(own, f"{{{load}, {swaps}[{cycles - 1}]}}")
    return own


def grid(spec: ArraySpec) -> Netlist:
    """``spec.rows`` rows; a enters in the west, b and sums in the north, sums leave in the south.

    Row 0 is the northernmost and has the first step of K. Operands come as whole rows of A and of B
    and are skewed here; results are aligned again.

    Ports: ``en``; ``a``, ``b`` codes with row or column 0 in the low bits; ``frame`` (swap, load
    from the low bit on) of row 0; ``control`` of the memory of column 0; ``c`` one row of results.
    """
    b_width, sum_width = _vectors(spec)
    a_width, frame_width, memory = spec.mac.lanes * spec.mac.a.width, 2, memory_row(spec)
    control = next(port.width for port in memory.ports if port.name == "west")
    module = Netlist(spec.name.replace("array_", "grid_", 1), [
        Port("en", 1, "input"), Port("frame", frame_width, "input"),
        Port("a", spec.rows * a_width, "input"), Port("b", spec.cols * b_width, "input"),
        Port("control", control, "input"),
        Port("c", spec.cols * result_width(spec.mac), "output"),
    ])
    skewed_a = module.wire("skewed_a", spec.rows * a_width)
    skewed = skew(lanes=spec.rows, width=a_width, step=spec.schedule.row_latency)
    module.place(skewed, "skew_a", en="en", i="a", o=skewed_a)
    b = module.wire("skewed_b", spec.cols * b_width)
    module.place(skew(lanes=spec.cols, width=b_width), "skew_b", en="en", i="b", o=b)
    north = sums = module.wire("north_sum", spec.cols * sum_width)
    one_row, frame = row(spec), "frame"
    for index in range(spec.rows):
        south_b = module.wire(f"south_b_{index}", spec.cols * b_width)
        south_sum = module.wire(f"south_sum_{index}", spec.cols * sum_width)
        module.place(one_row, f"row_{index}", en="en",
                     west=f"{{{frame}, {lane(skewed_a, index, a_width)}}}",
                     north_b=b, south_b=south_b, north_sum=sums, south_sum=south_sum)
        b, sums = south_b, south_sum
        if index < spec.rows - 1:
            frame = _next_frame(module, spec, index + 1, frame)
    module.place(memory, "memory", en="en", west="control", south_sum=sums, north_sum=north)
    module.place(skew(lanes=spec.cols, width=result_width(spec.mac), reverse=True), "align_c",
                 en="en", i=resolved(module, spec, sums), o="c")
    return module
