# SPDX-License-Identifier: Apache-2.0
"""Processing elements of an array in Amaranth's own simulator."""

import time
from typing import Any

import numpy as np
from amaranth.sim import Simulator  # type: ignore[import-untyped]

from hw.array.mesh import Mesh
from hw.spec import ArraySpec
from reports.studies.bench.outcome import Ran
from sim.codes import NDArray
from sim.tiling import a_beats, b_beats

__all__ = ["Elements"]

VALID, FIRST, LAST = 1, 2, 4


class Elements:
    """A mesh, elaborated and compiled to Python by the simulator; computes one tile.

    Attributes
    ----------
    seconds
        What that took.
    """

    def __init__(self, spec: ArraySpec) -> None:
        start = time.process_time()
        self._spec, self._mesh = spec, Mesh(spec)
        self._simulator = Simulator(self._mesh)
        self._simulator.add_clock(1e-6)
        self.seconds = time.process_time() - start

    def run(self, a: NDArray, b: NDArray) -> Ran:
        """``a @ b`` of one tile, (rows, K) and (K, cols)."""
        spec, mesh = self._spec, self._mesh
        found: list[int] = []
        west, south = (_whole(beats[0]) for beats in (a_beats(a, spec), b_beats(b, spec)))
        cycles = len(west) + spec.rows + spec.cols + spec.mac.loop_latency

        async def bench(ctx: Any) -> None:
            for k in range(cycles):
                ctx.set(mesh.frame, _frame(k, len(west)))
                if k < len(west):
                    ctx.set(mesh.a, west[k])
                    ctx.set(mesh.b, south[k])
                await ctx.tick()
            found.extend(ctx.get(total) for row in mesh.sums for total in row)

        self._simulator.add_testbench(bench)
        start = time.process_time()
        self._simulator.run()
        seconds = time.process_time() - start
        bits: NDArray = np.array(found, dtype="O").reshape(spec.rows, spec.cols)
        width = spec.mac.acc.width
        sums: NDArray = bits & (1 << width) - 1
        return Ran(sums, (bits >> width).astype(np.uint8), cycles, seconds)


def _frame(k: int, beats: int) -> int:
    """Valid, first and last in cycle ``k`` of a tile of so many beats."""
    if k >= beats:
        return 0
    return VALID + FIRST * (k == 0) + LAST * (k == beats - 1)


def _whole(rows: NDArray) -> list[int]:
    """Rows of 64-bit words as integers."""
    return [int.from_bytes(row.tobytes(), "little") for row in rows]
