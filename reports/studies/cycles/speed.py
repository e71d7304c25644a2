# SPDX-License-Identifier: Apache-2.0
"""Cycles per second of the cycle-accurate model, with values.

Each run has one thread and is timed by processor time, which excludes other work on the machine.
Other work still affects caches and shared cores, so the fastest of several runs counts.
"""

import time
from argparse import ArgumentParser, Namespace

import numpy as np

from hw.progress import Progress
from hw.spec import ArraySpec, parse_array
from hw.spec.errors import require
from reports.registry import Measure
from sim.cycle import matmul
from sim.fast import uses_numba
from sim.fast.numbers import values
from synth.record import Metric, Record, provenance

RUNS = 20
#: Smallest number of enabled cycles per run.
CYCLES = {16: 2000, 128: 600}
POINTS = [
    parse_array(size, mac, dataflow=flow)
    for flow in ("os", "ws")
    for size, mac in (
        *(
            ("16x16", mac)
            for mac in (
                "int8",
                "e4m3",
                "e4m3,acc=fp32",
                "e4m3,acc=fp16",
                "e4m3,acc=bf16",
                "e4m3,acc=fp16-sat",
                "e4m3,acc=fp16-rtz",
                "e4m3,acc=fp32,lanes=4",
                "e4m3,acc=aligned:13",
                "e4m3,acc=hopper",
            )
        ),
        ("128x128", "e4m3,acc=fp32"),
    )
]


def measure(
    spec: ArraySpec, *, runs: int = RUNS, command: str = "make study NAME=sim_cycle"
) -> Record:
    """Record of products that keep the array full: rows x K x cols tiles, back to back."""
    rng, lanes = np.random.default_rng(0), spec.mac.lanes
    m, n = 2 * spec.rows, 2 * spec.cols
    k = max(CYCLES.get(spec.rows, 1000) // 4, spec.rows) * lanes
    # NaN sums would be less work.
    a, b = (
        rng.choice(np.flatnonzero(np.isfinite(values(fmt))).astype(np.uint64), shape)
        for fmt, shape in ((spec.mac.a, (m, k)), (spec.mac.b, (k, n)))
    )
    matmul(a[:1, :lanes], b[:lanes, :1], spec)  # Compiles the loops.
    rates, cycles = [], 0
    for _ in range(runs):
        start = time.thread_time()
        cycles = matmul(a, b, spec).cycles
        rates.append(cycles / (time.thread_time() - start))
    return Record(
        subject=spec.name,
        metrics={
            "cycles_per_second": Metric(round(max(rates)), "cycle/s"),
            "slowest_run": Metric(round(min(rates)), "cycle/s"),
            "cycles": Metric(cycles, "cycle"),
        },
        conditions={
            "dataflow": spec.dataflow.value,
            "array": spec.size,
            "mac": str(spec.mac),
            "steps": "numba" if uses_numba() else "numpy",
            "product": f"{m}x{k}x{n}",
            "time": "of the processor",
            "operands": "any finite codes",
            "runs (the fastest counts)": runs,
        },
        provenance=provenance(command, tools=("numpy",), seed=0),
    )


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--runs",
        metavar="N",
        type=int,
        default=RUNS,
        help="runs per array; the fastest counts (default: %(default)s)",
    )


def run(options: Namespace) -> list[Record]:
    """Records of all points."""
    require(options.runs >= 1, "Runs", "a positive number", options.runs)
    progress, records = Progress(), []
    for spec in POINTS:
        progress.at_once(f"stepping {spec.name}")
        records.append(measure(spec, runs=options.runs, command=options.command))
    return records


MEASURE = Measure(run=run, options=add_options)
