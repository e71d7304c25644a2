# SPDX-License-Identifier: Apache-2.0
"""Layers of real networks on the compiled RTL of an array: codes of real weights and data."""

from pathlib import Path

import numpy as np
import pytest

import sim
from hw.spec import ArraySpec, parse_array, parse_mac
from reports.studies.networks.tasks import TASKS
from sim.network import Plan, calibrate_network, load
from sim.network.layer import Layer
from sim.network.products import activations, weights
from sim.network.walk import Pair, walk
from sim.progress import Progress
from sim.run.engines import ENGINES
from sim.run.outcome import as_bits
from tests.reports.studies.test_networks import task

#: Of a product the first rows and columns, all of K: several tiles, and some that are not full.
ROWS, COLS = 5, 7
#: FP32 sums of short rows are exact; BF16 rounds nearly every one, so that their order shows.
QUICK, THOROUGH = (parse_array("2x2", parse_mac("e4m3", acc=acc)) for acc in ("fp32", "bf16"))


def chosen(layers: list[Layer]) -> dict[str, Layer]:
    """First and last layer, those with the longest sums and the most products, and one of each
    operator.
    """
    found = {each.step.operator: each for each in layers}
    found |= {"first": layers[0], "last": layers[-1],
              "deepest": max(layers, key=lambda each: each.lowering.size[2]),
              "grouped": max(layers, key=lambda each: each.lowering.size[0])}
    return {each.step.name: each for each in found.values()}


@pytest.mark.parametrize(("name", "array"), [("digits", QUICK), *(
    pytest.param(name, THOROUGH, marks=pytest.mark.slow) for name in TASKS)])
def test_layers_on_compiled_rtl_have_the_models_bits(tmp_path: Path, name: str,
                                                     array: ArraySpec) -> None:
    found = task(name, tmp_path, 8)
    network = load(found.model)
    plan = Plan(array=array, weights="per=channel")
    feed = found.feeds[0]
    layers: list[Layer] = []

    def keep(layer: Layer, _: Layer) -> Pair:
        layers.append(layer)
        result = layer.exact()
        return Pair(result, result)

    walk(network, feed, keep, Progress(), "")
    assert [layer.step.name for layer in layers] == [step.name for step in network.layers]
    quantizers = calibrate_network(network, [feed], plan)
    on_rtl, compared = ENGINES["rtl"](array, Progress()), 0
    for layer_name, layer in chosen(layers).items():
        a, b = (made(layer, by).codes[-1] for made, by in zip(
            (activations, weights), quantizers[layer_name], strict=True))
        a, b = a[:ROWS], b[:, :COLS]
        got = on_rtl(a, b, Progress())
        wanted = as_bits(sim.matmul(a, b, array.mac), array.mac.acc.width)
        wrong = np.argwhere(as_bits(got.sums, array.mac.acc.width) != wanted)
        assert not len(wrong), f"{name}, {layer_name}: {len(wrong)} sums differ, at {wrong[:1]}"
        assert got.cycles == array.cycles(a.shape[0], a.shape[1], b.shape[1]), layer_name
        assert (wanted != 0).any(), layer_name
        compared += wanted.size
    assert compared >= 2 * ROWS * COLS
