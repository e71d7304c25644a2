# SPDX-License-Identifier: Apache-2.0
"""What tells the arrays of one dataflow from those of another."""

from collections.abc import Callable
from dataclasses import dataclass

from amaranth.lib import wiring

from hw.emit.netlist import Netlist
from hw.spec import ArraySpec

__all__ = ["Core"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Core:
    """Inside of an array, between its streams.

    Parameters
    ----------
    element
        Processing element of a spec.
    wires
        Names and bits of the wires that ``place`` wants in the top module of a spec.
    place
        Puts sequencer and grid into the top module of a spec; the last argument are the wires of
        the three handshakes by the sequencer's port.
    a_user
        Bits of the tuser of A.
    descriptions
        What the ports mean that differ from dataflow to dataflow.
    """

    element: Callable[[ArraySpec], wiring.Component]
    wires: Callable[[ArraySpec], list[tuple[str, int]]]
    place: Callable[[Netlist, ArraySpec, dict[str, str]], None]
    a_user: int = 0
    descriptions: dict[str, str]
