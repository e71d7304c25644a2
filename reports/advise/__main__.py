# SPDX-License-Identifier: Apache-2.0
"""``python -m reports.advise MODEL.onnx``: recommends a format and an accumulator."""

import argparse
import itertools
import json
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import numpy as np

from hw.progress import Progress
from hw.spec.command import Parser, run_command
from hw.spec.errors import SpecError, require, require_int
from reports.advise.page import page, table
from reports.studies.networks.advice import LOSS, Cost, Costs, energy_uj
from reports.studies.networks.choice import Goal, Point, advise
from reports.studies.networks.measure import MODELS, SAMPLES, TASKS
from reports.studies.networks.settings import (
    ACCUMULATORS,
    COLUMNS,
    SIZE,
    Ranges,
    accumulated,
    add_settings,
    calibration,
    choices,
    chosen,
    plan_of,
    reference,
    simulate,
)
from reports.studies.networks.task import Outputs, Task
from sim.codes import NDArray
from sim.files import read_array, whole_file
from sim.network import Network, load
from sim.network.walk import feeds, load_data

#: Name of the measure without labels.
SQNR = "SQNR"
#: Number of random samples without data, their seed, and the SQNR of an output without noise.
DRAWN, SEED, SILENT = 4, 0, 200.0
#: Default of the acceptable SQNR in dB.
ENOUGH = 20.0
#: If this many samples all do worse, the sign test has p = 2 / 2**8 < 0.01.
LEAST = 8


def own_task(model: Path, data: Path | None, labels: Path | None, samples: int | None) -> Task:
    """Task of a model: accuracy with labels, else the SQNR of its first output.

    Raises
    ------
    SpecError
        If a file cannot be read or does not match the others.
    """
    network = load(model)
    given = _drawn(network) if data is None else load_data(data, network)
    feed = feeds(network, given, samples=samples)
    count = max((len(x) for x in feed[0].values() if x.ndim), default=1)
    if labels is None:
        score = _noise
    else:
        known = _labels(labels, count)

        def score(outputs: Outputs, reference: Outputs) -> dict[str, float]:
            best = np.concatenate(outputs).argmax(axis=-1)
            require(
                best.shape == known.shape,
                "Labels shape",
                f"{best.shape}, like the output",
                known.shape,
            )
            return {"accuracy": float(100 * (best == known).mean())}

    return Task(
        name=model.stem,
        model=model,
        samples=count,
        licence="",
        data="random inputs" if data is None else data.name,
        feeds=tuple(feed),
        calibration=tuple(feed),
        score=score,
    )


def _noise(outputs: Outputs, reference: Outputs) -> dict[str, float]:
    """SQNR of the output in dB."""
    got, wanted = (
        np.concatenate([each.ravel() for each in side]).astype(np.float64)
        for side in (outputs, reference)
    )
    error, signal = float(((got - wanted) ** 2).sum()), float((wanted**2).sum())
    if error == 0 or signal == 0:
        return {SQNR: SILENT if error == 0 else 0.0}
    return {SQNR: min(SILENT, 10 * float(np.log10(signal / error)))}


def _drawn(network: Network) -> dict[str, NDArray]:
    """Normally distributed inputs; free dimensions are 1, the first is `DRAWN`."""
    rng, operands = np.random.default_rng(SEED), {}
    for each in network.inputs:
        if each.dtype != np.float32 or not each.shape:
            raise SpecError(
                f"Input {each.name!r} is not of real numbers: give its data with --data FILE"
            )
        rest = [side or 1 for side in each.shape[1:]]
        operands[each.name] = rng.standard_normal((each.shape[0] or DRAWN, *rest), np.float32)
    return operands


def _labels(path: Path, count: int) -> NDArray:
    """Classes of the samples."""
    labels = read_array(path, "Labels")
    is_whole = isinstance(labels, np.ndarray) and labels.dtype.kind in "iu" and labels.ndim == 1
    require(
        is_whole,
        "Labels",
        "integers, one per sample",
        getattr(labels, "dtype", type(labels).__name__),
    )
    require(len(labels) >= count, "Labels", f"at least {count}, one per sample", len(labels))
    return np.asarray(labels[:count])


def parser() -> Parser:
    parser = Parser(
        prog="python -m reports.advise",
        description=(
            "Run a network in every format with every accumulator on a simulated array. Report "
            "its metric, cycles, array area and energy per inference, the Pareto front, and the "
            "recommended setting. Area and energy come from the records in reports/data."
        ),
    )
    parser.add_argument(
        "model",
        metavar="MODEL.onnx",
        help=f"FP32 model, or the name of a network of this project: {', '.join(TASKS)}",
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=Path,
        help="inputs: .npz with arrays by name, or .npy; samples along axis 0 (default: random)",
    )
    parser.add_argument(
        "--labels",
        metavar="FILE",
        type=Path,
        help="correct classes, a .npy file of integers; without it, the output is compared "
        "with FP32",
    )
    parser.add_argument(
        "--samples", metavar="N", type=int, help="run only the first N (default: all)"
    )
    parser.add_argument(
        "--array",
        metavar="ROWSxCOLS",
        default=SIZE,
        help="array size (default: %(default)s)",
    )
    add_settings(parser)
    parser.add_argument(
        "--loss",
        metavar="POINTS",
        type=float,
        default=LOSS,
        help="acceptable loss of the metric compared with FP32 (default: %(default)s)",
    )
    parser.add_argument(
        "--sqnr",
        metavar="DB",
        type=float,
        default=ENOUGH,
        help="acceptable SQNR without labels (default: %(default)s dB)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--out", metavar="FILE", type=Path, help="write an HTML page to FILE")
    return parser


def _points(
    task: Task, options: argparse.Namespace, exact: Outputs, progress: Progress
) -> tuple[list[Point], list[Cost]]:
    """Every setting with its costs.

    Weights have one scale per output channel from the largest magnitude, with headroom where sums
    may overflow; blocks have their own scales.
    """
    costs, points, unit_costs = Costs.of_project(), [], []
    seen = calibration(task, progress)
    for column, accumulator in itertools.product(
        chosen("Column", options.columns, COLUMNS), chosen("Accumulator", options.acc, ACCUMULATORS)
    ):
        progress(f"{column}, {accumulator} sums")
        usual = Ranges("channel", "minmax")
        if usual not in choices(column):
            usual = choices(column)[0]
        ranges = accumulated(column, accumulator, usual)[-1]
        plan = plan_of(column, accumulator, ranges, options.array)
        result = simulate(task, plan, progress, seen=seen)
        cost = costs.of(plan.array)
        energy = energy_uj(cost.energy_fj, result.macs, task.samples)
        value = next(iter(task.score(result.outputs, exact).values()))
        points.append(
            Point(
                column,
                accumulator,
                value,
                round(result.cycles / task.samples),
                cost.area_mm2,
                energy,
            )
        )
        unit_costs.append(cost)
    return points, unit_costs


def _notes(task: Task, costs: Sequence[Cost], size: str) -> list[str]:
    """Notes on how the figures were measured."""
    libraries = sorted({cost.library for cost in costs if cost.library})
    notes = [
        f"{task.samples} samples: {task.data}. Cycles and energy are per sample.",
        (
            "Activations have one scale per tensor and weights one per output channel, from the "
            "largest magnitude; MXFP8 has one per 32 numbers. Where full-scale operands could "
            "overflow the accumulator, scales are doubled until sums fit (not for MXFP8). There "
            "is no retraining."
        ),
    ]
    if task.each is not None:
        notes.insert(
            1,
            f"A loss of the metric is significant (sign test, p < 0.01) only if at least {LEAST} "
            "more samples do worse than better.",
        )
    if libraries:
        notes.append(
            f"Cell library {', '.join(libraries)}: mapped netlists without placement, wires "
            "or memories. Energy is for the multiply-accumulations alone, on normally "
            "distributed operands, with glitches."
        )
    scaled = sorted(
        {
            cost.measured_as
            for cost in costs
            if cost.measured_as and f"_{size}_" not in cost.measured_as
        }
    )
    if scaled:
        notes.append(f"Areas are scaled per processing element from {', '.join(scaled)}.")
    return notes


def _body(options: argparse.Namespace) -> None:
    """Measure, write the page, print."""
    progress = Progress()
    for noun, text, known in (
        ("Column", options.columns, COLUMNS),
        ("Accumulator", options.acc, ACCUMULATORS),
    ):
        chosen(noun, text, known)  # Checked before the slow steps.
    if options.samples is not None:
        require_int("Samples", options.samples, 1, 1 << 30)
    if options.model in TASKS:
        for name in ("data", "labels"):
            if getattr(options, name) is not None:
                raise SpecError(
                    f"{options.model} is a network of this project and has its own data: "
                    f"leave out --{name}"
                )
        task = TASKS[options.model](MODELS, options.samples or SAMPLES[options.model])
    else:
        task = own_task(Path(options.model), options.data, options.labels, options.samples)
    with nullcontext() if options.out is None else whole_file(options.out) as file:
        exact = reference(task, progress)
        points, costs = _points(task, options, exact, progress)
        name, value = next(iter(task.score(exact, exact).items()))
        goal = (
            Goal(name, "dB", None, options.sqnr)
            if name == SQNR
            else Goal(name, "%", value, value - options.loss)
        )
        advice, notes = advise(points, goal), _notes(task, costs, options.array)
        if file is not None:
            shown = page(task.name, options.array, points, goal, advice, notes)
            file.write(shown.encode("utf-8"))
    progress.done()
    if options.json:
        rows = [
            asdict(point) | {"front": point in advice.front, "recommended": point == advice.chosen}
            for point in points
        ]
        print(
            json.dumps(
                {
                    "model": task.name,
                    "array": options.array,
                    "measure": asdict(goal),
                    "points": rows,
                    "sentence": advice.sentence,
                    "reasons": advice.reasons,
                    "notes": notes,
                },
                indent=2,
            )
        )
        return
    print(
        "\n".join(
            [
                table(points, goal, advice),
                "",
                *notes,
                *([] if options.out is None else [str(options.out)]),
            ]
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; 0 on success, 2 for wrong arguments, models or data."""
    return run_command(parser(), _body, arguments)


if __name__ == "__main__":
    sys.exit(main())
