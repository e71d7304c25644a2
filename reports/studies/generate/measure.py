# SPDX-License-Identifier: Apache-2.0
"""Wall-clock time to generate arrays, including the start of Python.

Each command runs several times in its own process. The fastest run counts, because other work on
the machine can only slow it down.
"""

import itertools
import json
import re
import subprocess
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from hw.spec import Dataflow, folders, parse_array
from hw.spec.errors import require
from reports.registry import Measure
from synth.record import Metric, Record, provenance

SIZES = ("16x16", "128x128", "256x256")
MAC = "e4m3"
RUNS = 3


def measure(
    size: str, command: str, *, dataflow: Dataflow = Dataflow.OS, mac: str = MAC, runs: int = RUNS
) -> Record:
    """Record of generating an array of ``mac`` with ``size`` ROWSxCOLS."""
    seconds = []
    with tempfile.TemporaryDirectory(prefix="times-") as folder:
        for _ in range(runs):
            start = time.perf_counter()
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "hw.generate",
                    "--mac",
                    mac,
                    "--array",
                    size,
                    "--dataflow",
                    dataflow.value,
                    "--out",
                    folder,
                ],
                cwd=folders.ROOT,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            seconds.append(time.perf_counter() - start)
        manifest = json.loads(next(Path(folder).glob("*.json")).read_text(encoding="utf-8"))
        verilog = "".join(
            (Path(folder) / file["path"]).read_text(encoding="utf-8")
            for file in manifest["files"]
            if file["path"].endswith(".v")
        )
    return Record(
        subject=manifest["name"],
        metrics={
            "wall_time": Metric(round(min(seconds), 2), "s"),
            "verilog_size": Metric(len(verilog.encode()), "byte"),
            "modules": Metric(len(re.findall(r"^module (\S+?)[ (;]", verilog, re.MULTILINE))),
        },
        conditions={"mac": mac, "dataflow": dataflow.value, "runs (the fastest counts)": runs},
        provenance=provenance(command, tools=("amaranth", "pyosys")),
    )


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "sizes",
        metavar="ROWSxCOLS",
        nargs="*",
        default=SIZES,
        help=f"array sizes (default: {' '.join(SIZES)})",
    )
    parser.add_argument(
        "--runs",
        metavar="N",
        type=int,
        default=RUNS,
        help="runs per array; the fastest counts (default: %(default)s)",
    )


def _run(options: Namespace) -> list[Record]:
    """Records of every size in both dataflows."""
    require(options.runs >= 1, "Runs", "a positive number", options.runs)
    for size in options.sizes:
        parse_array(size, MAC)
    records = []
    for dataflow, size in itertools.product(Dataflow, options.sizes):
        print(f"Generating {size} {dataflow.value}, runs: {options.runs}.", file=sys.stderr)
        records.append(measure(size, options.command, dataflow=dataflow, runs=options.runs))
    return records


MEASURE = Measure(run=_run, options=_options, tool_errors=(subprocess.CalledProcessError,))
