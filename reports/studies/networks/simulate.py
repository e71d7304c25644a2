# SPDX-License-Identifier: Apache-2.0
"""One run of a task: which array and schemes a setting means, and what is kept of the outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from hw.spec import parse_array, parse_mac
from reports.studies.networks.formats import Ranges, mac_of
from reports.studies.networks.task import Outputs, Task
from sim.network import Network, Plan, load, run
from sim.network.layer import Layer
from sim.network.plan import Seen, choose, observe
from sim.network.walk import Pair, walk
from sim.progress import Progress

__all__ = ["SIZE", "Result", "calibration", "plan_of", "reference", "simulate"]

#: Array that the cycles are counted on.
SIZE = "16x16"


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
    return Plan(array=array, weights=f"per={ranges.weights_per},range={ranges.kept}",
                activations=f"range={ranges.kept}{zero}", headroom=ranges.headroom)


@lru_cache(maxsize=1)
def _network(model: Path) -> Network:
    return load(model)


def reference(task: Task, say: Progress | None = None) -> Outputs:
    """First output of each run in FP32."""
    network = _network(task.model)

    def multiply(layer: Layer, _: Layer) -> Pair:
        result = layer.exact()
        return Pair(result, result)

    return [walk(network, feed, multiply, say or Progress(), "FP32")[network.outputs[0]].exact
            for feed in task.feeds]


def calibration(task: Task, say: Progress | None = None) -> dict[str, Seen]:
    """What the calibration data of a task cause in FP32: the same for all settings."""
    return observe(_network(task.model), task.calibration, say)


def simulate(task: Task, plan: Plan, say: Progress | None = None, *, compared: int = 0,
             seen: Mapping[str, Seen] | None = None) -> Result:
    """Run ``task``; the noise of each layer is told of the first ``compared`` runs, ``seen`` is its
    `calibration`.
    """
    network = _network(task.model)
    quantizers = choose(plan, seen or calibration(task, say))
    parts = [run(network, feeds, plan, quantizers, say=say, compare=noise) for feeds, noise in
             ((task.feeds[:compared], True), (task.feeds[compared:], False)) if feeds]
    return Result(
        outputs=[each for part in parts for each in part.outputs[network.outputs[0]]],
        sqnr={layer.name: round(layer.own.sqnr_db, 2) for layer in parts[0].layers
              if layer.own.sqnr_db is not None},
        shapes={layer.name: f"{layer.m}x{layer.k}x{layer.n}" for layer in parts[-1].layers},
        macs=sum(part.macs for part in parts), cycles=sum(part.cycles for part in parts))
