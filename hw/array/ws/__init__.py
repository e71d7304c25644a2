# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Weight-stationary arrays: B stays in the elements, A moves east, the sums move south."""

from hw.array.core import Core, result_width
from hw.array.ws.grid import grid
from hw.array.ws.pe import WeightElement
from hw.array.ws.sequencer import WeightSequencer
from hw.array.ws.sums import control_layout
from hw.emit.netlist import Netlist
from hw.spec import ArraySpec

__all__ = ["WEIGHT_STATIONARY"]

_DESCRIPTIONS = {
    "s_axis_a_tready": "the beat of A is accepted",
    "s_axis_a_tdata": "row m of the A tile, step 0 of K in the low bits; lanes of a step are "
    "adjacent",
    "s_axis_a_tuser": "the same in all beats of a tile; bit 0: first pass, sums start at zero; bit "
    "1: last pass, sums leave on C",
    "s_axis_b_tready": "the beat of B is accepted",
    "s_axis_b_tdata": "one step of K of the B tile, the last step first, column 0 in the low "
    "bits; lanes of a column are adjacent",
    "error": "a tile of B had the wrong number of beats, or a tile of A did not fit in the "
    "accumulator memory; stays 1 until a reset",
}


def _wires(spec: ArraySpec) -> list[tuple[str, int]]:
    return [
        ("en", 1),
        ("frame", 2),
        ("kept", 1),
        ("control", control_layout(spec).size),
        ("c", spec.cols * result_width(spec.mac)),
    ]


def _instantiate(top: Netlist, spec: ArraySpec, shakes: dict[str, str]) -> None:
    """Add sequencer and grid."""
    mac = spec.mac
    a_width, b_width = spec.rows * mac.lanes * mac.a.width, spec.cols * mac.lanes * mac.b.width
    top.instantiate(
        WeightSequencer(spec),
        "sequencer",
        **shakes,
        a_tuser="s_axis_a_tuser",
        error="error",
        en="en",
        swap="frame[0]",
        load="frame[1]",
        control="control",
        kept="kept",
    )
    top.instantiate(
        grid(spec),
        "grid",
        en="en",
        frame="frame",
        control="control",
        c="c",
        a=f"s_axis_a_tdata[{a_width - 1}:0]",
        b=f"s_axis_b_tdata[{b_width - 1}:0]",
    )


WEIGHT_STATIONARY = Core(
    element=WeightElement,
    wires=_wires,
    instantiate=_instantiate,
    a_user=2,
    descriptions=_DESCRIPTIONS,
)
