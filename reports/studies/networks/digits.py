# SPDX-License-Identifier: Apache-2.0
"""The digit classifier of the demo, as an ONNX model."""

from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from reports.studies.networks.models import Graph
from reports.studies.networks.task import Outputs, Task, correct, share
from sim.digits import Layer, load_digits, train

#: Number of training images for calibration.
CALIBRATION = 256


def export(layers: list[Layer], path: Path) -> Path:
    """Write the layers, with a ReLU between them, as a model of images (N, 64)."""
    graph = Graph("digits")
    value = graph.input("images", ["n", len(layers[0].weights)])
    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        value = graph.add(
            "Gemm",
            value,
            graph.constant(layer.weights, f"weights_{index}"),
            graph.constant(layer.bias, f"bias_{index}"),
            name="scores" if last else f"layer_{index}",
        )
        if not last:
            value = graph.add("Relu", value)
    return graph.save(path, {value: ["n", layers[-1].weights.shape[1]]})


def task(folder: Path, samples: int | None = None) -> Task:
    """Train the network reproducibly, and use its test images."""
    digits = load_digits()
    images, labels = digits.test_images[:samples], digits.test_labels[:samples]

    def right(outputs: Outputs, reference: Outputs) -> npt.NDArray[np.int64]:
        return correct(outputs, labels)

    return Task(
        name="digits",
        model=export(train(digits), folder / "digits.onnx"),
        samples=len(images),
        data="test images of the digits of scikit-learn",
        licence=f"scikit-learn {metadata.version('scikit-learn')}, BSD-3-Clause; digits CC BY 4.0",
        feeds=({"images": images},),
        calibration=({"images": digits.train_images[:CALIBRATION]},),
        score=share("accuracy", right),
        each=right,
    )
