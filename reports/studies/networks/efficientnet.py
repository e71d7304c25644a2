# SPDX-License-Identifier: Apache-2.0
"""EfficientNet-Lite0 (Tan and Le 2019; the Lite variant of 2020) from its published weights.

Inverted residual blocks without squeeze-and-excitation, ReLU6, padding as TensorFlow's SAME, which
is one more at the right and below where it is odd. Batch normalisation is folded into the
convolution before it, as it is for deployment.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from reports.studies.networks.graph import Graph
from sim.codes import NDArray

__all__ = ["SIDE", "export"]

SIDE = 224
#: Of batch normalisation (TensorFlow's value for these weights).
EPSILON = 1e-3


class Stage(NamedTuple):
    """Blocks of the same kind; the first has the stride and changes the number of channels."""

    repeats: int
    kernel: int
    stride: int
    expand: int


STAGES = (Stage(1, 3, 1, 1), Stage(2, 3, 2, 6), Stage(2, 5, 2, 6), Stage(3, 3, 2, 6),
          Stage(3, 5, 1, 6), Stage(4, 5, 2, 6), Stage(1, 3, 1, 6))


class _Builder:
    """Adds convolutions to a graph and keeps track of the height of the images."""

    def __init__(self, weights: dict[str, NDArray]) -> None:
        self.graph = Graph("efficientnet-lite0")
        self.weights, self.side = weights, SIDE

    def conv(self, value: str, name: str, norm: str, stride: int = 1, *, group: int = 1,
             bounded: bool = True) -> str:
        """Convolution with the normalisation after it folded in; ReLU6 if ``bounded``."""
        weights, bias = self._folded(name, norm)
        kernel = weights.shape[-1]
        out = -(-self.side // stride)
        pad = max(0, (out - 1) * stride + kernel - self.side)
        self.side = out
        before, after = pad // 2, pad - pad // 2
        value = self.graph.add(
            "Conv", value, self.graph.constant(weights, f"{name}.weight"),
            self.graph.constant(bias, f"{name}.bias"), name=name, strides=[stride, stride],
            pads=[before, before, after, after], group=group, kernel_shape=[kernel, kernel])
        if not bounded:
            return value
        low, high = (self.graph.constant(np.float32(bound)) for bound in (0, 6))
        return self.graph.add("Clip", value, low, high)

    def _folded(self, name: str, norm: str) -> tuple[NDArray, NDArray]:
        w = self.weights
        scale = w[f"{norm}.weight"] / np.sqrt(w[f"{norm}.running_var"] + EPSILON)
        bias = w[f"{norm}.bias"] - w[f"{norm}.running_mean"] * scale
        folded = w[f"{name}.weight"] * scale[:, None, None, None]
        return folded.astype(np.float32), bias.astype(np.float32)

    def block(self, value: str, index: int, stage: Stage, stride: int) -> str:
        """Expand, filter each channel, project; added to the input where shapes allow."""
        name, start = f"_blocks.{index}", value
        channels = len(self.weights[f"{name}._depthwise_conv.weight"])
        if stage.expand > 1:
            value = self.conv(value, f"{name}._expand_conv", f"{name}._bn0")
        value = self.conv(value, f"{name}._depthwise_conv", f"{name}._bn1", stride, group=channels)
        value = self.conv(value, f"{name}._project_conv", f"{name}._bn2", bounded=False)
        inputs = channels // stage.expand
        same = stride == 1 and inputs == len(self.weights[f"{name}._project_conv.weight"])
        return self.graph.add("Add", value, start) if same else value


def export(weights: dict[str, NDArray], path: Path) -> Path:
    """Write the network as a model of images (N, 3, 224, 224), RGB from -1 to 1."""
    builder = _Builder(weights)
    graph = builder.graph
    value = builder.conv(graph.input("images", ["n", 3, SIDE, SIDE]), "_conv_stem", "_bn0", 2)
    index = 0
    for stage in STAGES:
        for repeat in range(stage.repeats):
            value = builder.block(value, index, stage, stage.stride if repeat == 0 else 1)
            index += 1
    value = builder.conv(value, "_conv_head", "_bn1")
    value = graph.add("Flatten", graph.add("GlobalAveragePool", value))
    value = graph.add("Gemm", value, graph.constant(weights["_fc.weight"].T, "_fc.weight"),
                      graph.constant(weights["_fc.bias"], "_fc.bias"), name="logits")
    return graph.save(path, {value: ["n", len(weights["_fc.bias"])]})
