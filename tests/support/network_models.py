# SPDX-License-Identifier: Apache-2.0
"""Small ONNX models, built node by node, and runs of them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from hw.spec import parse_array, parse_mac
from sim.network import Network, NetworkResult, Plan, Quantizers, calibrate_network, load, run

SEED = 5


def node(
    operator: str, inputs: str, outputs: str, name: str = "", **attributes: Any
) -> onnx.NodeProto:
    """Node with inputs and outputs in words."""
    return helper.make_node(operator, inputs.split(), outputs.split(), name=name, **attributes)


def save(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    inputs: Mapping[str, Sequence[Any]],
    outputs: Sequence[str],
    constants: Mapping[str, np.ndarray],
    *,
    opset: int = 17,
    dtype: int = onnx.TensorProto.FLOAT,
) -> Path:
    """Write a model; inputs are given with their sides."""
    graph = helper.make_graph(
        list(nodes),
        "model",
        [helper.make_tensor_value_info(name, dtype, sides) for name, sides in inputs.items()],
        [helper.make_tensor_value_info(name, dtype, None) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    domains = {each.domain for each in nodes}
    model = helper.make_model(
        graph,
        opset_imports=[
            helper.make_opsetid(domain, 1 if domain else opset) for domain in sorted(domains | {""})
        ],
    )
    model.ir_version = 8
    model = onnx.shape_inference.infer_shapes(model)
    for output in model.graph.output:  # A model must declare the number of dimensions.
        if not output.type.tensor_type.HasField("shape"):
            output.CopyFrom(
                helper.make_tensor_value_info(
                    output.name, dtype, [None] * len(next(iter(inputs.values())))
                )
            )
    path.write_bytes(model.SerializeToString())
    return path


def small_network(path: Path) -> Path:
    """Images (n, 2, 6, 5): convolution, depthwise, pooling, attention of a kind, classes."""
    rng = np.random.default_rng(SEED)

    def weights(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    nodes = [
        node("Conv", "x w1 b1", "c1", "first", pads=[1, 1, 1, 1], strides=[2, 1]),
        node("Relu", "c1", "r1"),
        node("Conv", "r1 w2", "c2", "depthwise", group=4, pads=[1, 0, 1, 0], dilations=[1, 2]),
        node("BatchNormalization", "c2 s2 b2 m2 v2", "n2", "norm"),
        node("Reshape", "n2 shape", "t"),
        node("Transpose", "t", "u", perm=[0, 2, 1]),
        node("MatMul", "t u", "scores", "scores"),
        node("Softmax", "scores", "odds", axis=-1),
        node("MatMul", "odds t", "mixed", "mixed"),
        node("ReduceMean", "mixed", "mean", axes=[2], keepdims=0),
        node("Gemm", "mean w3 b3", "y", "classes", transB=1, alpha=0.5, beta=2.0),
    ]
    constants = {
        "w1": weights(4, 2, 3, 3),
        "b1": weights(4),
        "w2": weights(4, 1, 3, 2),
        "s2": abs(weights(4)),
        "b2": weights(4),
        "m2": weights(4),
        "v2": abs(weights(4)),
        "shape": np.array([0, 4, -1]),
        "w3": weights(3, 4),
        "b3": weights(3),
    }
    return save(path, nodes, {"x": ["n", 2, 6, 5]}, ["y"], constants)


def plan(
    mac: str = "e4m3", acc: str = "bf16", size: str = "4x4", dataflow: str = "os", **settings: Any
) -> Plan:
    """Plan of an array, with settings of `Plan`."""
    return Plan(array=parse_array(size, parse_mac(mac, acc=acc), dataflow=dataflow), **settings)


def data(*shape: int) -> np.ndarray:
    """Random numbers, the same each time."""
    return np.random.default_rng(SEED).normal(size=shape).astype(np.float32)


def one_layer(
    folder: Path, operator: str, x: Sequence[int], w: Sequence[int] | np.ndarray, **attributes: Any
) -> tuple[Network, np.ndarray]:
    """Model of one layer and its weights, random ones of the shape ``w`` unless they are given."""
    weights = (
        w
        if isinstance(w, np.ndarray)
        else np.random.default_rng(SEED + 1).normal(size=w).astype(np.float32)
    )
    return load(
        save(
            folder / "m.onnx",
            [node(operator, "x w", "y", "layer", **attributes)],
            {"x": x},
            ["y"],
            {"w": weights},
        )
    ), weights


def result(
    network: Network, x: np.ndarray, chosen: Plan, **options: Any
) -> tuple[np.ndarray, NetworkResult, Quantizers]:
    """First output of a network, calibrated on what it is run on, all else and the scales."""
    quantizers = calibrate_network(network, [{"x": x}], chosen)
    outcome = run(network, [{"x": x}], chosen, quantizers, **options)
    return outcome.outputs[network.outputs[0]][0], outcome, quantizers
