# SPDX-License-Identifier: Apache-2.0
"""Two small networks for the digits, trained in a way that can be repeated."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from reports.studies.finetune.rounding import Operands, Rounded
from sim.digits import Digits

__all__ = ["NETWORKS", "accuracy", "calibrate", "convolutional", "dense", "train", "with_operands"]

BATCH, STEP = 32, 2e-3
HIDDEN, CHANNELS = 32, (8, 16)


def dense() -> nn.Sequential:
    """The network of `synth.demo`: 64-32-10."""
    return nn.Sequential(nn.Flatten(), Rounded(nn.Linear(64, HIDDEN)), nn.ReLU(),
                         Rounded(nn.Linear(HIDDEN, 10)))


def convolutional() -> nn.Sequential:
    """Two convolutions of 3 x 3, each halved in size after it, and a dense layer."""
    first, second = CHANNELS
    return nn.Sequential(
        Rounded(nn.Conv2d(1, first, 3, padding=1)), nn.ReLU(), nn.MaxPool2d(2),
        Rounded(nn.Conv2d(first, second, 3, padding=1)), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), Rounded(nn.Linear(second * 4, 10)))


NETWORKS: dict[str, Callable[[], nn.Sequential]] = {
    "dense 64-32-10": dense, "convolutional 8-16": convolutional}


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


def train(network: nn.Sequential, digits: Digits, epochs: int, seed: int, *, step: float = STEP
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
    """Share of the test images that are told right, in percent."""
    with torch.no_grad():
        best = network(_images(digits.test_images)).argmax(dim=1)
    return 100 * float((best == torch.as_tensor(digits.test_labels)).float().mean())
