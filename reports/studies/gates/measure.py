# SPDX-License-Identifier: Apache-2.0
"""Gate counts of the units in points.toml, as records."""

import sys
import tomllib
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hw.emit.yosys import YosysError
from hw.spec import parse_mac
from reports.registry import Measure
from synth.flow.design import count_mac
from synth.flow.gates import Gates, count, recipes
from synth.record import Metric, Record, provenance

HERE = Path(__file__).parent
NOT_DONE = ("mapping to a cell library", "timing", "placement and routing")


def measure_points(points: Path, command: str) -> list[Record]:
    """Records of the points of a TOML file."""
    jobs = _jobs(tomllib.loads(points.read_text(encoding="utf-8")))
    records = []
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(job) for job in jobs]
        for number, future in enumerate(waiting, 1):
            gates = future.result()
            print(f"[{number}/{len(jobs)}] {gates.top} {gates.recipe}: {gates.two_input} gates",
                  file=sys.stderr)
            records.append(gates_record(gates, command))
    return records


def _jobs(points: dict[str, Any]) -> list[Callable[[], Gates]]:
    """One call for each point and recipe."""
    jobs: list[Callable[[], Gates]] = []
    for group in points["mac"]:
        specs = [parse_mac(text) for text in group["macs"]]
        jobs += [partial(count_mac, spec, recipe) for spec in specs for recipe in group["recipes"]]
    for group in points["baseline"]:
        file = HERE / group["file"]
        jobs += [partial(count, [file], group["top"], recipe) for recipe in group["recipes"]]
    return jobs


def gates_record(gates: Gates, command: str) -> Record:
    """Record of one count."""
    metrics = {"two_input_gates": Metric(gates.two_input, "gate"),
               "inverters": Metric(gates.inverters, "gate"),
               "flip_flops": Metric(gates.flip_flops, "flip-flop")}
    return Record(
        subject=gates.top, metrics=metrics, not_done=NOT_DONE,
        conditions={"recipe": gates.recipe, "passes": recipes()[gates.recipe]},
        provenance=provenance(command, tools=("amaranth", "pyosys")))


def _run(options: Namespace) -> list[Record]:
    return measure_points(HERE / "points.toml", options.command)


MEASURE = Measure(run=_run, tool_errors=(YosysError,))
