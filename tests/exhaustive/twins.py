# SPDX-License-Identifier: Apache-2.0
"""The vectorised model against the plain one, behind every step of random sums."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

import sim
from hw.spec import MacSpec
from sim import golden
from tests.exhaustive.outcome import WRONG, Outcome, kind_of
from tests.support.mac_rtl import LENGTH, walks

__all__ = ["check_twin"]


def check_twin(spec: MacSpec, seeds: Iterable[int], folder: Path | None = None) -> Outcome:
    """Compare sums and flags; a state (accumulator, flags, operands) that recurs counts once.

    Nothing is written, so no ``folder`` is needed.
    """
    seen: set[int] = set()
    wrong: dict[int, str] = {}
    for seed in seeds:
        a, b = walks(spec, np.random.default_rng(seed))
        states, sums, flags = _plain_steps(spec, a, b)
        seen.update(states.ravel().tolist())
        for step in range(LENGTH):
            k = (step + 1) * spec.lanes
            got, got_flags = sim.matmul_with_flags(a[:, :k], b[:k], spec)
            differs = (got != sums[..., step]) | (got_flags != flags[..., step])
            for m, n in np.argwhere(differs):
                wrong[states[m, n, step]] = f"seed {seed}, row {m}, column {n}, step {step}"
    conditions = {"what": str(spec)}
    if wrong:
        conditions["first_mismatch"] = next(iter(wrong.values()))
    return Outcome(subject=kind_of(spec), conditions=conditions,
                   counts={"states": (len(seen), "state"), WRONG: (len(wrong), "state")})


def _plain_steps(spec: MacSpec, a: np.ndarray, b: np.ndarray
                 ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """State before every step as a number, sums and flags behind it, (M, N, steps)."""
    shape = len(a), b.shape[1], LENGTH
    states, flags = np.empty(shape, np.int64), np.empty(shape, np.uint8)
    sums = np.empty(shape, object)
    rows, columns = (codes.reshape(len(codes), LENGTH, spec.lanes).tolist() for codes in (a, b.T))
    for m, row in enumerate(rows):
        for n, column in enumerate(columns):
            mac = golden.Mac(spec)
            for step, (x, y) in enumerate(zip(row, column, strict=True)):
                states[m, n, step] = hash((mac.acc, mac.flags, *x, *y))
                mac.step(x, y)
                sums[m, n, step], flags[m, n, step] = mac.acc, mac.flags
    return states, sums, flags
