# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""The interface between an array's top module and the core of its dataflow; shared parts."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth import *
from amaranth.lib import wiring

from hw.emit.netlist import Netlist
from hw.mac.carry_save import state_width
from hw.spec import ArraySpec, MacSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Core:
    """Core of an array, between its streams.

    Parameters
    ----------
    element
        Creates the processing element for a spec.
    wires
        Names and widths of the wires that ``instantiate`` needs in the top module.
    instantiate
        Adds sequencer and grid to the top module; its last argument maps ports of the sequencer to
        the wires of the three handshakes.
    a_user
        Bits of ``tuser`` of A.
    descriptions
        Meaning of the ports that depend on the dataflow.
    """

    element: Callable[[ArraySpec], wiring.Component]
    wires: Callable[[ArraySpec], list[tuple[str, int]]]
    instantiate: Callable[[Netlist, ArraySpec, dict[str, str]], None]
    a_user: int = 0
    descriptions: dict[str, str]


def result_width(spec: MacSpec) -> int:
    """Bits of a final sum and its flags."""
    return spec.acc.width + spec.flag_bits


def stored_width(spec: MacSpec) -> int:
    """Bits of a sum as stored in a processing element, and its flags."""
    return state_width(spec) + spec.flag_bits


def offer_results(m: Module, unit: wiring.Component, beat: Value, beat_last: Value) -> None:
    """Put rows of results on the stream; a row that must wait is kept while the array stops.

    ``unit`` is a sequencer with the members ``en``, ``kept``, ``c_tvalid``, ``c_tready`` and
    ``c_tlast``. ``beat``: there is a row; ``beat_last``: it is the last row of a tile.
    """
    kept_last = Signal()
    m.d.comb += [
        unit.en.eq(~unit.kept | ~beat),
        unit.c_tvalid.eq(unit.kept | beat),
        unit.c_tlast.eq(Mux(unit.kept, kept_last, beat_last)),
    ]
    m.d.sync += unit.kept.eq(unit.c_tvalid & ~unit.c_tready)
    with m.If(~unit.kept):
        m.d.sync += kept_last.eq(beat_last)
