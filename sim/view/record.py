# SPDX-License-Identifier: Apache-2.0
"""What every processing element holds in every clock cycle, and which part of the product it is."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Dataflow
from hw.spec.errors import require
from sim.cycle import Array, Inputs, Outputs, matmul
from sim.cycle.sequencer import columns
from sim.cycle.plain import VALID
from sim.view.limits import require_cycles, require_viewable
from sim.view.weights import WeightRecorder, WeightTrace

__all__ = ["Recorder", "Trace", "record", "recorder_of"]

Ints = npt.NDArray[Any]

@dataclass(frozen=True, kw_only=True, slots=True)
class Trace:
    """Registers by cycle, row and column, as they are before the clock edge of the cycle.

    Attributes
    ----------
    spec, sides
        The array; M, K and N.
    a, b
        Codes that an element has taken and passes on, (cycles, rows, lanes, cols).
    frame
        Valid, first and last beside them, from the low bit on.
    acc, flags, done
        Accumulators, flags beside them, and whether a sum has just been finished.
    result, result_flags, fresh
        Result registers, flags beside them, and whether the sum has not started to move.
    operands
        Which beat the operands belong to, counted from 1 over all tiles; 0 if they are none.
    sums
        The last beat in the accumulator, counted alike; 0 if no sum is under way or just finished.
    owners
        Row of C, counted from 1 over all tiles, of the sum in the result register; 0 if it is none.
    moved
        Whether the array took the clock edge before each cycle, (cycles,).
    left
        Cycle in which each row of C left, (tiles * rows,).
    c, c_flags
        Those rows, (tiles * rows, cols).
    """

    spec: ArraySpec
    sides: tuple[int, int, int]
    a: Ints
    b: Ints
    frame: Ints
    acc: Ints
    flags: Ints
    done: Ints
    result: Ints
    result_flags: Ints
    fresh: Ints
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
        return len(self.frame)

    @property
    def busy(self) -> Ints:
        """Elements that have taken a pair of operands, in each cycle."""
        counts: Ints = (self.operands > 0).sum(axis=(1, 2))
        return counts


def record(a: npt.ArrayLike, b: npt.ArrayLike, spec: ArraySpec, *,
           stalls: dict[str, npt.ArrayLike] | None = None) -> Trace | WeightTrace:
    """Trace of ``a @ b`` on the clock-by-clock model, arguments as those of `sim.cycle.matmul`.

    Raises
    ------
    SpecError
        If the array or the number of cycles is too large to be shown.
    """
    sides = np.shape(a), np.shape(b)
    require(len(sides[0]) == len(sides[1]) == 2, "Operand shapes", "(M, K) and (K, N)", sides)
    (m, k), (_, n) = sides
    recorder = recorder_of(spec, m, k, n)
    matmul(a, b, spec, stalls=stalls, watch=recorder.watch, probe=recorder.probe)
    return recorder.trace()


def recorder_of(spec: ArraySpec, m: int, k: int, n: int) -> "Recorder | WeightRecorder":
    """What records a product of these sides."""
    kind = Recorder if spec.dataflow is Dataflow.OS else WeightRecorder
    return kind(spec, m, k, n)


class Recorder:
    """Keeps registers cycle by cycle and tags what is in them."""

    def __init__(self, spec: ArraySpec, m: int, k: int, n: int) -> None:
        require_viewable(spec, m, k, n)
        self._spec, self._sides, self._beats = spec, (m, k, n), spec.beats(k)
        self._cycles: list[dict[str, Any]] = []
        self._rows: list[tuple[int, Ints, Ints]] = []
        none = np.zeros((spec.rows, spec.cols), np.int64)
        #: Beats that each element has taken; beats in its operand registers, edge by edge.
        self._taken, self._passed = none, [none] * (1 + spec.mac.pipeline)
        self._sums = self._owners = self._next_owners = none
        self._finished, self._moved = np.zeros_like(none, np.bool_), False

    def probe(self, array: Array) -> None:
        """All registers before a clock edge."""
        require_cycles(self._spec, len(self._cycles) + 1)
        if self._moved:
            self._tag(array.frame_q)
        self._cycles.append({
            "a": array.a_q, "b": array.b_q, "frame": array.frame_q, "acc": array.acc,
            "flags": array.flags, "done": array.o_valid, "result": array.result_q,
            "result_flags": array.result_flags, "fresh": array.fresh,
            "operands": self._passed[0], "sums": self._sums, "owners": self._owners,
            "moved": self._moved})
        wires = array.sequencer.timing()
        self._moved, self._finished = wires.en, array.o_valid
        start, shift = (columns(bits, self._spec.cols) for bits in (wires.start, wires.shift))
        moves = shift & (start | ~array.fresh)
        southern = np.append(self._owners[1:], np.zeros_like(self._owners[:1]), axis=0)
        self._next_owners = np.where(array.o_valid, self._rows_of_c(),
                                     np.where(moves, southern, self._owners))

    def watch(self, inputs: Inputs, outputs: Outputs) -> None:
        """Rows of C that leave."""
        if outputs.c_tvalid and inputs.c_tready:
            self._rows.append((len(self._cycles) - 1, outputs.c_tdata, outputs.c_tuser))

    def trace(self) -> Trace:
        """What was recorded."""
        left, c, flags = (np.array(part) for part in zip(*self._rows, strict=True))
        kept = {name: np.array([cycle[name] for cycle in self._cycles])
                for name in self._cycles[0]}
        return Trace(spec=self._spec, sides=self._sides, left=left, c=c, c_flags=flags, **kept)

    def _tag(self, frame: Ints) -> None:
        """What the registers hold after a clock edge."""
        valid = (frame & VALID) != 0
        self._taken = self._taken + valid
        now = np.where(valid, self._taken, 0)
        self._passed = [now, *self._passed[:-1]]
        # The accumulator has what entered the pipeline of the MAC so many edges ago.
        self._sums = np.where(self._passed[-1] > 0, self._passed[-1],
                              np.where(self._finished, 0, self._sums))
        self._owners = self._next_owners

    def _rows_of_c(self) -> Ints:
        """Row of C, over all tiles, of the sum in each accumulator."""
        rows: Ints = np.arange(1, self._spec.rows + 1)[:, None]
        return (self._sums - 1) // self._beats * self._spec.rows + rows
