# SPDX-License-Identifier: Apache-2.0
"""What tells the engines around arrays of one dataflow from those around another."""

from collections.abc import Callable
from dataclasses import dataclass

from hw.emit.netlist import Netlist
from hw.spec import GemmSpec
from hw.spec.registers import RegisterMap

__all__ = ["Feed"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Feed:
    """Way from the operands' memories to the array's streams.

    Parameters
    ----------
    place
        Puts feeders and memories of operands into an engine; gives the wires of the streams of A
        and B by the array's port.
    counts
        Numbers that it wants of `Limits`.
    """

    place: Callable[[Netlist, GemmSpec, RegisterMap], dict[str, str]]
    counts: tuple[str, ...] = ()
