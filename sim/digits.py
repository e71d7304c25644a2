# SPDX-License-Identifier: Apache-2.0
"""Classify handwritten digits with a small network whose matrix products run on codes.

Training is deterministic. Each tensor is quantised with one scale.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

import sim
from hw.spec import Format, MacSpec

Floats = npt.NDArray[np.float32]

SEED = 1
#: Share of the images held out for testing.
TEST_SHARE = 0.25
HIDDEN = 32
EPOCHS = 60
BATCH = 32
#: Adam (Kingma and Ba 2015) with the decay rates of the paper.
STEP, DECAY_1, DECAY_2, EPSILON = 2e-3, 0.9, 0.999, 1e-8


@dataclass(frozen=True, slots=True)
class Digits:
    """Images of 8 x 8 pixels from 0 to 1, one row of 64 per image, and their labels."""

    train_images: Floats
    train_labels: npt.NDArray[np.int64]
    test_images: Floats
    test_labels: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Layer:
    """``y = x @ weights + bias``; weights (K, N)."""

    weights: Floats
    bias: Floats


def load_digits() -> Digits:
    """Load the 1,797 digits in scikit-learn (UCI, Alpaydin and Kaynak 1998), with a fixed split."""
    # Imported here because the import is slow; the package has no type hints.
    from sklearn.datasets import load_digits as bundled  # type: ignore[import-untyped]

    data = bundled()
    images = (data.data / 16).astype(np.float32)
    labels = data.target.astype(np.int64)
    order = np.random.default_rng(SEED).permutation(len(images))
    count = round(len(images) * TEST_SHARE)
    test, train_ = order[:count], order[count:]
    return Digits(images[train_], labels[train_], images[test], labels[test])


def forward(
    images: Floats,
    layers: list[Layer],
    product: Callable[[int, Floats, Floats], Floats] | None = None,
) -> Floats:
    """Scores of the digits, (images, 10), from layers with a ReLU between them.

    ``product(index, x, weights)`` multiplies the matrices of layer ``index``. The default
    multiplies in float32.
    """
    x = images
    for index, layer in enumerate(layers):
        y = product(index, x, layer.weights) if product else x @ layer.weights
        y = y + layer.bias
        x = np.maximum(y, 0) if index < len(layers) - 1 else y
    return x


def accuracy(scores: Floats, labels: npt.NDArray[np.int64]) -> float:
    """Share of the images that are classified correctly."""
    return float((scores.argmax(axis=1) == labels).mean())


def train(digits: Digits, *, epochs: int = EPOCHS, seed: int = SEED) -> list[Layer]:
    """Train a 64-32-10 network with cross entropy and Adam. The seed determines the result."""
    rng = np.random.default_rng(seed)
    sizes = (digits.train_images.shape[1], HIDDEN, int(digits.train_labels.max()) + 1)
    values: list[Floats] = []
    for inputs, outputs in pairwise(sizes):
        values.append(rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)).astype(np.float32))
        values.append(np.zeros(outputs, np.float32))
    first = [np.zeros_like(value) for value in values]
    second = [np.zeros_like(value) for value in values]
    step = 0
    for _ in range(epochs):
        order = rng.permutation(len(digits.train_images))
        for start in range(0, len(order), BATCH):
            step += 1
            chosen = order[start : start + BATCH]
            slopes = _slopes(digits.train_images[chosen], digits.train_labels[chosen], values)
            for value, m, v, slope in zip(values, first, second, slopes, strict=True):
                m += (1 - DECAY_1) * (slope - m)
                v += (1 - DECAY_2) * (slope**2 - v)
                scale = np.sqrt(1 - DECAY_2**step) / (1 - DECAY_1**step)
                value -= STEP * scale * m / (np.sqrt(v) + EPSILON)
    return [Layer(*values[place : place + 2]) for place in range(0, len(values), 2)]


def _slopes(x: Floats, labels: npt.NDArray[np.int64], values: list[Floats]) -> list[Any]:
    """Gradient of the mean cross entropy of a batch with respect to each of ``values``."""
    w1, b1, w2, b2 = values
    hidden = np.maximum(x @ w1 + b1, 0)
    scores = hidden @ w2 + b2
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    odds /= odds.sum(axis=1, keepdims=True)
    odds[np.arange(len(labels)), labels] -= 1
    odds /= len(labels)
    back = (odds @ w2.T) * (hidden > 0)
    return [x.T @ back, back.sum(axis=0), hidden.T @ odds, odds.sum(axis=0)]


Codes = npt.NDArray[Any]
#: ``product(index, a, b)`` multiplies codes in layer ``index`` and returns accumulator codes.
CodeProduct = Callable[[int, Codes, Codes], Codes]


@dataclass(frozen=True, slots=True)
class QuantizedLayer:
    """Codes of the weights, (K, N), and the scales of weights and activations."""

    weights: Codes
    weight_scale: float
    input_scale: float


@dataclass(frozen=True, slots=True)
class Quantized:
    """A network and the codes of its weights for ``mac``. Bias, ReLU and scaling are in float."""

    mac: MacSpec
    layers: list[Layer]
    codes: list[QuantizedLayer]

    def forward(self, images: Floats, product: CodeProduct | None = None) -> Floats:
        """Scores of the digits. Matrix products use ``product``, by default `sim.matmul`."""

        def multiply(index: int, x: Floats, _: Floats) -> Floats:
            layer = self.codes[index]
            a = sim.encode(x / layer.input_scale, self.mac.a)
            sums = (product or self.golden)(index, a, layer.weights)
            scale = layer.input_scale * layer.weight_scale
            scaled: Floats = (sim.values(sums, self.mac) * scale).astype(np.float32)
            return scaled

        return forward(images, self.layers, multiply)

    def golden(self, index: int, a: Codes, b: Codes) -> Codes:
        """Multiply codes with `sim.matmul`."""
        codes: Codes = sim.matmul(a, b, self.mac)
        return codes


def scale_of(x: Floats, fmt: Format) -> float:
    """Scale that maps the largest magnitude of ``x`` to the largest value of ``fmt``."""
    return float(np.abs(x).max()) / fmt.max


def quantize(layers: list[Layer], mac: MacSpec, images: Floats) -> Quantized:
    """Encode the weights, and choose activation scales from a float pass over ``images``."""
    inputs: list[Floats] = []

    def watch(index: int, x: Floats, weights: Floats) -> Floats:
        inputs.append(x)
        return x @ weights

    forward(images, layers, watch)
    codes = []
    for layer, x in zip(layers, inputs, strict=True):
        scale = scale_of(layer.weights, mac.b)
        codes.append(
            QuantizedLayer(sim.encode(layer.weights / scale, mac.b), scale, scale_of(x, mac.a))
        )
    return Quantized(mac, layers, codes)
