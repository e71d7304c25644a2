# SPDX-License-Identifier: Apache-2.0
"""Gate counts of the units in points.toml, as records."""

import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

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
    groups = tomllib.loads(points.read_text(encoding="utf-8"))
    jobs = [
        partial(count_mac, parse_mac(mac), recipe)
        for group in groups["mac"]
        for mac in group["macs"]
        for recipe in group["recipes"]
    ]
    jobs += [
        partial(count, [HERE / group["file"]], group["top"], recipe)
        for group in groups["baseline"]
        for recipe in group["recipes"]
    ]
    records = []
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(job) for job in jobs]
        for number, future in enumerate(waiting, 1):
            gates = future.result()
            print(
                f"[{number}/{len(jobs)}] {gates.top} {gates.recipe}: {gates.two_input} gates",
                file=sys.stderr,
            )
            records.append(gates_record(gates, command))
    return records


def gates_record(gates: Gates, command: str) -> Record:
    """Record of one count."""
    metrics = {
        "two_input_gates": Metric(gates.two_input, "gate"),
        "inverters": Metric(gates.inverters, "gate"),
        "flip_flops": Metric(gates.flip_flops, "flip-flop"),
    }
    return Record(
        subject=gates.top,
        metrics=metrics,
        not_done=NOT_DONE,
        conditions={"recipe": gates.recipe, "passes": recipes()[gates.recipe]},
        provenance=provenance(command, tools=("amaranth", "pyosys")),
    )


MEASURE = Measure(
    run=lambda options: measure_points(HERE / "points.toml", options.command),
    tool_errors=(YosysError,),
)
