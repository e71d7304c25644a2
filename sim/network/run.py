# SPDX-License-Identifier: Apache-2.0
"""A network whose Conv, Gemm and MatMul run on a simulated array, beside itself in FP32."""

import math
from collections.abc import Iterable

from hw.spec.errors import require
from sim.network.graph import Network
from sim.network.layer import Layer
from sim.network.plan import Plan, Quantizers, required
from sim.network.products import Products
from sim.network.results import LayerResult, Outcome
from sim.network.walk import Feed, Pair, walk
from sim.progress import Progress
from sim.quantize import Scheme

__all__ = ["run"]


def run(network: Network, feeds: Iterable[Feed], plan: Plan, quantizers: Quantizers, *,
        compare: bool = True, backend: str = "fast", say: Progress | None = None) -> Outcome:
    """Run a network on the array of ``plan``.

    Parameters
    ----------
    network
        The network.
    feeds
        Inputs of each run, by name.
    plan
        Array and schemes.
    quantizers
        What `calibrate_network` or `load_calibration` gave for the same plan.
    compare
        Whether to run the network in FP32 beside it and tell the noise of every layer.
    backend
        What computes the products: ``fast``, ``vector``, ``cycle`` or ``rtl``; the same bits.
    say
        Told how far it is.

    Raises
    ------
    SpecError
        If a layer has no quantisers, or others than the plan asks for, or inputs or a tensor on
        the way are not supported.
    """
    say = say or Progress()
    lacking = [step.name for step in network.layers if step.name not in quantizers]
    require(not lacking, "Quantizers", "given for every layer", f"without {lacking[:1]}")
    products = Products(plan.array, backend, say)
    results: dict[str, LayerResult] = {}

    def multiply(exact: Layer, coded: Layer) -> Pair:
        both = quantizers[coded.step.name]
        schemes = tuple(each if isinstance(each, Scheme) else each.scheme for each in both)
        require(schemes == required(plan, coded), f"{coded.step.noun} quantizers",
                " and ".join(map(str, required(plan, coded))), " and ".join(map(str, schemes)))
        found, cycles = products(coded, both)
        output = coded.output(found)
        result = _count(results, coded, cycles)
        if not compare:
            return Pair(output, output)
        wanted = exact.exact()
        result.own.add(wanted if exact is coded else coded.exact(), output)
        result.whole.add(wanted, output)
        return Pair(wanted, output)

    outputs: dict[str, list[Pair]] = {name: [] for name in network.outputs}
    for feed in feeds:
        for name, pair in walk(network, feed, multiply, say, "running").items():
            outputs[name].append(pair)
    require(all(outputs.values()), "Data", "at least one sample", "none")
    return Outcome(plan.array, list(results.values()),
                   {name: [pair.coded for pair in pairs] for name, pairs in outputs.items()},
                   {name: [pair.exact for pair in pairs] for name, pairs in outputs.items()}
                   if compare else {})


def _count(results: dict[str, LayerResult], layer: Layer, cycles: int) -> LayerResult:
    """Result of a layer, with another run counted."""
    products, m, k, n = size = layer.lowering.size
    step = layer.step
    result = results.setdefault(step.name, LayerResult(step.name, step.operator, products, m, k, n))
    result.macs += math.prod(size)
    result.cycles += cycles
    return result
