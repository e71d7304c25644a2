# SPDX-License-Identifier: Apache-2.0
"""Layers whose operands are rounded to a format on the way forward (fake quantisation).

The way back ignores rounding: the gradient passes numbers that did not saturate, and no others (the
straight-through estimator, Bengio et al. 2013). Scales take the largest magnitude to that of the
format: of each output of the weights, of the whole tensor of activations, whose largest magnitude
is that of the training images.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hw.spec import CATALOG, PAPER_FORMATS, Format
from sim.quantize.nearest import nearest

__all__ = ["SCHEMES", "Operands", "Rounded", "scheme"]


@dataclass(frozen=True, slots=True)
class Operands:
    """Formats of activations and weights; None leaves them as they are."""

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
    """Nearest multiple of the scale that the format has."""

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
            nn.functional.conv2d if isinstance(layer, nn.Conv2d) else nn.functional.linear)

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
