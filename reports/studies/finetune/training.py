# SPDX-License-Identifier: Apache-2.0
"""Two small networks for the digits, trained with operands rounded to a format.

The forward pass rounds (fake quantisation). The backward pass does not: gradients pass through
numbers that did not saturate, and stop at the others (straight-through estimator, Bengio et al.
2013). Scales map the largest magnitude to that of the format, per output for weights and per
tensor for activations. The largest activation is taken from the training images.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hw.spec import CATALOG, PAPER_FORMATS, Format
from sim.digits import Digits
from sim.quantize.nearest import nearest


@dataclass(frozen=True, slots=True)
class Operands:
    """Formats of activations and weights; None does not round."""

    activations: Format | None = None
    weights: Format | None = None


def scheme(activations: str, weights: str) -> Operands:
    """Operands by the names of their formats."""
    return Operands(CATALOG[activations], CATALOG[weights])


#: The columns of the tables of arXiv 2303.17951.
SCHEMES = {
    "FP32": Operands(),
    **{name: scheme(fmt, fmt) for name, fmt in PAPER_FORMATS.items()},
    "W4A8": scheme("int8", "int4"),
    "W8A16": scheme("int16", "int8"),
}


class _Nearest(torch.autograd.Function):
    """Nearest representable multiple of the scale."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, fmt: Format) -> Tensor:
        scaled = (x / scale).numpy()
        ctx.save_for_backward(torch.from_numpy(abs(scaled) <= fmt.max))
        values = nearest(np.clip(scaled, -fmt.max, fmt.max), fmt)
        return torch.from_numpy(values.astype(np.float32)) * scale

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, None, None]:
        [inside] = ctx.saved_tensors
        return slope * inside, None, None


class Rounded(nn.Module):
    """A convolution or dense layer; ``largest`` is the largest activation in calibration."""

    largest: Tensor

    def __init__(self, layer: nn.Conv2d | nn.Linear) -> None:
        super().__init__()
        self.layer, self.operands, self.watching = layer, Operands(), False
        self.register_buffer("largest", torch.tensor(1.0))
        self._product: Callable[..., Tensor] = (
            nn.functional.conv2d if isinstance(layer, nn.Conv2d) else nn.functional.linear
        )

    def forward(self, x: Tensor) -> Tensor:
        """Output of the layer on rounded operands."""
        if self.watching:
            self.largest = torch.maximum(self.largest, x.detach().abs().max())
        weights, operands = self.layer.weight, self.operands
        if operands.activations:
            x = _Nearest.apply(x, self.largest / operands.activations.max, operands.activations)
        if operands.weights:
            sides = tuple(range(1, weights.ndim))
            largest = weights.detach().abs().amax(dim=sides, keepdim=True).clamp(min=1e-30)
            weights = _Nearest.apply(weights, largest / operands.weights.max, operands.weights)
        return self._product(x, weights, self.layer.bias, **self._settings)

    @property
    def _settings(self) -> dict[str, Any]:
        is_conv = isinstance(self.layer, nn.Conv2d)
        return {"padding": self.layer.padding} if is_conv else {}


BATCH, STEP = 32, 2e-3
HIDDEN, CHANNELS = 32, (8, 16)


def dense() -> nn.Sequential:
    """The network of the demo: 64-32-10."""
    return nn.Sequential(
        nn.Flatten(), Rounded(nn.Linear(64, HIDDEN)), nn.ReLU(), Rounded(nn.Linear(HIDDEN, 10))
    )


def convolutional() -> nn.Sequential:
    """Two 3 x 3 convolutions, each followed by pooling to half the size, and a dense layer."""
    first, second = CHANNELS
    return nn.Sequential(
        Rounded(nn.Conv2d(1, first, 3, padding=1)),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Rounded(nn.Conv2d(first, second, 3, padding=1)),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        Rounded(nn.Linear(second * 4, 10)),
    )


NETWORKS: dict[str, Callable[[], nn.Sequential]] = {
    "dense 64-32-10": dense,
    "convolutional 8-16": convolutional,
}


def _layers(network: nn.Sequential) -> list[Rounded]:
    return [layer for layer in network if isinstance(layer, Rounded)]


def _images(rows: object) -> Tensor:
    return torch.as_tensor(rows).reshape(-1, 1, 8, 8)


def calibrate(network: nn.Sequential, digits: Digits) -> None:
    """Take the largest activation of each layer from the training images, unrounded."""
    kept = [layer.operands for layer in _layers(network)]
    for layer in _layers(network):
        layer.operands, layer.watching, layer.largest = Operands(), True, torch.tensor(1e-30)
    with torch.no_grad():
        network(_images(digits.train_images))
    for layer, operands in zip(_layers(network), kept, strict=True):
        layer.operands, layer.watching = operands, False


def with_operands(network: nn.Sequential, operands: Operands, digits: Digits) -> nn.Sequential:
    """Copy of a network that rounds its operands, with ranges from the training images."""
    other = copy.deepcopy(network)
    for layer in _layers(other):
        layer.operands = operands
    calibrate(other, digits)
    return other


def train(
    network: nn.Sequential, digits: Digits, epochs: int, seed: int, *, step: float = STEP
) -> nn.Sequential:
    """Train a copy with cross entropy and Adam on rounded operands; ranges anew each epoch."""
    network = copy.deepcopy(network)
    images, labels = _images(digits.train_images), torch.as_tensor(digits.train_labels)
    optimizer = torch.optim.Adam(network.parameters(), lr=step)
    order = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        calibrate(network, digits)
        for chosen in torch.randperm(len(images), generator=order).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(images[chosen]), labels[chosen]).backward()
            optimizer.step()
    calibrate(network, digits)
    return network


def accuracy(network: nn.Sequential, digits: Digits) -> float:
    """Percentage of test images that are classified correctly."""
    with torch.no_grad():
        best = network(_images(digits.test_images)).argmax(dim=1)
    return 100 * float((best == torch.as_tensor(digits.test_labels)).float().mean())
