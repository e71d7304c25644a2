# SPDX-License-Identifier: Apache-2.0
"""Cycle-accurate model of arrays: every register of every processing element, in numpy."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Dataflow
from hw.spec.errors import require
from sim.codes import NDArray, as_codes, code_dtype
from sim.cycle.os import OutputStationaryArray
from sim.cycle.streams import Inputs, Outputs
from sim.cycle.ws import WeightStationaryArray
from sim.tiling import A, ArrayProduct, B, Beats, beats, stage_settings, unpack
from sim.vector import sum_dtype

__all__ = ["Inputs", "OutputStationaryArray", "Outputs", "WeightStationaryArray", "array", "matmul"]

AnyArray = OutputStationaryArray | WeightStationaryArray
Watch = Callable[[Inputs, Outputs], None]
Probe = Callable[[Any], None]

_ARRAYS: dict[Dataflow, Callable[[ArraySpec], AnyArray]] = {
    Dataflow.OS: OutputStationaryArray,
    Dataflow.WS: WeightStationaryArray,
}


def array(spec: ArraySpec) -> AnyArray:
    """Array of either dataflow, with its registers as after a reset."""
    return _ARRAYS[spec.dataflow](spec)


def matmul(
    a: npt.ArrayLike,
    b: npt.ArrayLike,
    spec: ArraySpec,
    *,
    scale: npt.ArrayLike | None = None,
    zero_point: npt.ArrayLike = 0,
    stalls: Mapping[str, npt.ArrayLike] | None = None,
    watch: Watch | None = None,
    probe: Probe | None = None,
) -> ArrayProduct:
    """Compute ``a @ b`` for codes (M, K) and (K, N). Edges are padded with zeros.

    Parameters
    ----------
    a, b
        Codes or values, as in `sim.matmul`.
    spec
        The array.
    scale, zero_point
        Settings of the output stages, as in `sim.output`; broadcast to (M, N).
    stalls
        For ``a``, ``b`` and ``c``: whether the stream stalls in each cycle. A pattern repeats when
        it ends. A beat of A or B stays offered until it is taken.
    watch
        Called in each cycle with the inputs and outputs.
    probe
        Called with the array in each cycle before the clock edge, to read its registers.
    """
    a, b = (
        as_codes(x, fmt, f"Operand {name}")
        for name, x, fmt in (("a", a, spec.mac.a), ("b", b, spec.mac.b))
    )
    require(
        a.ndim == b.ndim == 2 and a.shape[1:] == b.shape[:1],
        "Operand shapes",
        "(M, K) and (K, N)",
        (a.shape, b.shape),
    )
    (m, k), n = a.shape, b.shape[1]
    spec.cycles(m, k, n)
    given = beats(spec, a, b)
    beside = stage_settings(spec, (m, n), given, scale, zero_point)
    run = _Run(spec, given, _patterns(stalls or {}), beside)
    cycles = run.all(watch, probe)
    codes, flags = (run.beats.product(x)[:m, :n] for x in run.rows)
    if spec.out:
        codes = codes.astype(np.int64) & (1 << spec.result_width) - 1
    return ArrayProduct(codes, flags.astype(np.uint8), cycles)


def _patterns(stalls: Mapping[str, npt.ArrayLike]) -> list[list[bool]]:
    """Stall patterns of A, B and C. A pattern must not stall in all cycles."""
    patterns = [np.atleast_1d(np.asarray(stalls.get(name, False), np.bool_)) for name in "abc"]
    for name, pattern in zip("abc", patterns, strict=True):
        require(
            not pattern.all(), f"Stalls {name}", "false in at least one cycle", pattern.tolist()
        )
    require(stalls.keys() <= set("abc"), "Stalls", "for a, b or c", sorted(stalls))
    return [pattern.tolist() for pattern in patterns]


class _Source:
    """Offers the beats of one operand; each stays until it is taken."""

    def __init__(self, stream: str, given: Beats, width: int, shape: tuple[int, int]) -> None:
        codes = unpack(given.sources[stream], width, shape[0] * shape[1])
        self.data = codes.astype(code_dtype(width)).reshape(-1, *shape)
        self.count = len(self.data)
        self.last = given.last[stream].tolist()
        user = given.user.get(stream)
        self.user = [0] * self.count if user is None else user.ravel().tolist()
        self.place, self.offers = 0, False

    def offer(self, stall: bool) -> tuple[bool, int]:
        """Whether a beat is offered, and the index of the beat on the wires."""
        self.offers = self.place < self.count and (self.offers or not stall)
        return self.offers, min(self.place, self.count - 1)

    def edge(self, ready: bool) -> bool:
        """Take the clock edge; returns whether the beat was taken."""
        taken = self.offers and ready
        if taken:
            self.place, self.offers = self.place + 1, False
        return taken


class _Run:
    """One product on an array, cycle by cycle."""

    def __init__(
        self,
        spec: ArraySpec,
        given: Beats,
        patterns: list[list[bool]],
        beside: Mapping[str, NDArray],
    ) -> None:
        mac = spec.mac
        self.beats, self._patterns, self._beside = given, patterns, beside
        self._array = array(spec)
        self._a = _Source(A, given, mac.a.width, (spec.rows, mac.lanes))
        self._b = _Source(B, given, mac.b.width, (spec.cols, mac.lanes))
        #: Sums and flags of the beats of C, (2, beats, cols).
        self.rows = np.zeros((2, len(given.rows), spec.cols), sum_dtype(mac))

    def all(self, watch: Watch | None, probe: Probe | None) -> int:
        """Run until the last beat of C. Returns the cycles since the first operand beat."""
        a, b, total = self._a, self._b, self.rows.shape[1]
        taken, cycle, first = 0, 0, None
        while taken < total:
            inputs = self._inputs(cycle, taken)
            if probe:
                probe(self._array)
            outputs = self._array.step(inputs)
            if watch:
                watch(inputs, outputs)
            if a.edge(outputs.a_tready) | b.edge(outputs.b_tready) and first is None:
                first = cycle
            if outputs.c_tvalid and inputs.c_tready:
                self.rows[0, taken], self.rows[1, taken] = outputs.c_tdata, outputs.c_tuser
                taken += 1
            cycle += 1
        assert first is not None
        return cycle - first

    def _inputs(self, cycle: int, taken: int) -> Inputs:
        """Inputs of the array in this cycle."""
        a, b = self._a, self._b
        stall_a, stall_b, stall_c = [each[cycle % len(each)] for each in self._patterns]
        a_valid, row = a.offer(stall_a)
        b_valid, step = b.offer(stall_b)
        inputs = Inputs(
            a_valid,
            a.data[row],
            a.last[row],
            b_valid,
            b.data[step],
            b.last[step],
            not stall_c,
            a_tuser=a.user[row],
        )
        drain = self._array.drain
        if drain is None:
            return inputs
        # Settings belong to the row that enters the stages next.
        entering = min(taken + drain.valid, self.rows.shape[1] - 1)
        return inputs._replace(**{name: rows[entering] for name, rows in self._beside.items()})
