# SPDX-License-Identifier: Apache-2.0
"""Operands of long dot products: random ones, and those of the network of `synth.demo`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import sim
from hw.spec import MacSpec, parse_mac
from sim.digits import load_digits, quantize, scale_of, train

__all__ = ["FORMAT", "SEED", "SIDE", "Operands", "draw"]

Array = npt.NDArray[Any]

SEED = 1
FORMAT = "e4m3"
#: A product of matrices of this size at each K: 64 dot products.
SIDE = 8


@dataclass(frozen=True, slots=True)
class Operands:
    """Real numbers to multiply, ``a`` (SIDE, K) and ``b`` (K, SIDE), and what a unit is worth."""

    kind: str
    source: str
    a: Array
    b: Array
    scales: tuple[float, float]

    def codes(self, mac: MacSpec, headroom: int = 0) -> tuple[Array, Array]:
        """Codes of both, ``2**headroom`` below what the scales would make of them."""
        a_scale, b_scale = (scale * 2.0**headroom for scale in self.scales)
        return sim.encode(self.a / a_scale, mac.a), sim.encode(self.b / b_scale, mac.b)


def draw(depth: int, *, epochs: int | None = None) -> list[Operands]:
    """Operands of every kind for sums of up to ``depth`` products.

    ``epochs`` trains the network for the digits less long than `synth.demo` does.
    """
    rng = np.random.default_rng(SEED)
    a, b = rng.normal(size=(SIDE, depth)), rng.normal(size=(depth, SIDE))
    return [_scaled("gaussian", "normal distribution", a, b),
            _scaled("positive", "magnitudes of the same numbers", np.abs(a), np.abs(b)),
            _digits(depth, rng, {} if epochs is None else {"epochs": epochs})]


def _scaled(kind: str, source: str, a: Array, b: Array) -> Operands:
    """Operands with one scale a tensor, by its largest magnitude."""
    mac = parse_mac(FORMAT)
    return Operands(kind, source, a, b, (scale_of(a, mac.a), scale_of(b, mac.b)))


def _digits(depth: int, rng: np.random.Generator, options: dict[str, int]) -> Operands:
    """Pixels and weights of the first layer of `synth.demo`, one image and unit after another."""
    digits = load_digits()
    layers = train(digits, **options)
    [first, *_] = quantize(layers, parse_mac(FORMAT), digits.train_images).codes
    images, weights = digits.test_images, layers[0].weights
    count = -(-depth // images.shape[1])
    a = images[rng.integers(len(images), size=(SIDE, count))].reshape(SIDE, -1)
    b = weights.T[rng.integers(weights.shape[1], size=(SIDE, count))].reshape(SIDE, -1).T
    return Operands("digits", "test images and weights of the first layer of synth.demo, drawn "
                    f"again and again and joined along K; {images.shape[1]} products each",
                    a[:, :depth], b[:depth],
                    (first.input_scale, first.weight_scale))
