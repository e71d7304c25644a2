# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Output-stationary arrays: sums stay in the elements, A and B pass through."""

from hw.array.core import Core, result_width
from hw.array.os.grid import grid
from hw.array.os.pe import ProcessingElement
from hw.array.os.sequencer import Sequencer
from hw.emit.netlist import Netlist
from hw.spec import ArraySpec

__all__ = ["OUTPUT_STATIONARY"]

_DESCRIPTIONS = {
    "s_axis_a_tready": "the beat of A is accepted, in the same cycle as a beat of B",
    "s_axis_a_tdata": "column k of the A tile, row 0 in the low bits; lanes of a row are adjacent",
    "s_axis_b_tready": "the beat of B is accepted, in the same cycle as a beat of A",
    "s_axis_b_tdata": "row k of the B tile, column 0 in the low bits; lanes of a column are "
    "adjacent",
    "error": "tlast of A and B differed in a beat; stays 1 until a reset",
}


def _wires(spec: ArraySpec) -> list[tuple[str, int]]:
    return [
        ("en", 1),
        ("frame", 3),
        ("kept", 1),
        ("shift", spec.cols),
        ("start", spec.cols),
        ("c", spec.cols * result_width(spec.mac)),
    ]


def _instantiate(top: Netlist, spec: ArraySpec, shakes: dict[str, str]) -> None:
    """Add sequencer and grid."""
    mac = spec.mac
    a_width, b_width = spec.rows * mac.lanes * mac.a.width, spec.cols * mac.lanes * mac.b.width
    top.instantiate(
        Sequencer(spec),
        "sequencer",
        **shakes,
        error="error",
        en="en",
        valid="frame[0]",
        first="frame[1]",
        last="frame[2]",
        shift="shift",
        start="start",
        kept="kept",
    )
    top.instantiate(
        grid(spec),
        "grid",
        en="en",
        frame="frame",
        shift="shift",
        start="start",
        c="c",
        a=f"s_axis_a_tdata[{a_width - 1}:0]",
        b=f"s_axis_b_tdata[{b_width - 1}:0]",
    )


OUTPUT_STATIONARY = Core(
    element=ProcessingElement, wires=_wires, instantiate=_instantiate, descriptions=_DESCRIPTIONS
)
