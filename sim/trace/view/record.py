# SPDX-License-Identifier: Apache-2.0
"""What every processing element holds in every clock cycle, and which part of the product it is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Dataflow
from hw.spec.errors import require
from sim.cycle import Inputs, Outputs, OutputStationaryArray, matmul
from sim.cycle.plain import VALID
from sim.cycle.sequencer import columns
from sim.trace.view.trace import ArrayTrace, Ints, Recording
from sim.trace.view.weights import WeightRecorder, WeightTrace

__all__ = ["Recorder", "Trace", "record", "recorder_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace(ArrayTrace):
    """Trace of an output-stationary array; beats and rows of C are counted over all tiles.

    Attributes
    ----------
    frame
        Valid, first and last beside the operands, from the low bit on.
    done
        Whether a sum has just been finished.
    result, result_flags, fresh
        Result registers, flags beside them, and whether the sum has not started to move. Their
        ``owners`` are rows of C; ``sums`` has the last beat in the accumulator.
    """

    frame: Ints
    done: Ints
    result: Ints
    result_flags: Ints
    fresh: Ints


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
        self._kept = Recording(spec, m, k, n)
        self._spec, self._beats = spec, spec.beats(k)
        none = np.zeros((spec.rows, spec.cols), np.int64)
        #: Beats that each element has taken; beats in its operand registers, edge by edge.
        self._taken, self._passed = none, [none] * (1 + spec.mac.pipeline)
        self._sums = self._owners = self._next_owners = none
        self._finished, self._moved = np.zeros_like(none, np.bool_), False

    def probe(self, array: OutputStationaryArray) -> None:
        """All registers before a clock edge."""
        self._kept.require_room()
        if self._moved:
            self._tag(array.frame_q)
        self._kept.keep({
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
        self._kept.leave(inputs, outputs)

    def trace(self) -> Trace:
        """What was recorded."""
        return Trace(**self._kept.fields())

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
