# SPDX-License-Identifier: Apache-2.0
"""Gate counts of the units in points.toml, as records."""

import sys
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from hw.spec import parse_mac
from synth.flow.gates import Gates, count, count_mac, recipes
from synth.record import ROOT, Metric, Record, provenance, write_records

__all__ = ["gates_record", "measure_points"]

HERE = Path(__file__).parent
POINTS = HERE / "points.toml"
RECORDS = ROOT / "reports" / "data" / "gates.json"
NOT_DONE = ("mapping to a cell library", "timing", "placement and routing")


def measure_points(out: Path | None = None, points: Path = POINTS) -> Path:
    """Measure every point and write the records; hand back their file."""
    jobs = _jobs(tomllib.loads(points.read_text(encoding="utf-8")))
    records = []
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(job) for job in jobs]
        for number, future in enumerate(waiting, 1):
            gates = future.result()
            print(f"[{number}/{len(jobs)}] {gates.top} {gates.recipe}: {gates.two_input} gates",
                  file=sys.stderr)
            records.append(gates_record(gates, "python -m reports.studies.gates.measure"))
    return write_records(out or RECORDS, records)


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


if __name__ == "__main__":
    print(measure_points())
