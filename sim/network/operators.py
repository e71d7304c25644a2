# SPDX-License-Identifier: Apache-2.0
"""ONNX operators that run on the array, as products of matrices ``C[M, N] = A[M, K] @ B[K, N]``.

An operator is one function, registered by its name: it makes a `Layer` of a node and its inputs.
The layer's lowering lays tensors out, real numbers or codes alike, as the matrices of P products of
the same size, and puts the results (P, M, N) back in place.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from hw.spec import SpecError
from hw.spec.errors import require
from sim.codes import NDArray

Attributes = Mapping[str, Any]
Shape = tuple[int, ...]
Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the model: its name, its operator, and attributes by name."""

    name: str
    operator: str
    attributes: Attributes

    @property
    def noun(self) -> str:
        """Subject of messages."""
        return f"Node {self.name!r} ({self.operator})"


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


@dataclass(frozen=True, slots=True)
class Layer:
    """One node of an operator on the array, with its operands.

    Attributes
    ----------
    node
        The node.
    lowering
        How its tensors become matrices.
    x, w
        Tensors of the matrices A and B: B holds the weights, if there are any.
    factor, bias
        The output is ``factor`` times the product, plus ``bias``.
    is_constant
        Whether ``w`` is the same for all data.
    """

    node: Node
    lowering: Lowering
    x: Singles
    w: Singles
    factor: float = 1.0
    bias: Singles | None = None
    is_constant: bool = False

    def output(self, results: NDArray) -> Singles:
        """Tensor that the node gives, from the products (P, M, N), in FP32."""
        with np.errstate(all="ignore"):
            joined = self.lowering.join(results.astype(np.float32, copy=False))
            if self.factor != 1:
                joined = joined * np.float32(self.factor)
            if self.bias is not None:
                joined = joined + self.bias
        return joined

    def products(self) -> Singles:
        """Products (P, M, N) in FP32, nothing quantised."""
        with np.errstate(all="ignore"):
            a = np.ascontiguousarray(self.lowering.left(self.x, np.float32(0)))
            products: Singles = a @ np.ascontiguousarray(self.lowering.right(self.w))
            return products

    def exact(self) -> Singles:
        """Output in FP32, nothing quantised."""
        return self.output(self.products())


#: What makes the layer of a node of its inputs, those that are not given left out; ``turned`` says
#: that the first one is the weights and the second is not.
Operator = Callable[..., Layer]
#: By the name of the operator.
OPERATORS: dict[str, Operator] = {}


def _on_array(name: str) -> Callable[[Operator], Operator]:
    """Register what makes the layers of an operator."""

    def register(operator: Operator) -> Operator:
        OPERATORS[name] = operator
        return operator

    return register


def layer(node: Node, inputs: Sequence[NDArray | None], constant: Sequence[bool]) -> Layer:
    """Layer of a node for given inputs, the first two of which are constants or not.

    Raises
    ------
    SpecError
        If their types or shapes are not supported; the message names the node.
    """
    given: list[Singles] = []
    for x in inputs:
        if x is not None:
            require(x.dtype == np.float32, f"{node.noun} inputs", "float32", str(x.dtype))
            given.append(x)
    made = OPERATORS[node.operator](node, *given, turned=constant[0] and not constant[1])
    require(
        min(made.lowering.size) > 0,
        f"{node.noun} shapes",
        "such that no side is 0",
        tuple(x.shape for x in given[:2]),
    )
    return replace(made, is_constant=any(constant))


@_on_array("Conv")
def _conv(
    node: Node, images: Singles, weights: Singles, bias: Singles | None = None, *, turned: bool
) -> Layer:
    """Images and weights stay where they are."""
    lowering = Convolution(node.noun, node.attributes, images.shape, weights.shape)
    if bias is not None:
        require(
            bias.size == weights.shape[0],
            f"{node.noun} bias shape",
            f"({weights.shape[0]},)",
            bias.shape,
        )
        bias = bias.reshape(-1, *[1] * (images.ndim - 2))
    return Layer(node, lowering, images, weights, bias=bias)


@_on_array("Gemm")
def _gemm(node: Node, a: Singles, b: Singles, c: Singles | None = None, *, turned: bool) -> Layer:
    """``alpha * A @ B + beta * C``, A and B transposed or not."""
    alpha, beta = (float(node.attributes.get(name, 1)) for name in ("alpha", "beta"))
    transposed = {
        f"transpose_{side}": bool(node.attributes.get(f"trans{side.upper()}", 0)) for side in "ab"
    }
    return replace(
        _matmul(node, a, b, turned=turned, **transposed),
        factor=alpha,
        bias=c if c is None or beta == 1 else c * np.float32(beta),
    )


@_on_array("MatMul")
def _matmul(
    node: Node,
    a: Singles,
    b: Singles,
    *,
    turned: bool,
    transpose_a: bool = False,
    transpose_b: bool = False,
) -> Layer:
    """Operands of a product, those of a constant first one turned."""
    if min(a.ndim, b.ndim) < 1:
        raise SpecError(f"{node.noun} inputs must be of one side or more, not numbers")
    lowering = MatrixProduct(
        node.noun, a.shape, b.shape, turned=turned, transpose_a=transpose_a, transpose_b=transpose_b
    )
    return Layer(node, lowering, *((b, a) if turned else (a, b)))


#: Operators that multiply matrices in a way that has no function here: FP32 would hide that.
REFUSED = (
    frozenset(
        {
            "Attention",
            "Conv",
            "ConvInteger",
            "ConvTranspose",
            "DeformConv",
            "Einsum",
            "GRU",
            "Gemm",
            "LSTM",
            "LinearAttention",
            "MatMul",
            "MatMulInteger",
            "QLinearConv",
            "QLinearMatMul",
            "RNN",
        }
    )
    - OPERATORS.keys()
)


class Convolution:
    """Convolution over any number of spatial axes, by im2col; a product for each group.

    K runs over the channels of a group and, within each, over the kernel; M over the images and,
    within each, over the places of the output.
    """

    def __init__(self, noun: str, attributes: Attributes, x: Shape, w: Shape) -> None:
        self._group, spatial = int(attributes.get("group", 1)), len(x) - 2
        require(
            spatial > 0 and len(w) == len(x),
            f"{noun} weights shape",
            f"of {max(len(x), 3)} sides, two more than the image's",
            w,
        )
        fits = x[1] == w[1] * self._group and w[0] % self._group == 0
        require(
            fits,
            f"{noun} weights shape",
            f"such that {self._group} groups of them fit {x[1]} channels",
            w,
        )
        self._kernel = w[2:]
        self._strides = _each(attributes, "strides", spatial)
        self._dilations = _each(attributes, "dilations", spatial)
        self._spans = [
            step * (side - 1) + 1 for step, side in zip(self._dilations, self._kernel, strict=True)
        ]
        self._pads = self._padding(attributes, x[2:])
        wide = [side + sum(pad) for side, pad in zip(x[2:], self._pads, strict=True)]
        self._places = tuple(
            (side - span) // step + 1
            for side, span, step in zip(wide, self._spans, self._strides, strict=True)
        )
        require(
            min(self._places) > 0,
            f"{noun} image shape",
            f"no smaller than the kernel's span {tuple(self._spans)}",
            x,
        )
        self._images = x[0]
        self.channel_axis: int | None = 0
        self.size = (
            self._group,
            x[0] * math.prod(self._places),
            w[1] * math.prod(w[2:]),
            w[0] // self._group,
        )

    def _padding(self, attributes: Attributes, sides: Shape) -> list[tuple[int, int]]:
        """Numbers of zeros before and after each spatial axis."""
        automatic = attributes.get("auto_pad", "NOTSET")
        if automatic == "VALID":
            return [(0, 0)] * len(sides)
        if automatic == "NOTSET":
            pads = [int(pad) for pad in attributes.get("pads", [0] * 2 * len(sides))]
            return list(zip(pads[: len(sides)], pads[len(sides) :], strict=True))
        # As many places as strides fit in; SAME_UPPER has the odd zero behind.
        missing = [
            max(0, (-(-side // step) - 1) * step + span - side)
            for side, step, span in zip(sides, self._strides, self._spans, strict=True)
        ]
        return [
            (pad // 2, pad - pad // 2) if automatic == "SAME_UPPER" else (pad - pad // 2, pad // 2)
            for pad in missing
        ]

    def left(self, x: NDArray, zero: Any) -> NDArray:
        """Matrices A, a row for each place of the output."""
        wide = np.pad(x, [(0, 0), (0, 0), *self._pads], constant_values=zero)
        axes = tuple(range(2, x.ndim))
        windows = sliding_window_view(wide, self._spans, axis=axes)
        steps = (
            slice(None),
            slice(None),
            *(slice(None, None, step) for step in self._strides),
            *(slice(None, None, step) for step in self._dilations),
        )
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

    def __init__(
        self,
        noun: str,
        a: Shape,
        b: Shape,
        *,
        transpose_a: bool = False,
        transpose_b: bool = False,
        turned: bool = False,
    ) -> None:
        self._flat = len(a) == 1, len(b) == 1
        self._transposed, self._turned = (transpose_a, transpose_b), turned
        left, right = (
            self._matrices(np.empty(shape, np.bool_), side) for side, shape in enumerate((a, b))
        )
        require(
            left.shape[-1] == right.shape[-2],
            f"{noun} shapes",
            "such that the inner sides are equal",
            (a, b),
        )
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
        return whole.squeeze(
            tuple(axis for axis, flat in zip((-2, -1), self._flat, strict=True) if flat)
        )
