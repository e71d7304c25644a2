# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Grid of output-stationary processing elements."""

from hw.array.core import stored_width
from hw.array.grid import close_grid, open_grid, row
from hw.array.os.pe import ProcessingElement
from hw.emit.netlist import Netlist, Port, lane
from hw.spec import ArraySpec


def grid(spec: ArraySpec) -> Netlist:
    """Grid of ``spec.rows`` rows; a enters in the west, b in the south, sums leave in the north.

    Row 0 is the northernmost, so the rows of a tile leave in order.

    Ports: those of `open_grid`; the bits of ``frame`` are valid, first, last, starting from bit 0;
    ``shift`` and ``start`` have one bit per column.
    """
    mac, frame_width = spec.mac, 3
    a_width, b_width, c_width = mac.lanes * mac.a.width, mac.lanes * mac.b.width, stored_width(mac)
    module, skewed_a, b = open_grid(
        spec,
        frame=frame_width,
        reverse=True,
        own=[Port("shift", spec.cols, "input"), Port("start", spec.cols, "input")],
    )
    one_row = row(
        f"row_{spec.cols}_os_{mac.name.removeprefix('mac_')}",
        ProcessingElement(spec),
        spec.cols,
        instance="pe",
        vectors=("shift", "start", "south_b", "north_b", "south_c", "north_c"),
    )
    c, frame = f"{{{spec.cols * c_width}{{1'b0}}}}", "frame"
    for index in reversed(range(spec.rows)):
        north_b = module.wire(f"north_b_{index}", spec.cols * b_width)
        north_c = module.wire(f"north_c_{index}", spec.cols * c_width)
        module.instantiate(
            one_row,
            f"row_{index}",
            en="en",
            shift="shift",
            start="start",
            west=f"{{{frame}, {lane(skewed_a, index, a_width)}}}",
            south_b=b,
            north_b=north_b,
            south_c=c,
            north_c=north_c,
        )
        b, c = north_b, north_c
        if index:
            frame = module.register(f"frame_{index}", frame_width, frame, enable="en", reset=True)
    close_grid(module, spec, c)
    return module
