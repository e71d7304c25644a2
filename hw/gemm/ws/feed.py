# SPDX-License-Identifier: Apache-2.0
"""Feeders and operand memories between an engine's registers and a weight-stationary array."""

from hw.emit.netlist import Netlist, lane
from hw.gemm.feed import Feed
from hw.gemm.memories import operand_memory
from hw.gemm.parts import place_part, sizes
from hw.gemm.ws.rows import RowFeeder
from hw.gemm.ws.weights import WeightFeeder
from hw.spec import GemmSpec
from hw.spec.registers import RegisterMap

__all__ = ["WEIGHT_STATIONARY"]


def _place(top: Netlist, spec: GemmSpec, table: RegisterMap) -> dict[str, str]:
    """Feeders, operand memories; codes of steps beyond K change no sum."""
    array, mac = spec.array, spec.array.mac
    for name in "ab":
        for wire in ("en", "valid", "ready"):
            top.wire(f"{name}_{wire}", 1)
    place_part(top, RowFeeder(spec), "row_feeder", start="run", hold="holds", **sizes(spec, "mkn"),
               declare=("a_addr", "a_last", "a_user", "codes"))
    place_part(top, WeightFeeder(spec), "weight_feeder", start="run", **sizes(spec, "mkn"),
               declare=("b_addr", "b_last", "lanes", "cols"))
    deep = array.rows * mac.lanes
    _memory(top, table, "a", slots=deep, lanes=1, width=mac.a.width, neutral=mac.neutral[0],
            steps=[f"codes[{place // mac.lanes * mac.lanes}]" for place in range(deep)],
            counts={"slots": "codes", "lanes": "1'b1"})
    _memory(top, table, "b", slots=array.cols, lanes=mac.lanes, width=mac.b.width,
            neutral=mac.neutral[1], steps=["lanes[0]"] * (array.cols * mac.lanes),
            counts={"slots": "cols", "lanes": "lanes"})
    return {f"s_axis_{name}_t{wire}": f"{name}_{wire}" for name, wires in (
        ("a", ("valid", "ready", "last", "user")), ("b", ("valid", "ready", "last")))
        for wire in wires} | {f"s_axis_{name}_tdata": f"{name}_beat" for name in "ab"}


def _memory(top: Netlist, table: RegisterMap, name: str, *, slots: int, lanes: int, width: int,
            neutral: int, steps: list[str], counts: dict[str, str]) -> None:
    """Memory of an operand, and the wire that has its beats.

    A code whose step, among ``steps``, is none of K's is ``neutral``.
    """
    memory = operand_memory(table.window(name.upper()), slots=slots, lanes=lanes, width=width,
                            kind=type(top))
    (read,) = (port for port in memory.ports if port.name == "r_data")
    word = top.wire(f"{name}_word", read.width)
    place_part(top, memory, f"memory_{name}", w_en=f"{name}_w_en", w_place=f"{name}_place",
               w_error=f"{name}_w_error", refused=f"{name}_refused", r_en=f"{name}_en",
               r_addr=f"{name}_addr", r_data=word, **counts)
    beat = top.wire(f"{name}_beat", read.width)
    if not neutral:
        top.assign(beat, word)
        return
    for place, step in enumerate(steps):
        top.assign(lane(beat, place, width),
                   f"{lane(word, place, width)} | ({step} ? {width}'d0 : {width}'d{neutral})")
    if read.width > width * len(steps):
        top.assign(f"{beat}[{read.width - 1}:{width * len(steps)}]", "0")


WEIGHT_STATIONARY = Feed(place=_place, counts=("beats", "steps"))
