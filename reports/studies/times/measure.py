# SPDX-License-Identifier: Apache-2.0
"""Wall time to generate arrays, start of Python included.

Each command runs in a process of its own, a few times; the fastest run counts, since other work on
the machine can only slow it down.
"""

import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hw.spec import Dataflow, SpecError, parse_array
from hw.spec.command import Parser
from hw.spec.errors import require
from synth.record import ROOT, Metric, Record, provenance, write_records

__all__ = ["main", "measure"]

SIZES = ("16x16", "128x128", "256x256")
MAC = "e4m3"
RUNS = 3
RECORDS = ROOT / "reports" / "data" / "generate.json"


def measure(size: str, *, dataflow: Dataflow = Dataflow.OS, mac: str = MAC, runs: int = RUNS
            ) -> Record:
    """Record of generating an array of ``mac`` with ``size`` ROWSxCOLS."""
    with tempfile.TemporaryDirectory(prefix="times-") as folder:
        command = ["-m", "hw.generate", "--mac", mac, "--array", size,
                   "--dataflow", dataflow.value]
        seconds = min(_seconds([sys.executable, *command, "--out", folder]) for _ in range(runs))
        manifest = json.loads(next(Path(folder).glob("*.json")).read_text(encoding="utf-8"))
        verilog = [(Path(folder) / file["path"]).read_text(encoding="utf-8")
                   for file in manifest["files"] if file["path"].endswith(".v")]
    modules = re.findall(r"^module (\S+?)[ (;]", "".join(verilog), re.MULTILINE)
    return Record(
        subject=manifest["name"],
        metrics={"wall_time": Metric(round(seconds, 2), "s"),
                 "verilog_size": Metric(len("".join(verilog).encode()), "byte"),
                 "modules": Metric(len(modules))},
        conditions={"mac": mac, "dataflow": dataflow.value, "runs (the fastest counts)": runs},
        provenance=provenance("python -m reports.studies.times.measure", tools=("amaranth", "pyosys")))


def _seconds(command: list[str]) -> float:
    """Wall time of ``command``."""
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure every size and write the records."""
    parser = Parser(prog="python -m reports.studies.times.measure",
                    description="Measure how long arrays take to generate.")
    parser.add_argument("sizes", metavar="ROWSxCOLS", nargs="*", default=SIZES,
                        help=f"sizes of the arrays (default: {' '.join(SIZES)})")
    parser.add_argument("--runs", metavar="N", type=int, default=RUNS,
                        help="runs of each, the fastest counts (default: %(default)s)")
    parser.add_argument("--out", metavar="FILE", type=Path, default=RECORDS,
                        help="file of the records (default: reports/data/generate.json)")
    chosen = parser.parse_args(arguments)
    try:
        require(chosen.runs >= 1, "Runs", "a positive number", chosen.runs)
        for size in chosen.sizes:
            parse_array(size, MAC)
        records = []
        for dataflow, size in itertools.product(Dataflow, chosen.sizes):
            print(f"Generating {size} {dataflow.value}, runs: {chosen.runs}.", file=sys.stderr)
            records.append(measure(size, dataflow=dataflow, runs=chosen.runs))
        print(write_records(chosen.out, records))
    except SpecError as error:
        parser.error(str(error))
    except subprocess.CalledProcessError as error:  # Its own message is on stderr already.
        parser.exit(1, f"{parser.prog}: error: exit {error.returncode} of {error.cmd[1:]}\n")


if __name__ == "__main__":
    main()
