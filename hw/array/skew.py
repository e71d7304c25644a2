# SPDX-License-Identifier: Apache-2.0
"""Triangle of registers that delays each lane of a vector by one cycle more than the one before."""

from hw.emit.netlist import Netlist, Port, lane

__all__ = ["skew"]


def skew(*, lanes: int, width: int, step: int = 1, reverse: bool = False) -> Netlist:
    """Module in which lane ``d`` of ``i`` appears on ``o`` after ``d * step`` enabled cycles.

    With ``reverse`` it is the last lane that is not delayed. The registers of one delay are one
    vector, so the text grows with the number of lanes. They have no reset.

    Parameters
    ----------
    lanes
        Number of lanes.
    width
        Bits of a lane.
    step
        Cycles by which a lane waits longer than the one before.
    reverse
        Whether the first lane waits longest.
    """
    ports = [Port("en", 1, "input"), Port("i", lanes * width, "input"),
             Port("o", lanes * width, "output")]
    kind = "unskew" if reverse else "skew"
    slow = f"_by{step}" if step > 1 else ""
    module = Netlist(f"{kind}_{lanes}x{width}{slow}", ports)
    vector, on_time = "i", lanes - 1 if reverse else 0
    for delay in range(lanes):
        module.assign(lane("o", on_time if reverse else delay, width),
                      lane(vector, on_time, width))
        rest = (lanes - delay - 1) * width
        if rest:
            source = f"{vector}[{rest - 1}:0]" if reverse else \
                f"{vector}[{rest + width - 1}:{width}]"
            for cycle in range(delay * step, (delay + 1) * step):
                vector = source = module.register(f"delay_{cycle + 1}", rest, source, enable="en")
        on_time -= reverse
    return module
