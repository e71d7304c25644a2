# SPDX-License-Identifier: Apache-2.0
"""Simulators of one array on the same operands: how each is built and run."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from amaranth.sim import Simulator as AmaranthSimulator

from hw.array.os.mesh import Mesh
from hw.spec import ArraySpec, folders
from reports.studies.bench.programs import (
    CACHE,
    Program,
    Ran,
    build_cxxrtl,
    build_verilator,
    busy,
    simulate,
)
from sim import cycle, rtl
from sim.codes import NDArray
from sim.fast import has_numba, numpy_only
from sim.linear import matmul_with_flags
from sim.rtl.array import compile_array, generated_array
from sim.tiling import a_beats, b_beats

#: Seconds for which a product that takes less is computed again and again; the fastest counts.
SECONDS = 6.0
#: First product of a process: what loading and compiling cost. Arguments: MAC, M, K, N.
_FIRST = """
import sys, time
import numpy as np
import sim
mac, m, k, n = sys.argv[1], *map(int, sys.argv[2:])
start = time.process_time()
sim.matmul(np.zeros((m, k), np.uint8), np.zeros((k, n), np.uint8), mac, backend="fast")
print(time.process_time() - start)
"""


class MismatchError(RuntimeError):
    """A simulator gives a different sum; the message is one line."""


class Part(NamedTuple):
    """Corner of the product that a simulator computes: first rows, products and columns."""

    m: int
    k: int
    n: int


@dataclass(slots=True)
class Site:
    """An array to simulate and a working folder; its Verilog is generated once."""

    spec: ArraySpec
    folder: Path
    files: list[Path] = field(default_factory=list)
    ports: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.files, self.ports = generated_array(self.spec, self.folder)

    def scratch(self) -> Path:
        """A new folder."""
        return Path(tempfile.mkdtemp(dir=self.folder))


class Ready(NamedTuple):
    """A built simulator, and the processor time of its build in seconds."""

    run: Callable[[NDArray, NDArray], Ran]
    seconds: float


@dataclass(frozen=True, slots=True)
class Simulator:
    """One simulator.

    Parameters
    ----------
    name
        Name on the page.
    prepare
        Builds it for an array.
    part
        Largest part of the product that it computes; None for all of it.
    size
        Side of the array that it simulates, None for the whole array; units with several lanes use
        half of it.
    counts
        Whether its cycles must equal those of the array.
    wall
        Whether it is timed by wall-clock time, since it uses all processors.
    """

    name: str
    prepare: Callable[[Site], Ready]
    part: Part | None = None
    size: int | None = None
    counts: bool = True
    wall: bool = False


def _fast(site: Site) -> Ready:
    """The fast path with numba; the first product of a process compiles the loops."""
    assert has_numba()
    sides = ("16", str(16 * site.spec.mac.lanes), "16")
    done = subprocess.run(
        [sys.executable, "-c", _FIRST, str(site.spec.mac), *sides],
        cwd=folders.ROOT,
        check=True,
        capture_output=True,
        text=True,
        env={"NUMBA_CACHE_DIR": str(site.scratch()), "PATH": ""},
    )
    return Ready(partial(_repeated, site.spec), float(done.stdout))


def _numpy(site: Site) -> Ready:
    """The fast path without numba."""

    def run(a: NDArray, b: NDArray) -> Ran:
        with numpy_only():
            return _repeated(site.spec, a, b)

    return Ready(run, 0.0)


def _repeated(spec: ArraySpec, a: NDArray, b: NDArray) -> Ran:
    """The fastest of several products on codes; the first one loads the loops."""
    matmul_with_flags(a, b, spec.mac, backend="fast")
    begin, best, least = time.perf_counter(), float("inf"), float("inf")
    (m, k), n = a.shape, b.shape[1]
    while True:
        start, spent = time.perf_counter(), time.process_time()
        sums, flags = matmul_with_flags(a, b, spec.mac, backend="fast")
        end, done = time.perf_counter(), time.process_time()
        best, least = min(best, end - start), min(least, done - spent)
        if end - begin > SECONDS:
            return Ran(sums, flags, spec.cycles(m, k, n), best, least)


def _cycle(site: Site) -> Ready:
    """The model with every register in every cycle; the first product loads its loops."""

    def run(a: NDArray, b: NDArray) -> Ran:
        cycle.matmul(a[:1], b[:, :1], site.spec)
        start = time.process_time()
        got = cycle.matmul(a, b, site.spec)
        return Ran(got.codes, got.flags, got.cycles, time.process_time() - start)

    return Ready(run, 0.0)


def _harness(site: Site) -> Ready:
    """`sim.rtl`: processing elements compiled once, streams driven in bulk."""
    took = CACHE / f"harness-{site.spec.name}.json"
    known = set(CACHE.glob("*.so"))
    start = busy()
    model = compile_array(site.files, site.spec, site.ports, build_dir=CACHE)
    if set(CACHE.glob("*.so")) - known or not took.exists():
        took.write_text(json.dumps(busy() - start))

    def run(a: NDArray, b: NDArray) -> Ran:
        start = time.process_time()
        got = rtl.matmul(model, site.spec, a, b)
        return Ran(got.codes, got.flags, got.cycles, time.process_time() - start)

    return Ready(run, json.loads(took.read_text()))


def _native(build: Callable[..., Program], site: Site) -> Ready:
    """A separate program."""
    folder = site.scratch()
    program = build(site.files, site.spec, site.ports)

    def run(a: NDArray, b: NDArray) -> Ran:
        return simulate(program.path, site.spec, a, b, folder)

    return Ready(run, program.seconds)


def _amaranth(site: Site) -> Ready:
    """Only the processing elements."""
    elements = Elements(site.spec)
    return Ready(elements.run, elements.seconds)


FAST, CYCLE, SMALL = "sim.fast", "sim.cycle", "Verilator, small array"
#: Verilator on the whole array and on elements compiled once; both take long to compile.
WHOLE, HARNESS = "Verilator", "sim.rtl"
#: Its C++ takes long to compile where an element has many lanes.
CXXRTL = "CXXRTL"
#: The first one is what all others must agree with.
SIMULATORS = (
    Simulator(FAST, _fast, wall=True),
    Simulator("sim.fast, numpy", _numpy, wall=True),
    Simulator(CYCLE, _cycle, Part(64, 512, 64)),
    Simulator(HARNESS, _harness, Part(64, 512, 64)),
    Simulator(WHOLE, partial(_native, build_verilator), Part(64, 512, 64)),
    Simulator(SMALL, partial(_native, build_verilator), Part(64, 512, 64), size=4),
    Simulator(CXXRTL, partial(_native, build_cxxrtl), Part(32, 512, 32)),
    Simulator("Amaranth", _amaranth, Part(2, 64, 2), size=2, counts=False),
)


VALID, FIRST, LAST = 1, 2, 4


class Elements:
    """A mesh, elaborated and compiled to Python by the simulator; computes one tile.

    Attributes
    ----------
    seconds
        Time of elaboration and compilation.
    """

    def __init__(self, spec: ArraySpec) -> None:
        start = time.process_time()
        self._spec, self._mesh = spec, Mesh(spec)
        self._simulator = AmaranthSimulator(self._mesh)
        self._simulator.add_clock(1e-6)
        self.seconds = time.process_time() - start

    def run(self, a: NDArray, b: NDArray) -> Ran:
        """``a @ b`` of one tile, (rows, K) and (K, cols)."""
        spec, mesh = self._spec, self._mesh
        counts: list[int] = []
        west, south = (
            [int.from_bytes(row.tobytes(), "little") for row in beats[0]]
            for beats in (a_beats(a, spec), b_beats(b, spec))
        )
        count = len(west)
        cycles = count + spec.rows + spec.cols + spec.mac.loop_latency

        async def bench(ctx: Any) -> None:
            for k in range(cycles):
                frame = VALID * (k < count) | FIRST * (k == 0) | LAST * (k == count - 1)
                ctx.set(mesh.frame, frame)
                if k < count:
                    ctx.set(mesh.a, west[k])
                    ctx.set(mesh.b, south[k])
                await ctx.tick()
            counts.extend(ctx.get(total) for row in mesh.sums for total in row)

        self._simulator.add_testbench(bench)
        start = time.process_time()
        self._simulator.run()
        seconds = time.process_time() - start
        bits: NDArray = np.array(counts, dtype="O").reshape(spec.rows, spec.cols)
        width = spec.mac.acc.width
        sums: NDArray = bits & (1 << width) - 1
        return Ran(sums, (bits >> width).astype(np.uint8), cycles, seconds)
