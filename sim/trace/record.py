# SPDX-License-Identifier: Apache-2.0
"""Record what every processing element holds in every clock cycle, and what it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Dataflow
from hw.spec.arrays import WeightStationary
from hw.spec.errors import require
from sim.cycle import Inputs, Outputs, OutputStationaryArray, WeightStationaryArray, matmul
from sim.cycle.history import History
from sim.cycle.os import columns
from sim.cycle.steps import VALID
from sim.cycle.ws import LOAD, SWAP
from sim.vector import sum_dtype

Ints = npt.NDArray[Any]

#: Largest side of an array whose elements can still be seen on a screen.
MAX_SIDE = 32
#: Largest number of elements times cycles: pages of about 3 MB for 32x32, 7 MB for 4x4.
MAX_PLACES = 200_000


def require_viewable(spec: ArraySpec, m: int, k: int, n: int) -> None:
    """Raise SpecError unless a page can show this product, without stalls."""
    require(spec.out is None, "View array", "one without output stages", str(spec))
    require(
        not sum_dtype(spec.mac).hasobject, "View mac", "a unit whose sums fit int64", str(spec.mac)
    )
    require(
        max(spec.rows, spec.cols) <= MAX_SIDE,
        "View array",
        f"at most {MAX_SIDE}x{MAX_SIDE}",
        spec.size,
    )
    _require_cycles(spec, spec.cycles(m, k, n))


def _require_cycles(spec: ArraySpec, cycles: int) -> None:
    """Raise SpecError if the page would be too large."""
    require(
        cycles <= MAX_PLACES // (spec.rows * spec.cols),
        "View cycles",
        f"at most {MAX_PLACES // (spec.rows * spec.cols)} on {spec.size} elements",
        cycles,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class ArrayTrace:
    """Registers by cycle, row and column, sampled before the clock edge of the cycle.

    Attributes
    ----------
    spec, sides
        The array; M, K and N.
    a, b
        Codes in the operand registers of an element, (cycles, rows, lanes, cols).
    acc, flags
        Sums of each element, and their flags.
    operands, sums
        Beat that the operands and the sum belong to, counted from 1; 0 if there is none.
    owners
        What a second register of an element belongs to, counted from 1; 0 if to nothing.
    moved
        Whether the array was enabled at the clock edge before each cycle, (cycles,).
    left
        Cycle in which each row of C left the array, (beats,).
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
        """Cycles from the first operand beat to the last beat of C, both included."""
        return len(self.operands)

    @property
    def busy(self) -> Ints:
        """Number of elements with operands in each cycle."""
        counts: Ints = (self.operands > 0).sum(axis=(1, 2))
        return counts


@dataclass(frozen=True, kw_only=True, slots=True)
class Trace(ArrayTrace):
    """Trace of an output-stationary array; beats and rows of C are counted over all tiles.

    Attributes
    ----------
    frame
        Valid, first and last bits of the operands, lowest bit first.
    done
        Whether a sum was just finished.
    result, result_flags, fresh
        Result registers, their flags, and whether the result has not moved yet. ``owners`` are
        rows of C; ``sums`` is the last beat in the accumulator.
    """

    frame: Ints
    done: Ints
    result: Ints
    result_flags: Ints
    fresh: Ints


@dataclass(frozen=True, kw_only=True, slots=True)
class WeightTrace(ArrayTrace):
    """Trace of a weight-stationary array. ``b`` holds the weights in use; beats are those of A.

    Attributes
    ----------
    waiting
        Codes of the next weight, (cycles, rows, lanes, cols).
    weights
        Beat of B that brought the weight in use, counted from 1, or 0; ``owners`` is the same for
        the waiting weight, 0 once it is in use. While a pass loads, weights that move south also
        wait in elements that will not use them.
    """

    waiting: Ints
    weights: Ints


def record(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    spec: ArraySpec,
    *,
    stalls: dict[str, npt.ArrayLike] | None = None,
) -> Trace | WeightTrace:
    """Trace ``a @ b`` on the cycle-accurate model. Arguments are as in `sim.cycle.matmul`.

    Raises
    ------
    SpecError
        If the array or the number of cycles is too large to show.
    """
    sides = np.shape(a), np.shape(b)
    require(len(sides[0]) == len(sides[1]) == 2, "Operand shapes", "(M, K) and (K, N)", sides)
    (m, k), (_, n) = sides
    recorder = recorder_of(spec, m, k, n)
    matmul(a, b, spec, stalls=stalls, watch=recorder.watch, probe=recorder.probe)
    return recorder.trace()


def recorder_of(spec: ArraySpec, m: int, k: int, n: int) -> "Recorder | WeightRecorder":
    """Recorder of a product of this size."""
    kind = Recorder if spec.dataflow is Dataflow.OS else WeightRecorder
    return kind(spec, m, k, n)


class _Recorder:
    """Collects the registers of each cycle, and the rows of C that leave the array."""

    def __init__(self, spec: ArraySpec, m: int, k: int, n: int) -> None:
        require_viewable(spec, m, k, n)
        self._spec, self._sides = spec, (m, k, n)
        self._cycles: list[Mapping[str, Any]] = []
        self._rows: list[tuple[int, Ints, Ints]] = []
        #: Whether the array is enabled at the clock edge before the next cycle.
        self._moved = False

    def watch(self, inputs: Inputs, outputs: Outputs) -> None:
        """Keep the row of C that left in this cycle, if any."""
        if outputs.c_tvalid and inputs.c_tready:
            self._rows.append((len(self._cycles) - 1, outputs.c_tdata, outputs.c_tuser))

    def _require_room(self) -> None:
        """Raise SpecError if one more cycle would be too many to show."""
        _require_cycles(self._spec, len(self._cycles) + 1)

    def _fields(self) -> dict[str, Any]:
        """Fields of the trace."""
        left, c, flags = (np.array(part) for part in zip(*self._rows, strict=True))
        kept = {name: np.array([cycle[name] for cycle in self._cycles]) for name in self._cycles[0]}
        return {
            "spec": self._spec,
            "sides": self._sides,
            "left": left,
            "c": c,
            "c_flags": flags,
            **kept,
        }


class Recorder(_Recorder):
    """Records the registers in each cycle, and which part of the product each one holds."""

    def __init__(self, spec: ArraySpec, m: int, k: int, n: int) -> None:
        super().__init__(spec, m, k, n)
        self._beats = spec.beats(k)
        none = np.zeros((spec.rows, spec.cols), np.int64)
        #: Beats that each element has taken, and beats in its operand registers, edge by edge.
        self._taken, self._passed = none, [none] * (1 + spec.mac.pipeline)
        self._sums = self._owners = self._next_owners = none
        self._finished = np.zeros_like(none, np.bool_)

    def probe(self, array: OutputStationaryArray) -> None:
        """Record all registers before a clock edge."""
        self._require_room()
        if self._moved:
            self._tag(array.frame_q)
        self._cycles.append(
            {
                "a": array.a_q,
                "b": array.b_q,
                "frame": array.frame_q,
                "acc": array.acc,
                "flags": array.flags,
                "done": array.o_valid,
                "result": array.result_q,
                "result_flags": array.result_flags,
                "fresh": array.fresh,
                "operands": self._passed[0],
                "sums": self._sums,
                "owners": self._owners,
                "moved": self._moved,
            }
        )
        wires = array.sequencer.timing()
        self._moved, self._finished = wires.en, array.o_valid
        start, shift = (columns(bits, self._spec.cols) for bits in (wires.start, wires.shift))
        moves = shift & (start | ~array.fresh)
        southern = np.append(self._owners[1:], np.zeros_like(self._owners[:1]), axis=0)
        # Row of C, counted over all tiles, of the sum in each accumulator.
        rows = np.arange(1, self._spec.rows + 1)[:, None]
        of_c = (self._sums - 1) // self._beats * self._spec.rows + rows
        self._next_owners = np.where(array.o_valid, of_c, np.where(moves, southern, self._owners))

    def trace(self) -> Trace:
        """Trace of the recorded cycles."""
        return Trace(**self._fields())

    def _tag(self, frame: Ints) -> None:
        """Update the tags of the registers after a clock edge."""
        valid = (frame & VALID) != 0
        self._taken = self._taken + valid
        now = np.where(valid, self._taken, 0)
        self._passed = [now, *self._passed[:-1]]
        # The accumulator holds what entered the pipeline of the MAC this many edges ago.
        self._sums = np.where(
            self._passed[-1] > 0, self._passed[-1], np.where(self._finished, 0, self._sums)
        )
        self._owners = self._next_owners


class WeightRecorder(_Recorder):
    """Records the registers in each cycle, and which part of the product each one holds."""

    def __init__(self, spec: ArraySpec, m: int, k: int, n: int) -> None:
        super().__init__(spec, m, k, n)
        #: Delay of the sums from row to row, in cycles.
        self._step = WeightStationary(spec).row_latency
        window = (spec.rows - 1) * self._step + spec.cols + spec.mac.pipeline
        #: Beats of A and of B that entered in each cycle.
        self._beats, self._loads = History((), window), History((), window)
        self._taken = self._loaded = 0
        self._used = self._next = self._passed = np.zeros((spec.rows, spec.cols), np.int64)

    def probe(self, array: WeightStationaryArray) -> None:
        """Record all registers before a clock edge."""
        self._require_room()
        if self._moved:
            self._tag(array.frame_q)
        shape = self._used.shape
        tags = [
            self._beats.view(shape, age, (None, -self._step), (None, -1))
            for age in (0, self._spec.mac.pipeline)
        ]
        self._cycles.append(
            {
                "a": array.a_q,
                "b": array.used,
                "waiting": array.waiting,
                "acc": array.acc,
                "flags": array.flags,
                "operands": tags[0],
                "sums": tags[1],
                "weights": self._used,
                "owners": np.where(self._next == self._used, 0, self._next),
                "moved": self._moved,
            }
        )
        self._moved = array.sequencer.enabled

    def watch(self, inputs: Inputs, outputs: Outputs) -> None:
        """Record the beats that are taken, and rows of C that leave."""
        beat = load = 0
        if inputs.a_tvalid and outputs.a_tready:
            self._taken += 1
            beat = self._taken
        if inputs.b_tvalid and outputs.b_tready:
            self._loaded += 1
            load = self._loaded
        if self._moved:
            for past, number in ((self._beats, beat), (self._loads, load)):
                past.put(number)
                past.push()
        super().watch(inputs, outputs)

    def trace(self) -> WeightTrace:
        """Trace of the recorded cycles."""
        return WeightTrace(**self._fields())

    def _tag(self, frame: Ints) -> None:
        """Move the tags as the array moves its weights."""
        north = self._loads.view((1, self._spec.cols), 0, (None, 0), (None, -1))
        coming = np.concatenate([north, self._passed[:-1]])
        self._used = np.where(frame & SWAP, self._next, self._used)
        self._passed, self._next = self._next, np.where(frame & LOAD, coming, self._next)
