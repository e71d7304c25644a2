# SPDX-License-Identifier: Apache-2.0
"""One unit, all simulators: a record for each, with what it did not do."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hw.spec import ArraySpec, parse_array
from reports.studies.bench.contest import SIMULATORS, Part, Simulator, Site
from reports.studies.bench.native import run_program
from reports.studies.bench.outcome import Ran
from reports.studies.bench.programs import build_program
from sim.codes import NDArray
from sim.linear import matmul_with_flags
from sim.progress import Progress
from sim.run.operands import draw
from sim.run.outcome import as_bits, checksum
from synth.record import Metric, Provenance, Record

__all__ = ["MismatchError", "measure", "peak", "peak_record"]

SIZE = "16x16"
SEED = 0
#: What a unit is called in an array of each dataflow.
DATAFLOWS = {"os": "", "ws": ", weight stationary"}
NOT_DONE = ("other processors and compilers",)
PEAK = Path(__file__).with_name("peak.cpp")


class MismatchError(RuntimeError):
    """A simulator that gives another sum; the message is one line."""


def peak(folder: Path) -> dict[str, Metric]:
    """Multiply-adds of binary32 that the machine can do, on one and on all processors."""
    program = build_program(PEAK, folder)
    return {name: Metric(run_program(program, [str(count)])["per_second"], "MAC/s")
            for name, count in (("mac_per_second_one_thread", 1),
                                ("mac_per_second", processors()))}


def peak_record(found: Sequence[dict[str, Metric]], origin: Provenance) -> Record:
    """Record of the best of several looks at the machine, taken between other measurements."""
    best = {name: max(look[name] for look in found) for name in found[0]}
    return Record(subject="machine", provenance=origin, metrics=best,
                  conditions={"simulator": "peak of binary32 multiply-adds",
                              "processors": processors()})


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def measure(mac: str, gemm: Part, origin: Provenance, say: Progress,
            simulators: Sequence[Simulator] = SIMULATORS, dataflow: str = "os") -> Iterator[Record]:
    """Records of the unit ``mac`` in an array of 16x16, one a simulator.

    Raises
    ------
    MismatchError
        If a simulator's sums or cycles are not those of the others.
    RtlError
        If an array cannot be generated or compiled.
    """
    spec = parse_array(SIZE, mac, dataflow=dataflow)
    a = draw(spec.mac.a, (gemm.m, gemm.k), "gaussian", [SEED, 0], say)
    b = draw(spec.mac.b, (gemm.k, gemm.n), "gaussian", [SEED, 1], say)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        for simulator in simulators:
            say.at_once(f"{spec.name}: {simulator.name}")
            array = _array(simulator, spec)
            folder = Path(scratch, simulator.name.replace(" ", "_"))
            folder.mkdir()
            yield _record(mac, simulator, Site(array, folder), gemm, a, b, origin)


def _array(simulator: Simulator, spec: ArraySpec) -> ArraySpec:
    """The array, or a smaller one of the same unit."""
    if simulator.size is None:
        return spec
    side = simulator.size if spec.mac.lanes == 1 else max(1, simulator.size // 2)
    return replace(spec, rows=side, cols=side)


def _record(unit: str, simulator: Simulator, site: Site, gemm: Part, a: NDArray, b: NDArray,
            origin: Provenance) -> Record:
    """Record of one simulator, compared with the model of `sim.vector`."""
    ready = simulator.prepare(site)
    part = _part(simulator, site.spec, gemm)
    west, south = a[:part.m, :part.k], b[:part.k, :part.n]
    ran = ready.run(west, south)
    compared, digest = _compare(simulator, site.spec, west, south, ran)
    products = part.m * part.k * part.n
    threads = {} if ran.processor is None else {
        "mac_per_second_by_processor_time": Metric(
            products * processors() / max(ran.processor, 1e-9), "MAC/s")}
    return Record(
        subject=site.spec.name, provenance=origin, not_done=NOT_DONE,
        conditions={"simulator": simulator.name, "array": site.spec.size,
                    "unit": unit.replace(",acc=", " ") + DATAFLOWS[site.spec.dataflow.value],
                    "gemm": "x".join(map(str, gemm)), "part": "x".join(map(str, part)),
                    "time": "wall" if simulator.wall else "processor"},
        metrics={"cycles": Metric(ran.cycles, "cycle"), "time": Metric(ran.seconds, "s"),
                 "cycles_per_second": Metric(ran.cycles / ran.seconds, "cycle/s"),
                 "mac_per_second": Metric(products / ran.seconds, "MAC/s"),
                 "time_to_compile": Metric(ready.seconds, "s"),
                 "sums_compared": Metric(compared), "checksum": Metric(digest), **threads})


def _part(simulator: Simulator, spec: ArraySpec, gemm: Part) -> Part:
    """What the simulator computes; one that counts no cycles of the array does one tile of it."""
    part = Part(*map(min, gemm, simulator.part or gemm))
    return part if simulator.counts else Part(spec.rows, part.k, spec.cols)


def _compare(simulator: Simulator, spec: ArraySpec, a: NDArray, b: NDArray,
             ran: Ran) -> tuple[int, str]:
    """Number of sums, all of them equal, and their checksum."""
    mac = spec.mac
    wanted, flags = matmul_with_flags(a, b, mac, backend="fast")
    width = mac.acc.width
    same = (as_bits(ran.sums, width) == as_bits(wanted, width)).reshape(*wanted.shape, -1).all(-1)
    same &= np.asarray(ran.flags, np.uint8) == flags
    if not same.all():
        raise MismatchError(f"Sums of {simulator.name} must be those of sim.fast, and "
                            f"{np.count_nonzero(~same)} of {same.size} are not ({spec.name})")
    (m, k), n = a.shape, b.shape[1]
    if simulator.counts and ran.cycles != spec.cycles(m, k, n):
        raise MismatchError(f"Cycles of {simulator.name} must be {spec.cycles(m, k, n)}, "
                            f"not {ran.cycles} ({spec.name})")
    return same.size, checksum(ran.sums, ran.flags, mac)
