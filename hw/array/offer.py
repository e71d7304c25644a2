# SPDX-License-Identifier: Apache-2.0
"""How rows of results are offered on C, and how the array is stopped while one is not taken."""

from amaranth import *

__all__ = ["offer_results"]


def offer_results(m: Module, unit, beat: Value, beat_last: Value) -> None:
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
