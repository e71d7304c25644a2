# SPDX-License-Identifier: Apache-2.0
"""A trained network whose matrix products are done on codes: one scale a tensor."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import sim
from hw.spec import FixedAccumulator, Format, MacSpec
from sim.digits.network import Floats, Layer, forward

__all__ = ["CodeProduct", "Quantized", "QuantizedLayer", "quantize", "scale_of", "sums_to_float"]

Codes = npt.NDArray[Any]
#: ``product(index, a, b)``: accumulator codes of the product of codes in layer ``index``.
CodeProduct = Callable[[int, Codes, Codes], Codes]


@dataclass(frozen=True, slots=True)
class QuantizedLayer:
    """Codes of the weights, (K, N), and what one unit of activations and of weights is worth."""

    weights: Codes
    weight_scale: float
    input_scale: float


@dataclass(frozen=True, slots=True)
class Quantized:
    """A network and the codes of its weights for ``mac``. Bias, ReLU and scales are in float."""

    mac: MacSpec
    layers: list[Layer]
    codes: list[QuantizedLayer]

    def forward(self, images: Floats, product: CodeProduct | None = None) -> Floats:
        """Scores of the digits; the matrix products by ``product``, else by `sim.matmul`."""

        def multiply(index: int, x: Floats, _: Floats) -> Floats:
            layer = self.codes[index]
            a = sim.encode(x / layer.input_scale, self.mac.a)
            sums = (product or self.golden)(index, a, layer.weights)
            scale = layer.input_scale * layer.weight_scale
            scaled: Floats = (sums_to_float(sums, self.mac) * scale).astype(np.float32)
            return scaled

        return forward(images, self.layers, multiply)

    def golden(self, index: int, a: Codes, b: Codes) -> Codes:
        """Product of codes by the model."""
        codes: Codes = sim.matmul(a, b, self.mac)
        return codes


def scale_of(x: Floats, fmt: Format) -> float:
    """What to divide ``x`` by so that its largest magnitude becomes that of ``fmt``."""
    return float(np.abs(x).max()) / fmt.max


def quantize(layers: list[Layer], mac: MacSpec, images: Floats) -> Quantized:
    """Choose the scales, activations by those that ``images`` cause, and encode the weights."""
    inputs: list[Floats] = []

    def watch(index: int, x: Floats, weights: Floats) -> Floats:
        inputs.append(x)
        return x @ weights

    forward(images, layers, watch)
    codes = []
    for layer, x in zip(layers, inputs, strict=True):
        scale = scale_of(layer.weights, mac.b)
        codes.append(QuantizedLayer(sim.encode(layer.weights / scale, mac.b), scale,
                                    scale_of(x, mac.a)))
    return Quantized(mac, layers, codes)


def sums_to_float(sums: Codes, mac: MacSpec) -> npt.NDArray[np.float64]:
    """Values of accumulator codes as `sim.matmul` returns them."""
    if isinstance(mac.acc, FixedAccumulator):
        return np.asarray(sums, np.float64) * 2.0**mac.acc.lsb
    return np.asarray(sim.decode(sums, mac.acc.fmt), np.float64)
