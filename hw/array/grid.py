# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Parts of the grid for both dataflows: rows of elements, skew of operands, aligned results."""

from collections.abc import Sequence

from amaranth.lib import wiring

from hw.array.core import result_width, stored_width
from hw.emit.netlist import Netlist, Port, lane, module_ports
from hw.mac.carry_save import Resolver
from hw.spec import ArraySpec


def row(
    name: str,
    part: wiring.Component,
    cols: int,
    *,
    instance: str,
    vectors: Sequence[str],
    connections: Sequence[str] = (),
) -> Netlist:
    """Module ``name`` with ``cols`` instances of ``part``, connected from west to east.

    The output ``east`` of each instance is the input ``west`` of the next. Ports of the columns
    become vectors with column 0 in the low bits.

    Parameters
    ----------
    name, part, cols
        Module name, component, and number of columns.
    instance
        Prefix of the instance names.
    vectors
        Ports that become vectors, in the order of the module's ports.
    connections
        The same ports in the order of connection, if it is different.
    """
    ports = {port.name: port for port in module_ports(part)}
    bits = ports["west"].width
    module = Netlist(
        name,
        [
            Port("en", 1, "input"),
            Port("west", bits, "input"),
            *(Port(own, cols * ports[own].width, ports[own].direction) for own in vectors),
        ],
    )
    west = "west"
    for col in range(cols):
        east = module.wire(f"east_{col}", bits)
        module.instantiate(
            part,
            f"{instance}_{col}",
            en="en",
            west=west,
            east=east,
            **{own: lane(own, col, ports[own].width) for own in connections or vectors},
        )
        west = east
    return module


def skew(*, lanes: int, width: int, step: int = 1, reverse: bool = False) -> Netlist:
    """Module that delays lane ``d`` of ``i`` by ``d * step`` enabled cycles to ``o``.

    With ``reverse`` the last lane has no delay and the first one the longest. The registers of one
    delay form one vector, so the Verilog grows only linearly with the lanes. They have no reset.

    Parameters
    ----------
    lanes
        Number of lanes.
    width
        Bits of a lane.
    step
        Additional delay of each lane, in cycles.
    reverse
        Whether the first lane has the longest delay.
    """
    ports = [
        Port("en", 1, "input"),
        Port("i", lanes * width, "input"),
        Port("o", lanes * width, "output"),
    ]
    kind = "unskew" if reverse else "skew"
    slow = f"_by{step}" if step > 1 else ""
    module = Netlist(f"{kind}_{lanes}x{width}{slow}", ports)
    vector, on_time = "i", lanes - 1 if reverse else 0
    for delay in range(lanes):
        module.assign(lane("o", on_time if reverse else delay, width), lane(vector, on_time, width))
        rest = (lanes - delay - 1) * width
        if rest:
            source = (
                f"{vector}[{rest - 1}:0]" if reverse else f"{vector}[{rest + width - 1}:{width}]"
            )
            for cycle in range(delay * step, (delay + 1) * step):
                vector = source = module.register(f"delay_{cycle + 1}", rest, source, enable="en")
        on_time -= reverse
    return module


def open_grid(
    spec: ArraySpec, *, frame: int, own: Sequence[Port], step: int = 1, reverse: bool = False
) -> tuple[Netlist, str, str]:
    """Start a grid: its ports, and the skew of its operands (whole columns of A, rows of B).

    Returns the module and the skewed vectors of a and b. ``step`` and ``reverse`` apply to the skew
    of a.

    Ports: ``en``; ``frame`` with its number of bits; ``a``, ``b`` codes with row or column 0 in the
    low bits; the ports ``own``; ``c`` one row of results.
    """
    a_width, b_width = (spec.mac.lanes * fmt.width for fmt in (spec.mac.a, spec.mac.b))
    module = Netlist(
        spec.name.replace("array_", "grid_", 1),
        [
            Port("en", 1, "input"),
            Port("frame", frame, "input"),
            Port("a", spec.rows * a_width, "input"),
            Port("b", spec.cols * b_width, "input"),
            *own,
            Port("c", spec.cols * result_width(spec.mac), "output"),
        ],
    )
    a = module.wire("skewed_a", spec.rows * a_width)
    module.instantiate(
        skew(lanes=spec.rows, width=a_width, step=step, reverse=reverse),
        "skew_a",
        en="en",
        i="a",
        o=a,
    )
    b = module.wire("skewed_b", spec.cols * b_width)
    module.instantiate(skew(lanes=spec.cols, width=b_width), "skew_b", en="en", i="b", o=b)
    return module, a, b


def close_grid(module: Netlist, spec: ArraySpec, stored: str) -> None:
    """Finish a grid: resolve the stored sums with an adder per column, and align them at ``c``.

    Sums that are not stored in carry-save form need no adder.
    """
    sums, width = stored, result_width(spec.mac)
    if spec.mac.latency != spec.mac.loop_latency:
        resolver, sums = Resolver(spec.mac), module.wire("sums", spec.cols * width)
        for col in range(spec.cols):
            module.instantiate(
                resolver,
                f"resolver_{col}",
                en="en",
                i=lane(stored, col, stored_width(spec.mac)),
                o=lane(sums, col, width),
            )
    module.instantiate(
        skew(lanes=spec.cols, width=width, reverse=True), "align_c", en="en", i=sums, o="c"
    )
