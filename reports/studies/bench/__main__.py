# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.bench``: simulators of one array on one product, timed in one run."""

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hw.spec import SpecError, parse_array, parse_mac
from hw.spec.command import Parser
from hw.spec.errors import require
from reports.studies.bench.contest import (
    CXXRTL,
    CYCLE,
    FAST,
    HARNESS,
    SIMULATORS,
    SMALL,
    WHOLE,
    Part,
    Simulator,
)
from reports.studies.bench.measure import SIZE, MismatchError, measure, peak, peak_record
from reports.studies.bench.memory import measure_memory
from reports.studies.bench.scalesim import ENVIRONMENT, ScaleSimError, compare
from sim.fast.kernels import has_numba
from sim.progress import Progress
from sim.rtl.tools import RtlError, compiler
from sim.run.operands import parse_gemm, require_product
from synth.flow.yosys import YosysError
from synth.record import ROOT, Provenance, Record, provenance, write_records

__all__ = ["UNITS", "main"]

UNITS = ("e4m3,acc=fp32", "e4m3,acc=exact", "e4m3,acc=bf16", "e4m3,acc=fp16",
         "e4m3,acc=hopper", "int8,acc=int32")
#: Units whose whole array Verilator compiles in a few minutes.
SHORT = ("e4m3,acc=fp32", "int8,acc=int32")
#: Units that are measured in weight-stationary arrays too, and by which simulators.
STATIONARY, STATIONARY_BY = ("e4m3,acc=fp32", "int8,acc=int32"), (FAST, CYCLE, SMALL)
RECORDS = ROOT / "reports" / "data" / "simulator.json"
GEMM = "512x512x512"
#: What is measured besides simulators of values.
SCALESIM, MEMORY = "SCALE-Sim", "memory"
KNOWN = (*(simulator.name for simulator in SIMULATORS), SCALESIM, MEMORY)


def _command(options: argparse.Namespace) -> str:
    """What measures the same again, wherever it writes it."""
    words = [] if tuple(options.units) == UNITS else [*options.units]
    words += [] if options.gemm == GEMM else ["--gemm", options.gemm]
    for flag in ("whole", "stationary", "only"):
        words += [word for value in getattr(options, flag) or () for word in (f"--{flag}", value)]
    return shlex.join(["python", "-m", "synth.bench", *words])


def _origin(command: str) -> Provenance:
    """Provenance of a run of ``command``."""
    version = subprocess.run([compiler(), "-dumpfullversion"], capture_output=True, text=True,
                             check=True).stdout.strip()
    tools = provenance("x", tools=("amaranth", "numba", "numpy", "pyosys", "verilator")).tools
    return provenance(command, seed=0,
                      tools={**tools, Path(compiler()).name: version})


def _records(options: argparse.Namespace, gemm: Part, names: Sequence[str], origin: Provenance
             ) -> list[Record]:
    """All that is measured, in one run."""
    say, records = Progress(), []
    if chosen := [simulator for simulator in SIMULATORS if simulator.name in names]:
        records += _timed(options, gemm, chosen, origin, say)
    if MEMORY in names:
        say.at_once("measuring the memory of a large product")
        records.append(measure_memory(origin))
    if SCALESIM in names:
        say.at_once("running SCALE-Sim")
        records += compare(origin)
    return records


def _timed(options: argparse.Namespace, gemm: Part, chosen: Sequence[Simulator],
           origin: Provenance, say: Progress) -> list[Record]:
    """The machine's peak, then a record for each unit and simulator."""
    records: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        say.at_once("measuring the machine's multiply-add peak")
        looks = [peak(Path(folder))]
        for unit in options.units:
            records += measure(unit, gemm, origin, say, [
                simulator for simulator in chosen if _takes(simulator.name, unit, options)])
        for unit in _among(options, "stationary", STATIONARY):
            records += measure(unit, gemm, origin, say, [
                simulator for simulator in chosen if simulator.name in STATIONARY_BY], "ws")
        looks.append(peak(Path(folder)))
    return [peak_record(looks, origin), *records]


def _takes(simulator: str, unit: str, options: argparse.Namespace) -> bool:
    """Whether a simulator of those to be timed takes a unit: some compile others for too long."""
    if simulator == WHOLE:
        return unit in _among(options, "whole", SHORT)
    return simulator != CXXRTL or bool(options.only) or parse_mac(unit).lanes == 1


def _among(options: argparse.Namespace, flag: str, default: Sequence[str]) -> Sequence[str]:
    """Units that an option names, else those of the default that are measured at all."""
    named: Sequence[str] | None = getattr(options, flag)
    return [unit for unit in default if unit in options.units] if named is None else named


def _parser() -> Parser:
    """Options of the command."""
    parser = Parser(prog="python -m synth.bench", description=(
        f"Time simulators of {SIZE} arrays on the same product, and compare their sums."))
    parser.add_argument("units", metavar="MAC", nargs="*", default=UNITS,
                        help=f"units (default: {' '.join(UNITS)})")
    parser.add_argument("--gemm", metavar="MxKxN", default=GEMM,
                        help="sides of the product (default: %(default)s)")
    parser.add_argument("--whole", metavar="MAC", action="append",
                        help=f"units whose whole array {WHOLE} compiles too, which takes minutes "
                             f"(default: {' '.join(SHORT)})")
    parser.add_argument("--stationary", metavar="MAC", action="append",
                        help="units that are measured in weight-stationary arrays too (default: "
                             f"{' '.join(STATIONARY)})")
    parser.add_argument("--only", metavar="NAME", action="append", choices=KNOWN,
                        help=f"leave out all but these: {', '.join(KNOWN)} (default: all but "
                             f"{HARNESS})")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the records (default: reports/data/simulator.json)")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if a simulator did not, 2 for wrong arguments."""
    parser = _parser()
    options = parser.parse_args(arguments)
    names = options.only or [name for name in KNOWN if name != HARNESS]
    try:
        gemm = Part(*parse_gemm(options.gemm))
        _check([*options.units, *(options.whole or ()), *(options.stationary or ())], gemm, names)
        print(write_records(options.out, _records(
            options, gemm, names, _origin(_command(options)))))
    except SpecError as error:
        parser.error(str(error))
    except (RtlError, ScaleSimError, YosysError, MismatchError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    return 0


def _check(units: Sequence[str], gemm: Part, names: Sequence[str]) -> None:
    """SpecError, before anything takes long, if something is missing or unknown."""
    for unit in units:
        require_product(parse_array(SIZE, unit), *gemm)
    require(has_numba(), "Numba", "installed (make fast)", None)
    require(hasattr(os, "sched_getaffinity"), "System", "Linux", sys.platform)
    require(SCALESIM not in names or ENVIRONMENT.exists(), SCALESIM,
            "installed (make build/scalesim)", None)


if __name__ == "__main__":
    sys.exit(main())
