# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Grid of weight-stationary processing elements, with the accumulator memory."""

from hw.array.core import stored_width
from hw.array.grid import close_grid, open_grid, row
from hw.array.ws.pe import WeightElement
from hw.array.ws.sums import SumMemory, control_layout
from hw.emit.netlist import Netlist, Port, lane
from hw.spec import ArraySpec


def _next_frame(module: Netlist, spec: ArraySpec, index: int, frame: str) -> str:
    """Swap and load for row ``index``: a swap moves with the sums, a load one row per cycle."""
    cycles = spec.schedule.row_latency
    if cycles == 1:
        return module.register(f"frame_{index}", 2, frame, enable="en", reset=True)
    load = module.register(f"load_{index}", 1, f"{frame}[1]", enable="en", reset=True)
    swaps = module.register(
        f"swaps_{index}",
        cycles,
        f"{{swaps_{index}[{cycles - 2}:0], {frame}[0]}}",
        enable="en",
        reset=True,
    )
    own = module.wire(f"frame_{index}", 2)
    module.assign(own, f"{{{load}, {swaps}[{cycles - 1}]}}")
    return own


def grid(spec: ArraySpec) -> Netlist:
    """Grid of rows; a enters in the west, b and sums in the north, sums leave in the south.

    Row 0 is the northernmost and has the first step of K.

    Ports: those of `open_grid`; bit 0 of ``frame`` is swap and bit 1 load of row 0; ``control`` is
    for the memory of column 0.
    """
    mac = spec.mac
    a_width, b_width, sum_width = (
        mac.lanes * mac.a.width,
        mac.lanes * mac.b.width,
        stored_width(mac),
    )
    module, skewed_a, b = open_grid(
        spec,
        frame=2,
        step=spec.schedule.row_latency,
        own=[Port("control", control_layout(spec).size, "input")],
    )
    north = sums = module.wire("north_sum", spec.cols * sum_width)
    one_row = row(
        f"row_{spec.cols}_ws_{mac.name.removeprefix('mac_')}",
        WeightElement(spec),
        spec.cols,
        instance="pe",
        vectors=("north_b", "south_b", "north_sum", "south_sum"),
        connections=("north_b", "north_sum", "south_b", "south_sum"),
    )
    frame = "frame"
    for index in range(spec.rows):
        south_b = module.wire(f"south_b_{index}", spec.cols * b_width)
        south_sum = module.wire(f"south_sum_{index}", spec.cols * sum_width)
        module.instantiate(
            one_row,
            f"row_{index}",
            en="en",
            west=f"{{{frame}, {lane(skewed_a, index, a_width)}}}",
            north_b=b,
            south_b=south_b,
            north_sum=sums,
            south_sum=south_sum,
        )
        b, sums = south_b, south_sum
        if index < spec.rows - 1:
            frame = _next_frame(module, spec, index + 1, frame)
    part = SumMemory(spec)
    memory = row(
        f"memory_{spec.cols}_{part.module_name}",
        part,
        spec.cols,
        instance="sums",
        vectors=("south_sum", "north_sum"),
    )
    module.instantiate(memory, "memory", en="en", west="control", south_sum=sums, north_sum=north)
    close_grid(module, spec, sums)
    return module
