# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""What tells the arrays of one dataflow from those of another, and what all of them share."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth import *
from amaranth.lib import wiring

from hw.emit.netlist import Netlist
from hw.mac.carry_save import state_width
from hw.spec import ArraySpec, MacSpec


@dataclass(frozen=True, kw_only=True, slots=True)
class Core:
    """Inside of an array, between its streams.

    Parameters
    ----------
    element
        Processing element of a spec.
    wires
        Names and bits of the wires that ``instantiate`` wants in the top module of a spec.
    instantiate
        Puts sequencer and grid into the top module of a spec; the last argument are the wires of
        the three handshakes by the sequencer's port.
    a_user
        Bits of the tuser of A.
    descriptions
        What the ports mean that differ from dataflow to dataflow.
    """

    element: Callable[[ArraySpec], wiring.Component]
    wires: Callable[[ArraySpec], list[tuple[str, int]]]
    instantiate: Callable[[Netlist, ArraySpec, dict[str, str]], None]
    a_user: int = 0
    descriptions: dict[str, str]


def result_width(spec: MacSpec) -> int:
    """Bits of a finished sum and its flags."""
    return spec.acc.width + spec.flag_bits


def stored_width(spec: MacSpec) -> int:
    """Bits of the accumulator as a processing element stores it, and flags."""
    return state_width(spec) + spec.flag_bits


def offer_results(m: Module, unit: wiring.Component, beat: Value, beat_last: Value) -> None:
    """Rows of results; one that is not taken is kept while the array stops.

    ``unit`` is a sequencer with the members ``en``, ``kept``, ``c_tvalid``, ``c_tready`` and
    ``c_tlast``; ``beat`` says that a row is there, ``beat_last`` that it is the last of a tile.
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
