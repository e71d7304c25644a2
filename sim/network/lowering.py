# SPDX-License-Identifier: Apache-2.0
"""Convolutions and products of tensors as products of matrices, ``C[M, N] = A[M, K] @ B[K, N]``.

Every operator becomes P products of the same size. ``left`` and ``right`` lay out the tensors, real
numbers or codes alike, and ``join`` puts the results (P, M, N) back in place.
"""

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from hw.spec.errors import require
from sim.codes import NDArray

__all__ = ["Convolution", "Lowering", "MatrixProduct"]

Attributes = Mapping[str, Any]
Shape = tuple[int, ...]


class Lowering(Protocol):
    """How one operator on tensors of given shapes becomes matrix products."""

    #: Products, and the sides of each.
    size: tuple[int, int, int, int]
    #: Axis of the weights' tensor that N runs along; None if there is none.
    channel_axis: int | None

    def left(self, x: NDArray, zero: Any) -> NDArray:
        """Matrices A (P, M, K) of the activations; ``zero`` is what padding consists of."""

    def right(self, w: NDArray) -> NDArray:
        """Matrices B (P, K, N) of the weights, or of the second activations."""

    def channels(self, each: NDArray) -> NDArray:
        """One number a channel, shaped to go with the results (P, M, N)."""

    def join(self, results: NDArray) -> NDArray:
        """Tensor of the results (P, M, N)."""


class Convolution:
    """Convolution over any number of spatial axes, by im2col; a product for each group.

    K runs over the channels of a group and, within each, over the kernel; M over the images and,
    within each, over the places of the output.
    """

    def __init__(self, noun: str, attributes: Attributes, x: Shape, w: Shape) -> None:
        self._group, spatial = int(attributes.get("group", 1)), len(x) - 2
        require(spatial > 0 and len(w) == len(x), f"{noun} weights shape",
                f"of {max(len(x), 3)} sides, two more than the image's", w)
        fits = x[1] == w[1] * self._group and w[0] % self._group == 0
        require(fits, f"{noun} weights shape",
                f"such that {self._group} groups of them fit {x[1]} channels", w)
        self._kernel = w[2:]
        self._strides = _each(attributes, "strides", spatial)
        self._dilations = _each(attributes, "dilations", spatial)
        self._spans = [step * (side - 1) + 1
                       for step, side in zip(self._dilations, self._kernel, strict=True)]
        self._pads = self._padding(attributes, x[2:])
        wide = [side + sum(pad) for side, pad in zip(x[2:], self._pads, strict=True)]
        self._places = tuple((side - span) // step + 1 for side, span, step
                             in zip(wide, self._spans, self._strides, strict=True))
        require(min(self._places) > 0, f"{noun} image shape",
                f"no smaller than the kernel's span {tuple(self._spans)}", x)
        self._images = x[0]
        self.channel_axis: int | None = 0
        self.size = (self._group, x[0] * math.prod(self._places), w[1] * math.prod(w[2:]),
                     w[0] // self._group)

    def _padding(self, attributes: Attributes, sides: Shape) -> list[tuple[int, int]]:
        """Numbers of zeros before and after each spatial axis."""
        automatic = attributes.get("auto_pad", "NOTSET")
        if automatic == "VALID":
            return [(0, 0)] * len(sides)
        if automatic == "NOTSET":
            pads = [int(pad) for pad in attributes.get("pads", [0] * 2 * len(sides))]
            return list(zip(pads[:len(sides)], pads[len(sides):], strict=True))
        # As many places as strides fit in; SAME_UPPER has the odd zero behind.
        missing = [max(0, (-(-side // step) - 1) * step + span - side) for side, step, span
                   in zip(sides, self._strides, self._spans, strict=True)]
        return [(pad // 2, pad - pad // 2) if automatic == "SAME_UPPER" else
                (pad - pad // 2, pad // 2) for pad in missing]

    def left(self, x: NDArray, zero: Any) -> NDArray:
        """Matrices A, a row for each place of the output."""
        wide = np.pad(x, [(0, 0), (0, 0), *self._pads], constant_values=zero)
        axes = tuple(range(2, x.ndim))
        windows = sliding_window_view(wide, self._spans, axis=axes)
        steps = (slice(None), slice(None), *(slice(None, None, step) for step in self._strides),
                 *(slice(None, None, step) for step in self._dilations))
        chosen = windows[steps]
        groups = chosen.reshape(x.shape[0], self._group, -1, *chosen.shape[2:])
        spatial = len(axes)
        order = (1, 0, *range(3, 3 + spatial), 2, *range(3 + spatial, 3 + 2 * spatial))
        count, m, k, _ = self.size
        return groups.transpose(order).reshape(count, m, k)

    def right(self, w: NDArray) -> NDArray:
        """Matrices B, a column for each channel of the output."""
        count, _, k, n = self.size
        return w.reshape(count, n, k).transpose(0, 2, 1)

    def channels(self, each: NDArray) -> NDArray:
        """One number a channel of the output."""
        return each.reshape(self._group, 1, -1)

    def join(self, results: NDArray) -> NDArray:
        """Images: (images, channels, places...)."""
        count, _, _, n = self.size
        split = results.reshape(count, self._images, -1, n).transpose(1, 0, 3, 2)
        return split.reshape(self._images, count * n, *self._places)


def _each(attributes: Attributes, name: str, spatial: int) -> list[int]:
    """One positive number a spatial axis, 1 unless given."""
    return [int(number) for number in attributes.get(name, [1] * spatial)]


class MatrixProduct:
    """Product of tensors of matrices, as numpy's ``matmul`` has it, either side transposed or not.

    Where the second tensor has no further axes, those of the first are rows of one product.
    With ``turned`` the weights are on the left: their product is computed transposed, so that they
    are the matrix B all the same.
    """

    def __init__(self, noun: str, a: Shape, b: Shape, *, transpose_a: bool = False,
                 transpose_b: bool = False, turned: bool = False) -> None:
        self._flat = len(a) == 1, len(b) == 1
        self._transposed, self._turned = (transpose_a, transpose_b), turned
        left, right = (self._matrices(np.empty(shape, np.bool_), side) for side, shape
                       in enumerate((a, b)))
        require(left.shape[-1] == right.shape[-2], f"{noun} shapes",
                "such that the inner sides are equal", (a, b))
        self._rows, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
        if turned:
            left, right = right.swapaxes(-1, -2), left.swapaxes(-1, -2)
            self._rows, n = left.shape[-2], right.shape[-1]
        try:
            self._batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        except ValueError:
            require(False, f"{noun} shapes", "such that the outer sides match", (a, b))
        self._joined = math.prod(right.shape[:-2]) == 1
        count = 1 if self._joined else math.prod(self._batch)
        rows = self._rows * math.prod(self._batch) if self._joined else self._rows
        self.size = (count, rows, k, n)
        # The weights' own axis that N runs along.
        side = 0 if turned else 1
        last = (side == 1) != self._transposed[side]
        self.channel_axis: int | None = None if self._flat[side] else -1 if last else -2

    def _matrices(self, x: NDArray, side: int) -> NDArray:
        """Operand of a side as matrices, before anything is turned."""
        if self._flat[side]:
            return x[None, :] if side == 0 else x[:, None]
        return x.swapaxes(-1, -2) if self._transposed[side] else x

    def left(self, x: NDArray, zero: Any) -> NDArray:
        """Matrices A; nothing is padded."""
        turned = self._turned
        matrices = self._matrices(x, 1 if turned else 0)
        return self._spread(matrices.swapaxes(-1, -2) if turned else matrices, self.size[1:3])

    def right(self, w: NDArray) -> NDArray:
        """Matrices B."""
        turned = self._turned
        matrices = self._matrices(w, 0 if turned else 1)
        matrices = matrices.swapaxes(-1, -2) if turned else matrices
        if self._joined:
            return matrices.reshape(1, *matrices.shape[-2:])
        return self._spread(matrices, self.size[2:])

    def _spread(self, matrices: NDArray, sides: tuple[int, ...]) -> NDArray:
        """As many matrices as there are products."""
        whole = np.broadcast_to(matrices, (*self._batch, *matrices.shape[-2:]))
        return whole.reshape(self.size[0], *sides)

    def channels(self, each: NDArray) -> NDArray:
        """One number a column."""
        return each.reshape(1, 1, -1)

    def join(self, results: NDArray) -> NDArray:
        """Tensor with the outer sides of both operands; sides that were not given are dropped."""
        whole = results.reshape(*self._batch, self._rows, self.size[3])
        whole = whole.swapaxes(-1, -2) if self._turned else whole
        return whole.squeeze(tuple(axis for axis, flat in zip((-2, -1), self._flat, strict=True)
                                   if flat))
