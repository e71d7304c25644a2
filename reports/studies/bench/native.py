# SPDX-License-Identifier: Apache-2.0
"""Matrix products on the programs of `reports.studies.bench.programs`."""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec
from reports.studies.bench.outcome import Ran
from sim.codes import NDArray
from sim.tiling import A, B, Beats, beats, unpack

__all__ = ["run_program", "simulate"]


def run_program(program: Path, arguments: Sequence[str | Path]) -> dict[str, float]:
    """What a program prints."""
    done = subprocess.run([program, *map(str, arguments)], check=True, capture_output=True,
                          text=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def simulate(program: Path, spec: ArraySpec, a: NDArray, b: NDArray, folder: Path) -> Ran:
    """Run ``a @ b`` on a program."""
    given = beats(spec, a, b)
    for name, prefix in (("a", A), ("b", B)):
        _rows(given, prefix).tofile(folder / name)
    printed = run_program(program, [folder / "a", folder / "b", folder / "c",
                                         str(len(given.rows))])
    words = -(-spec.cols * spec.slot_width // 64)
    rows = np.fromfile(folder / "c", "<u8").reshape(len(given.rows), -1)
    codes = unpack(rows[:, :words], spec.slot_width, spec.cols)
    flags = np.zeros_like(codes)
    if spec.flag_bits:
        flags = unpack(rows[:, words:], spec.flag_bits, spec.cols)
    sums, marks = (given.product(x)[:len(a), :b.shape[1]] for x in (codes, flags))
    return Ran(sums, marks, int(printed["cycles"]), printed["seconds"])


def _rows(given: Beats, prefix: str) -> npt.NDArray[np.uint64]:
    """Beats of a source as drive.h reads them."""
    data, marks = given.sources[prefix], given.last[prefix].astype(np.uint64)
    if prefix in given.user:
        marks = marks | given.user[prefix] << np.uint64(1)
    return np.concatenate([data, marks[:, None]], axis=1)
