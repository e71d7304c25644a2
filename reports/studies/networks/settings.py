# SPDX-License-Identifier: Apache-2.0
"""Settings (operand formats, accumulators, ranges) and the results of a run."""

from argparse import ArgumentParser
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hw.progress import Progress
from hw.spec import CATALOG, PAPER_FORMATS, parse_array, parse_mac
from hw.spec.errors import require
from reports.studies.networks.task import Outputs, Task, relative_error
from sim.network import Network, Plan, load, run
from sim.network.operators import Layer
from sim.network.plan import Observed, choose, largest_sum, observe
from sim.network.walk import Pair, walk

#: Results of a run, as plain data.
Measures = dict[str, Any]


class Column(NamedTuple):
    """Formats of activations and weights; ``blocks`` of 32 numbers share a scale (OCP MX)."""

    activations: str
    weights: str
    blocks: bool = False


class Ranges(NamedTuple):
    """How scales are chosen: granularity of weights, range, zero point, headroom for sums."""

    weights_per: str
    kept: str
    zero_point: bool = False
    headroom: bool = False

    def __str__(self) -> str:
        zero = ", zero point" if self.zero_point else ""
        room = ", headroom" if self.headroom else ""
        return f"{self.weights_per}, {self.kept}{zero}{room}"


#: The formats of arXiv 2303.17951, and others; MX has OCP's own.
COLUMNS = {
    **{name: Column(fmt, fmt) for name, fmt in PAPER_FORMATS.items()},
    "W4A8": Column("int8", "int4"),
    "MXFP8": Column("e4m3", "e4m3", blocks=True),
}
#: Spellings by name. Floats saturate, like the units whose cost was measured.
ACCUMULATORS = {
    "exact": "exact",
    "fp32": "fp32-sat",
    "fp16": "fp16-sat",
    "bf16": "bf16-sat",
    "hopper": "hopper",
}
#: Array size for cycles.
SIZE = "16x16"
#: Ranges tried for each column; activations have one scale per tensor.
RANGES = (Ranges("tensor", "minmax"), Ranges("channel", "minmax"), Ranges("channel", "mse"))
#: Ranges also tried for integers.
SHIFTED = (Ranges("channel", "minmax", zero_point=True),)


def add_settings(parser: ArgumentParser) -> None:
    """Add the options that name formats and accumulators; `chosen` reads them."""
    for option, what, known in (
        ("--columns", "formats", COLUMNS),
        ("--acc", "accumulators", ACCUMULATORS),
    ):
        parser.add_argument(
            option, metavar="LIST", default=",".join(known), help=f"{what} (default: %(default)s)"
        )


def chosen(noun: str, text: str, known: Collection[str]) -> list[str]:
    """Names in a comma-separated list, each once; SpecError for unknown names."""
    names = list(dict.fromkeys(text.split(",")))
    for name in names:
        require(name in known, noun, f"one of {', '.join(known)}", name)
    return names


def mac_of(column: str, accumulator: str) -> str:
    """Spelling of the unit that multiplies a column's operands."""
    activations, weights, _ = COLUMNS[column]
    pair = activations if activations == weights else f"{activations}x{weights}"
    # The exact sum of the paper's INT8 unit: 4,096 products of operands from -127 to 127.
    same_integers = activations == weights and CATALOG[activations].is_integer
    exact = "int27" if same_integers else "exact"
    return f"{pair},acc={exact if accumulator == 'exact' else ACCUMULATORS[accumulator]}"


def accumulated(column: str, accumulator: str, best: Ranges) -> tuple[Ranges, ...]:
    """Ranges to try with an accumulator: the ``best`` with exact sums, and, if sums could overflow,
    ranges with headroom. Headroom excludes zero points and blocks.
    """
    narrow, exact = (
        largest_sum(parse_mac(mac_of(column, name))) for name in (accumulator, "exact")
    )
    if best.weights_per == "block" or narrow >= exact:
        return (best,)
    return best, best._replace(zero_point=False, headroom=True)


def choices(column: str, *, search: bool = True) -> tuple[Ranges, ...]:
    """Ranges to try for a column; blocks choose their own.

    Without ``search``, ranges with the least squared error are skipped, because finding them takes
    minutes for a large network.
    """
    activations, _, blocks = COLUMNS[column]
    if blocks:
        return (Ranges("block", "minmax"),)
    tried = RANGES + (SHIFTED if CATALOG[activations].is_integer else ())
    return tuple(ranges for ranges in tried if search or ranges.kept != "mse")


@dataclass(frozen=True, slots=True)
class Result:
    """A network with quantised layers.

    Attributes
    ----------
    outputs
        First output of each run.
    sqnr
        Of each layer in dB: its own noise, against FP32 on the same quantised inputs, in the runs
        that were compared.
    shapes
        Sides MxKxN of each layer's products in the last run.
    macs, cycles
        Products of numbers, and clock cycles of the array, of all runs.
    """

    outputs: Outputs
    sqnr: dict[str, float]
    shapes: dict[str, str]
    macs: int
    cycles: int


def plan_of(column: str, accumulator: str, ranges: Ranges, size: str = SIZE) -> Plan:
    """Array and schemes of a setting."""
    array = parse_array(size, parse_mac(mac_of(column, accumulator)))
    if ranges.weights_per == "block":
        return Plan(array=array, weights="per=block", activations="per=block")
    zero = ",zero_point=yes" if ranges.zero_point else ""
    return Plan(
        array=array,
        weights=f"per={ranges.weights_per},range={ranges.kept}",
        activations=f"range={ranges.kept}{zero}",
        headroom=ranges.headroom,
    )


@lru_cache(maxsize=1)
def _network(model: Path) -> Network:
    return load(model)


def reference(task: Task, progress: Progress | None = None) -> Outputs:
    """First output of each run in FP32."""
    network = _network(task.model)

    def multiply(layer: Layer, _: Layer) -> Pair:
        result = layer.exact()
        return Pair(result, result)

    return [
        walk(network, feed, multiply, progress or Progress(), "FP32")[network.outputs[0]].exact
        for feed in task.feeds
    ]


def calibration(task: Task, progress: Progress | None = None) -> dict[str, Observed]:
    """Values seen in FP32 on the calibration data of a task; shared by all settings."""
    return observe(_network(task.model), task.calibration, progress)


def simulate(
    task: Task,
    plan: Plan,
    progress: Progress | None = None,
    *,
    compared: int = 0,
    seen: Mapping[str, Observed] | None = None,
) -> Result:
    """Run ``task``; noise per layer is from the first ``compared`` runs, ``seen`` is its
    `calibration`.
    """
    network = _network(task.model)
    quantizers = choose(plan, seen or calibration(task, progress))
    parts = [
        run(network, feeds, plan, quantizers, progress=progress, compare=noise)
        for feeds, noise in ((task.feeds[:compared], True), (task.feeds[compared:], False))
        if feeds
    ]
    return Result(
        outputs=[each for part in parts for each in part.outputs[network.outputs[0]]],
        sqnr={
            layer.name: round(layer.own.sqnr_db, 2)
            for layer in parts[0].layers
            if layer.own.sqnr_db is not None
        },
        shapes={layer.name: f"{layer.m}x{layer.k}x{layer.n}" for layer in parts[-1].layers},
        macs=sum(part.macs for part in parts),
        cycles=sum(part.cycles for part in parts),
    )


def measures(task: Task, outputs: Outputs, exact: Outputs) -> Measures:
    """Measures of outputs compared with FP32, and the score of each sample."""
    sound = finite(outputs)
    each = [] if task.each is None else task.each(sound, exact).tolist()
    return {
        "measures": task.score(sound, exact) | {"relative_error": relative_error(sound, exact)},
        "each": each,
    }


def finite(outputs: Outputs) -> Outputs:
    """Outputs with non-finite values replaced by zero."""
    return [np.nan_to_num(each, nan=0.0, posinf=0.0, neginf=0.0) for each in outputs]
