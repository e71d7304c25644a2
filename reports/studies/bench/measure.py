# SPDX-License-Identifier: Apache-2.0
"""Simulators of one array on the same product, timed in one run."""

import json
import os
import shlex
import subprocess
import sys
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from hw.progress import Progress
from hw.spec import ArraySpec, folders, parse_array, parse_mac
from hw.spec.errors import SpecError, require
from reports.registry import Measure
from reports.studies.bench.contest import (
    CXXRTL,
    CYCLE,
    FAST,
    HARNESS,
    SIMULATORS,
    SMALL,
    WHOLE,
    MismatchError,
    Part,
    Simulator,
    Site,
)
from reports.studies.bench.programs import Ran, build_program, run_program
from reports.studies.bench.scalesim import ENVIRONMENT, ScaleSimError, compare
from sim.codes import NDArray
from sim.fast import has_numba
from sim.linear import matmul_with_flags
from sim.rtl import RtlError
from sim.rtl.build import compiler
from sim.run.operands import draw, parse_size, require_product
from sim.run.sums import as_bits, checksum
from synth.flow.yosys import YosysError
from synth.record import Metric, Provenance, Record, provenance

UNITS = (
    "e4m3,acc=fp32",
    "e4m3,acc=exact",
    "e4m3,acc=bf16",
    "e4m3,acc=fp16",
    "e4m3,acc=hopper",
    "int8,acc=int32",
)
#: Units whose whole array Verilator compiles in a few minutes.
SHORT = ("e4m3,acc=fp32", "int8,acc=int32")
#: Units that are also measured in weight-stationary arrays, and the simulators for that.
STATIONARY, STATIONARY_BY = ("e4m3,acc=fp32", "int8,acc=int32"), (FAST, CYCLE, SMALL)
SIZE, GEMM, SEED = "16x16", "512x512x512", 0
#: Unit and product of the memory measurement.
LARGE_UNIT, LARGE_GEMM = "e4m3,acc=fp32", "4096x4096x4096"
#: Measurements other than simulators of values.
SCALESIM, MEMORY = "SCALE-Sim", "memory"
KNOWN = (*(simulator.name for simulator in SIMULATORS), SCALESIM, MEMORY)
#: Suffix of a unit's name by dataflow.
DATAFLOWS = {"os": "", "ws": ", weight stationary"}
NOT_DONE = ("other processors and compilers",)
PEAK = Path(__file__).with_name("peak.cpp")


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0))


def peak(folder: Path) -> dict[str, Metric]:
    """Peak rate of binary32 multiply-adds of the machine, on one and on all processors."""
    program = build_program(PEAK, folder)
    return {
        name: Metric(run_program(program, [str(count)])["per_second"], "MAC/s")
        for name, count in (("mac_per_second_one_thread", 1), ("mac_per_second", processors()))
    }


def measure(
    mac: str,
    gemm: Part,
    origin: Provenance,
    progress: Progress,
    simulators: Sequence[Simulator] = SIMULATORS,
    dataflow: str = "os",
) -> Iterator[Record]:
    """Records of the unit ``mac``, one per simulator, in a 16x16 or smaller array.

    Raises
    ------
    MismatchError
        If sums or cycles of a simulator differ from the others.
    RtlError
        If an array cannot be generated or compiled.
    """
    spec = parse_array(SIZE, mac, dataflow=dataflow)
    a = draw(spec.mac.a, (gemm.m, gemm.k), "gaussian", [SEED, 0], progress)
    b = draw(spec.mac.b, (gemm.k, gemm.n), "gaussian", [SEED, 1], progress)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        for simulator in simulators:
            progress.at_once(f"{spec.name}: {simulator.name}")
            array = spec
            if simulator.size is not None:
                side = simulator.size if spec.mac.lanes == 1 else max(1, simulator.size // 2)
                array = replace(spec, rows=side, cols=side)
            folder = Path(scratch, simulator.name.replace(" ", "_"))
            folder.mkdir()
            yield _record(mac, simulator, Site(array, folder), gemm, a, b, origin)


def _record(
    unit: str,
    simulator: Simulator,
    site: Site,
    gemm: Part,
    a: NDArray,
    b: NDArray,
    origin: Provenance,
) -> Record:
    """Record of one simulator, checked against the model of `sim.vector`."""
    ready, spec = simulator.prepare(site), site.spec
    part = Part(*map(min, gemm, simulator.part or gemm))
    if not simulator.counts:  # One that counts no cycles of the array does one tile of it.
        part = Part(spec.rows, part.k, spec.cols)
    west, south = a[: part.m, : part.k], b[: part.k, : part.n]
    ran = ready.run(west, south)
    compared, digest = _compare(simulator, spec, west, south, ran)
    products = part.m * part.k * part.n
    threads = (
        {}
        if ran.processor is None
        else {
            "mac_per_second_by_processor_time": Metric(
                products * processors() / max(ran.processor, 1e-9), "MAC/s"
            )
        }
    )
    return Record(
        subject=spec.name,
        provenance=origin,
        not_done=NOT_DONE,
        conditions={
            "simulator": simulator.name,
            "array": spec.size,
            "unit": unit.replace(",acc=", " ") + DATAFLOWS[spec.dataflow.value],
            "gemm": "x".join(map(str, gemm)),
            "part": "x".join(map(str, part)),
            "time": "wall" if simulator.wall else "processor",
        },
        metrics={
            "cycles": Metric(ran.cycles, "cycle"),
            "time": Metric(ran.seconds, "s"),
            "cycles_per_second": Metric(ran.cycles / ran.seconds, "cycle/s"),
            "mac_per_second": Metric(products / ran.seconds, "MAC/s"),
            "time_to_compile": Metric(ready.seconds, "s"),
            "sums_compared": Metric(compared),
            "checksum": Metric(digest),
            **threads,
        },
    )


def _compare(
    simulator: Simulator, spec: ArraySpec, a: NDArray, b: NDArray, ran: Ran
) -> tuple[int, str]:
    """Number of sums compared, and their checksum."""
    mac = spec.mac
    wanted, flags = matmul_with_flags(a, b, mac, backend="fast")
    width = mac.acc.width
    same = (as_bits(ran.sums, width) == as_bits(wanted, width)).reshape(*wanted.shape, -1).all(-1)
    same &= np.asarray(ran.flags, np.uint8) == flags
    if not same.all():
        raise MismatchError(
            f"Sums of {simulator.name} must be those of sim.fast, and "
            f"{np.count_nonzero(~same)} of {same.size} are not ({spec.name})"
        )
    (m, k), n = a.shape, b.shape[1]
    if simulator.counts and ran.cycles != spec.cycles(m, k, n):
        raise MismatchError(
            f"Cycles of {simulator.name} must be {spec.cycles(m, k, n)}, "
            f"not {ran.cycles} ({spec.name})"
        )
    return same.size, checksum(ran.sums, ran.flags, mac)


def measure_memory(origin: Provenance, gemm: str = LARGE_GEMM) -> Record:
    """Record of ``python -m sim.run`` on ``gemm``: peak memory and lines of progress.

    Raises
    ------
    RtlError
        If it fails.
    """
    command = [
        sys.executable,
        "-m",
        "sim.run",
        "--mac",
        LARGE_UNIT,
        "--array",
        SIZE,
        "--size",
        gemm,
        "--json",
    ]
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=folders.ROOT, stdout=out, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, log):
            file.seek(0)
        lines = log.read().splitlines()
        if process.returncode:
            raise RtlError(f"{' '.join(command[1:])} failed: {lines[-1] if lines else status}")
        printed = json.loads(out.read())
    spec = parse_array(SIZE, LARGE_UNIT)
    return Record(
        subject=spec.name,
        provenance=origin,
        conditions={"gemm": gemm, "command": "python " + " ".join(command[1:])},
        metrics={
            "peak_memory": Metric(usage.ru_maxrss * 1024, "byte"),
            "lines_of_progress": Metric(len(lines)),
            "cycles": Metric(printed["cycles"], "cycle"),
            "checksum": Metric(printed["checksum"]),
        },
    )


def _origin(options: Namespace) -> Provenance:
    """Provenance of a run, with the command that repeats it."""
    words = [] if tuple(options.units) == UNITS else [*options.units]
    words += [] if options.size == GEMM else ["--size", options.size]
    for flag in ("whole", "stationary", "only"):
        words += [word for value in getattr(options, flag) or () for word in (f"--{flag}", value)]
    command = shlex.join(["python", "-m", "reports.study", "bench", *words])
    version = subprocess.run(
        [compiler(), "-dumpfullversion"], capture_output=True, text=True, check=True
    ).stdout.strip()
    tools = provenance("x", tools=("amaranth", "numba", "numpy", "pyosys", "verilator")).tools
    return provenance(
        command if words else options.command,
        seed=0,
        tools={**tools, Path(compiler()).name: version},
    )


def _timed(
    options: Namespace,
    gemm: Part,
    chosen: Sequence[Simulator],
    origin: Provenance,
    progress: Progress,
) -> list[Record]:
    """Records: the machine's peak (best of two runs), then each unit and simulator."""
    records: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        progress.at_once("measuring the machine's multiply-add peak")
        looks = [peak(Path(folder))]
        for unit in options.units:
            records += measure(
                unit,
                gemm,
                origin,
                progress,
                [simulator for simulator in chosen if _takes(simulator.name, unit, options)],
            )
        for unit in _among(options, "stationary", STATIONARY):
            records += measure(
                unit,
                gemm,
                origin,
                progress,
                [simulator for simulator in chosen if simulator.name in STATIONARY_BY],
                "ws",
            )
        looks.append(peak(Path(folder)))
    machine = Record(
        subject="machine",
        provenance=origin,
        metrics={name: max(look[name] for look in looks) for name in looks[0]},
        conditions={"simulator": "peak of binary32 multiply-adds", "processors": processors()},
    )
    return [machine, *records]


def _takes(simulator: str, unit: str, options: Namespace) -> bool:
    """Whether a simulator is timed on a unit; some units take too long to compile."""
    if simulator == WHOLE:
        return unit in _among(options, "whole", SHORT)
    return simulator != CXXRTL or bool(options.only) or parse_mac(unit).lanes == 1


def _among(options: Namespace, flag: str, default: Sequence[str]) -> Sequence[str]:
    """Units named by an option, or the measured ones among the defaults."""
    named: Sequence[str] | None = getattr(options, flag)
    return [unit for unit in default if unit in options.units] if named is None else named


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "units", metavar="MAC", nargs="*", default=UNITS, help=f"units (default: {' '.join(UNITS)})"
    )
    parser.add_argument(
        "--size", metavar="MxKxN", default=GEMM, help="size of the product (default: %(default)s)"
    )
    parser.add_argument(
        "--whole",
        metavar="MAC",
        action="append",
        help=f"units whose whole array {WHOLE} also compiles, which takes minutes "
        f"(default: {' '.join(SHORT)})",
    )
    parser.add_argument(
        "--stationary",
        metavar="MAC",
        action="append",
        help="units that are also measured in weight-stationary arrays (default: "
        f"{' '.join(STATIONARY)})",
    )
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        choices=KNOWN,
        help=f"run only these: {'; '.join(KNOWN)} (default: all but {HARNESS})",
    )


def run(options: Namespace) -> list[Record]:
    """Measure everything in one run."""
    names = options.only or [name for name in KNOWN if name != HARNESS]
    gemm, progress, records = Part(*parse_size(options.size)), Progress(), []
    # Before anything takes long.
    for unit in (*options.units, *(options.whole or ()), *(options.stationary or ())):
        require_product(parse_array(SIZE, unit), *gemm)
    if not has_numba():
        raise SpecError("Numba is not installed: run `make fast`")
    require(hasattr(os, "sched_getaffinity"), "System", "Linux", sys.platform)
    if SCALESIM in names and not ENVIRONMENT.exists():
        raise SpecError("SCALE-Sim is not installed: run `make build/scalesim`")
    origin = _origin(options)
    if chosen := [simulator for simulator in SIMULATORS if simulator.name in names]:
        records += _timed(options, gemm, chosen, origin, progress)
    if MEMORY in names:
        progress.at_once("measuring the memory of a large product")
        records.append(measure_memory(origin))
    if SCALESIM in names:
        progress.at_once("running SCALE-Sim")
        records += compare(origin)
    return records


MEASURE = Measure(
    run=run, options=add_options, tool_errors=(RtlError, ScaleSimError, YosysError, MismatchError)
)
