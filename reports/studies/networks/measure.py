# SPDX-License-Identifier: Apache-2.0
"""Real networks in INT8 and FP8, with several accumulators."""

import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

from hw.progress import Progress
from hw.spec import folders
from hw.spec.errors import SpecError, require, require_int
from reports.registry import Measure
from reports.studies.networks import digits, photographs, sentences, text
from reports.studies.networks.advice import Costs, answer, with_costs
from reports.studies.networks.settings import (
    ACCUMULATORS,
    COLUMNS,
    Ranges,
    add_settings,
    chosen,
    mac_of,
    plan_of,
)
from reports.studies.networks.study import Runs
from reports.studies.networks.task import MissingPackage, Task
from sim.network import calibrate_network, load
from sim.network import run as run_network
from synth.record import Metric, Provenance, Record, provenance

#: Functions that make a task: folder for written models, and number of samples (None: all).
TASKS: dict[str, Callable[[Path, int | None], Task]] = {
    "digits": digits.task,
    "direction": text.direction,
    "recogniser": text.recogniser,
    "sentences": sentences.task,
    "photographs": photographs.task,
}

#: Default number of samples.
SAMPLES = {"digits": 449, "direction": 96, "recogniser": 40, "sentences": 80, "photographs": 36}
#: Networks small enough to also try ranges with the least squared error.
SEARCHED = ("digits", "direction")
MODELS = folders.cache("networks")
#: Setting whose simulation is timed, and its time limit in seconds on two processors.
SIZE, COLUMN, ACCUMULATOR, BAR = "32x32", "E4M3", "fp32", 60.0


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--only",
        metavar="NAME",
        action="append",
        help=f"network to run; can be repeated: {', '.join(TASKS)} (default: all)",
    )
    parser.add_argument(
        "--samples",
        metavar="N",
        type=int,
        help="samples per network (default: "
        f"{', '.join(f'{count} {name}' for name, count in SAMPLES.items())})",
    )
    add_settings(parser)
    parser.add_argument(
        "--no-pace",
        action="store_true",
        help="do not time a line of text on a 32x32 array",
    )


def run(options: Namespace) -> list[Record]:
    """Records of each network; networks whose package is missing are skipped with a message.

    Earlier runs come from the cache.
    """
    names = options.only or list(TASKS)
    for name in names:
        require(name in TASKS, "Network", f"one of {', '.join(TASKS)}", name)
    columns = chosen("Column", options.columns, COLUMNS)
    accumulators = chosen("Accumulator", options.acc, ACCUMULATORS)
    if options.samples is not None:
        require_int("Samples", options.samples, 1, 10_000)
    progress, origin = (
        Progress(),
        provenance(_command(options), seed=0, tools=("numpy", "onnx", "pillow", "scikit-learn")),
    )
    records: list[Record] = []
    costs = Costs.of_project()
    for name in names:
        try:
            task = TASKS[name](MODELS, options.samples or SAMPLES[name])
        except MissingPackage as error:
            print(f"{name}: skipped: {error}", file=sys.stderr)
            continue
        runs = Runs(task, origin, progress, search=name in SEARCHED)
        measured = [with_costs(record, costs) for record in runs.records(columns, accumulators)]
        records += [*measured, answer(measured)]
    if "recogniser" in names and not options.no_pace:
        records += pace(MODELS, origin, progress)
    if not records:
        raise SpecError(f"None of {', '.join(names)} is installed: run `make models`")
    return records


def _command(options: Namespace) -> str:
    """Command that repeats the measurement."""
    given = [f"--only {name}" for name in options.only or ()]
    given += [f"--samples {options.samples}"] if options.samples else []
    given += [
        f"--{name} {value}"
        for name, value, usual in (
            ("columns", options.columns, COLUMNS),
            ("acc", options.acc, ACCUMULATORS),
        )
        if value != ",".join(usual)
    ]
    return " ".join(["python -m reports.study networks", *given]) if given else options.command


def pace(folder: Path, origin: Provenance, progress: Progress) -> list[Record]:
    """Record of the recogniser on one line, bit for bit, without comparison with FP32."""
    task = text.recogniser(folder, 1)
    plan = plan_of(COLUMN, ACCUMULATOR, Ranges("channel", "minmax"), SIZE)
    network = load(task.model)
    quantizers = calibrate_network(network, task.calibration[:1], plan, progress)
    start = time.perf_counter(), time.process_time()
    result = run_network(network, task.feeds, plan, quantizers, compare=False, progress=progress)
    wall, spent = time.perf_counter() - start[0], time.process_time() - start[1]
    return [
        Record(
            subject=f"{task.name} on {SIZE}",
            provenance=origin,
            metrics={
                "wall_time": Metric(round(wall, 2), "s"),
                "processor_time": Metric(round(spent, 2), "s"),
                "share_of_bar": Metric(round(wall / BAR, 3)),
                "macs": Metric(result.macs, "MAC"),
                "cycles": Metric(result.cycles, "cycle"),
            },
            conditions={
                "study": "pace",
                "samples": 1,
                "unit": mac_of(COLUMN, ACCUMULATOR),
                "bar_s": BAR,
                "shape": list(task.feeds[0]["x"].shape),
                "array": SIZE,
            },
            not_done=("an idle machine: other work may have shared the processors",),
        )
    ]


MEASURE = Measure(run=run, options=add_options)
