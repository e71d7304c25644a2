# SPDX-License-Identifier: Apache-2.0
"""What the traces of both dataflows have in common, and how they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec
from sim.cycle import Inputs, Outputs
from sim.trace.view.limits import require_cycles, require_viewable

__all__ = ["ArrayTrace", "Ints", "Recording"]

Ints = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayTrace:
    """Registers by cycle, row and column, as they are before the clock edge of the cycle.

    Attributes
    ----------
    spec, sides
        The array; M, K and N.
    a, b
        Codes in the operand registers of an element, (cycles, rows, lanes, cols).
    acc, flags
        Sums of an element, and flags beside them.
    operands, sums
        Which beat the operands and the sum belong to, counted from 1; 0 if they are none.
    owners
        What a second register of an element belongs to, counted from 1; 0 if to none.
    moved
        Whether the array took the clock edge before each cycle, (cycles,).
    left
        Cycle in which each row of C left, (beats,).
    c, c_flags
        Those rows, (beats, cols).
    """

    spec: ArraySpec
    sides: tuple[int, int, int]
    a: Ints
    b: Ints
    acc: Ints
    flags: Ints
    operands: Ints
    sums: Ints
    owners: Ints
    moved: Ints
    left: Ints
    c: Ints
    c_flags: Ints

    @property
    def cycles(self) -> int:
        """Cycles from the first operand beat to the last of C, both counted."""
        return len(self.operands)

    @property
    def busy(self) -> Ints:
        """Elements that have taken operands, in each cycle."""
        counts: Ints = (self.operands > 0).sum(axis=(1, 2))
        return counts


class Recording:
    """Registers of each cycle so far, and rows of C that have left."""

    def __init__(self, spec: ArraySpec, m: int, k: int, n: int) -> None:
        require_viewable(spec, m, k, n)
        self._spec, self._sides = spec, (m, k, n)
        self._cycles: list[Mapping[str, Any]] = []
        self._rows: list[tuple[int, Ints, Ints]] = []

    def require_room(self) -> None:
        """Raise if another cycle were one too many to be shown."""
        require_cycles(self._spec, len(self._cycles) + 1)

    def keep(self, registers: Mapping[str, Any]) -> None:
        """Keep the registers of a cycle."""
        self._cycles.append(registers)

    def leave(self, inputs: Inputs, outputs: Outputs) -> None:
        """Keep the row of C that leaves in the last cycle, if one does."""
        if outputs.c_tvalid and inputs.c_tready:
            self._rows.append((len(self._cycles) - 1, outputs.c_tdata, outputs.c_tuser))

    def fields(self) -> dict[str, Any]:
        """Fields of the trace."""
        left, c, flags = (np.array(part) for part in zip(*self._rows, strict=True))
        kept = {name: np.array([cycle[name] for cycle in self._cycles])
                for name in self._cycles[0]}
        return {"spec": self._spec, "sides": self._sides, "left": left, "c": c, "c_flags": flags,
                **kept}
