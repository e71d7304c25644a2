# SPDX-License-Identifier: Apache-2.0
"""Matrix products on the clock-by-clock model, tile by tile."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec
from hw.spec.errors import require
from sim.codes import as_codes
from sim.cycle.os import Array, Inputs, Outputs

__all__ = ["Product", "matmul"]

Ints = npt.NDArray[Any]
Watch = Callable[[Inputs, Outputs], None]
Probe = Callable[[Array], None]


@dataclass(frozen=True, slots=True)
class Product:
    """Sums ``codes`` and their ``flags``, (M, N); cycles from first operand beat to last of C."""

    codes: Ints
    flags: Ints
    cycles: int


def matmul(a: npt.ArrayLike, b: npt.ArrayLike, spec: ArraySpec, *,
           stalls: Mapping[str, npt.ArrayLike] | None = None,
           watch: Watch | None = None, probe: Probe | None = None) -> Product:
    """Compute ``a @ b`` of codes (M, K) and (K, N), edges padded with zeros.

    Parameters
    ----------
    a, b
        Codes or values, as in `sim.matmul`.
    spec
        The array.
    stalls
        For ``a``, ``b`` and ``c`` whether the stream stalls in each cycle, repeated from the start
        where they end; a beat of A or B once offered stays.
    watch
        Called in each cycle with inputs and outputs.
    probe
        Called in each cycle before its clock edge with the array, whose registers it may read.
    """
    a, b = (as_codes(x, fmt, f"Operand {name}")
            for name, x, fmt in (("a", a, spec.mac.a), ("b", b, spec.mac.b)))
    require(a.ndim == b.ndim == 2 and a.shape[1:] == b.shape[:1], "Operand shapes",
            "(M, K) and (K, N)", (a.shape, b.shape))
    (m, k), n = a.shape, b.shape[1]
    beats, tiles = spec.beats(k), spec.tiles(m, n)
    across = -(-n // spec.cols)
    west, south = _tiles(a, spec.rows, beats, spec), _tiles(b.T, spec.cols, beats, spec)
    rows, cycles = _run(spec, np.repeat(west, across, axis=0).reshape(-1, *west.shape[2:]),
                        np.concatenate([south] * len(west)).reshape(-1, *south.shape[2:]),
                        beats, tiles * spec.rows, _patterns(stalls or {}), watch, probe)
    shape = len(west), across, spec.rows, 2, spec.cols
    found = rows.reshape(shape).transpose(3, 0, 2, 1, 4)
    codes, flags = found.reshape(2, len(west) * spec.rows, -1)[:, :m, :n]
    return Product(codes, flags.astype(np.uint8), cycles)


def _tiles(codes: Ints, side: int, beats: int, spec: ArraySpec) -> Ints:
    """Beats of each tile: (tiles, beats, side, lanes)."""
    lanes, count = spec.mac.lanes, -(-codes.shape[0] // side)
    filled = np.zeros((count * side, beats * lanes), np.int64)
    filled[:codes.shape[0], :codes.shape[1]] = codes
    return filled.reshape(count, side, beats, lanes).transpose(0, 2, 1, 3)


def _patterns(stalls: Mapping[str, npt.ArrayLike]) -> list[list[bool]]:
    """Stalls of A, B and C, at least one cycle each; a pattern must not stall for ever."""
    patterns = [np.atleast_1d(np.asarray(stalls.get(name, False), np.bool_)) for name in "abc"]
    for name, pattern in zip("abc", patterns, strict=True):
        require(not pattern.all(), f"Stalls {name}", "false in a cycle at least", pattern.tolist())
    require(stalls.keys() <= set("abc"), "Stalls", "of a, b or c", sorted(stalls))
    return [pattern.tolist() for pattern in patterns]


def _run(spec: ArraySpec, west: Ints, south: Ints, beats: int, total: int,
         patterns: list[list[bool]], watch: Watch | None,
         probe: Probe | None) -> tuple[Ints, int]:
    """Rows of C, sums and flags, and the number of cycles."""
    array = Array(spec)
    rows = np.zeros((total, 2, spec.cols), np.int64)
    sent, taken, cycle, first = 0, 0, 0, 0
    offers = [False, False]
    while taken < total:
        now = [pattern[cycle % len(pattern)] for pattern in patterns]
        offers = [sent < len(west) and (offer or not stall)
                  for offer, stall in zip(offers, now[:2], strict=True)]
        place = min(sent, len(west) - 1)
        last = place % beats == beats - 1
        inputs = Inputs(offers[0], west[place], last, offers[1], south[place], last, not now[2])
        if probe:
            probe(array)
        outputs = array.step(inputs)
        if watch:
            watch(inputs, outputs)
        if offers[0] and outputs.a_tready:
            first = cycle if sent == 0 else first
            sent, offers = sent + 1, [False, False]
        if outputs.c_tvalid and inputs.c_tready:
            rows[taken] = outputs.c_tdata, outputs.c_tuser
            taken += 1
        cycle += 1
    return rows, cycle - first
