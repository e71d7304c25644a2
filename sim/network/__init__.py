# SPDX-License-Identifier: Apache-2.0
"""Run ONNX models on a simulated array. Every Conv, Gemm and MatMul is bit-exact.

::

    network = load("model.onnx")
    plan = Plan(array=parse_array("16x16", parse_mac("e4m3", acc="fp32")), weights="per=channel")
    quantizers = calibrate_network(network, [{"x": samples}], plan)
    result = run(network, [{"x": images}], plan, quantizers)
"""

from sim.network.graph import Network, load
from sim.network.plan import (
    Plan,
    Quantizers,
    calibrate_network,
    load_calibration,
    save_calibration,
)
from sim.network.results import Energy, LayerResult, NetworkResult, Noise
from sim.network.run import run
from sim.network.walk import Feed

__all__ = [
    "Energy",
    "Feed",
    "LayerResult",
    "Network",
    "NetworkResult",
    "Noise",
    "Plan",
    "Quantizers",
    "calibrate_network",
    "load",
    "load_calibration",
    "run",
    "save_calibration",
]
