# SPDX-License-Identifier: Apache-2.0
"""Tables 2 to 4 of arXiv 2303.17951 on a small scale, with two networks.

Each network is trained in FP32, rounded to each format (post-training quantisation), fine-tuned
with rounded operands, and converted from FP8 to INT8. All figures are means over seeds. Operands
are rounded as in `sim.quantize`; sums are FP32 in PyTorch.
"""

import statistics
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from typing import Any

from hw.progress import Progress
from hw.spec import SpecError
from hw.spec.errors import require_int
from reports.registry import Measure
from sim.digits import Digits, load_digits
from synth.record import Metric, Provenance, Record, provenance

SEEDS = 5
EPOCHS, TUNING = 40, 10
#: Learning rate of fine-tuning: a tenth of that of training.
FINE = 2e-4
TUNED = ("INT8", "E2M5", "E3M4", "E4M3", "W4A8")
ROUNDED = ("INT8", "E2M5", "E3M4", "E4M3", "E5M2", "W4A8", "W8A16")
#: Training format before conversion to INT8.
FP8 = "E4M3"


def measure(
    make: Callable[[], Any], digits: Digits, seed: int, epochs: int = EPOCHS, tuning: int = TUNING
) -> dict[str, float]:
    """Accuracies, in percent, of one network trained from one seed."""
    import torch

    from reports.studies.finetune.training import SCHEMES, accuracy, train, with_operands

    torch.manual_seed(seed)
    start = make()
    network = train(start, digits, epochs, seed)
    accuracies = {"fp32": accuracy(network, digits)}
    for name in ROUNDED:
        accuracies[f"ptq_{name}"] = accuracy(with_operands(network, SCHEMES[name], digits), digits)
    tuned = {
        name: train(with_operands(network, SCHEMES[name], digits), digits, tuning, seed, step=FINE)
        for name in ("FP32", *TUNED)
    }
    accuracies |= {f"qat_{name}": accuracy(each, digits) for name, each in tuned.items()}
    scratch = train(with_operands(start, SCHEMES[FP8], digits), digits, epochs, seed)
    accuracies["trained_in_fp8"] = accuracy(scratch, digits)
    for origin, each in (("qat_fp8", tuned[FP8]), ("trained_in_fp8", scratch)):
        for name in ("INT8", "W8A16"):
            accuracies[f"{origin}_to_{name}"] = accuracy(
                with_operands(each, SCHEMES[name], digits), digits
            )
        again = train(with_operands(each, SCHEMES["INT8"], digits), digits, tuning, seed, step=FINE)
        accuracies[f"{origin}_to_INT8_tuned"] = accuracy(again, digits)
    return accuracies


def _record(
    name: str, runs: Sequence[dict[str, float]], images: int, origin: Provenance, epochs: int
) -> Record:
    """Means and standard deviations over the seeds."""
    metrics = {}
    for key in runs[0]:
        values = [run[key] for run in runs]
        metrics[key] = Metric(round(statistics.mean(values), 2), "%")
        if len(values) > 1:
            metrics[f"{key}_deviation"] = Metric(round(statistics.stdev(values), 2), "%")
    return Record(
        subject=name,
        metrics=metrics,
        provenance=origin,
        conditions={
            "data": "digits of scikit-learn",
            "test images": images,
            "seeds": len(runs),
            "epochs": epochs,
            "epochs of fine-tuning": TUNING,
            "scales": "from amax, weights per output, activations per tensor",
            "figures": "means over the seeds, each with its standard deviation",
        },
        not_done=(
            "accumulation as a MAC rounds it (operands are rounded, sums are FP32)",
            "learned ranges",
            "larger data sets",
        ),
    )


def add_options(parser: ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--seeds",
        metavar="N",
        type=int,
        default=SEEDS,
        help="number of seeds per network, 1 to 100 (default: %(default)s)",
    )
    parser.add_argument(
        "--epochs",
        metavar="N",
        type=int,
        default=EPOCHS,
        help="epochs of training, 1 to 1000 (default: %(default)s)",
    )


def run(options: Namespace) -> list[Record]:
    """Records of both networks."""
    require_int("Seeds", options.seeds, 1, 100)
    require_int("Epochs", options.epochs, 1, 1000)
    try:
        import torch
    except ImportError as error:
        raise SpecError("Package torch is not installed: run `make study NAME=finetune`") from error
    from reports.studies.finetune.training import NETWORKS

    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    digits, progress = load_digits(), Progress()
    origin = provenance(options.command, tools=("numpy", "scikit-learn", "torch"), seed=0)
    records = []
    for name, make in NETWORKS.items():
        runs = []
        for seed in range(options.seeds):
            runs.append(measure(make, digits, seed, options.epochs))
            progress.at_once(f"{name}: {seed + 1} of {options.seeds} seeds")
        records.append(_record(name, runs, len(digits.test_images), origin, options.epochs))
    return records


MEASURE = Measure(run=run, options=add_options)
