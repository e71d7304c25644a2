# SPDX-License-Identifier: Apache-2.0
"""Lower ONNX operators to matrix products ``C[M, N] = A[M, K] @ B[K, N]`` on the array.

Each operator is one function, registered by name, that makes a `Layer` from a node and its inputs.
The layer's lowering rearranges tensors of real numbers or codes into the matrices of P products of
equal size, and rearranges the results (P, M, N) into the output tensor.
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
FP32: np.dtype[Any] = np.dtype(np.float32)
#: Dtypes of tensors that layers multiply, all in FP32.
DTYPES = ("float32", "float16", "bfloat16")
DTYPES_TEXT = f"{', '.join(DTYPES[:-1])} or {DTYPES[-1]}"
#: Most numbers of a padded tensor of images.
LARGEST = 1 << 32


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the model: its name, operator and attributes."""

    name: str
    operator: str
    attributes: Attributes

    @property
    def noun(self) -> str:
        """How error messages name the node."""
        return f"Node {self.name!r} ({self.operator})"


class Lowering(Protocol):
    """Lowering of one operator, on tensors of given shapes, to matrix products."""

    #: Products, and the sides of each.
    size: tuple[int, int, int, int]
    #: Axis of the weight tensor that corresponds to N; None if there is none.
    channel_axis: int | None

    def left(self, x: NDArray, zero: Any) -> NDArray:
        """Matrices A (P, M, K) of the activations, padded with ``zero``."""

    def right(self, w: NDArray) -> NDArray:
        """Matrices B (P, K, N) of the weights, or of the second activations."""

    def channels(self, each: NDArray) -> NDArray:
        """One number per channel, shaped to broadcast with the results (P, M, N)."""

    def join(self, results: NDArray) -> NDArray:
        """Output tensor from the results (P, M, N)."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A node that runs on the array, with its operands.

    Attributes
    ----------
    node
        The node.
    lowering
        How its tensors become matrices.
    x, w
        Tensors that become the matrices A and B. B holds the weights, if there are any.
    factor, bias
        The output is ``factor`` times the product, plus ``bias``.
    is_constant
        Whether ``w`` is the same for all data.
    dtype
        Of the output in the model. The layer is computed in FP32.
    """

    node: Node
    lowering: Lowering
    x: Singles
    w: Singles
    factor: float = 1.0
    bias: Singles | None = None
    is_constant: bool = False
    dtype: np.dtype[Any] = FP32

    def output(self, results: NDArray) -> Singles:
        """Output tensor of the node in its dtype, from the products (P, M, N)."""
        with np.errstate(all="ignore"):
            joined = self.lowering.join(results.astype(np.float32, copy=False))
            if self.factor != 1:
                joined = joined * np.float32(self.factor)
            if self.bias is not None:
                joined = joined + self.bias
            return joined.astype(self.dtype, copy=False)

    def products(self) -> Singles:
        """Products (P, M, N) in FP32, without quantisation."""
        with np.errstate(all="ignore"):
            a = np.ascontiguousarray(self.lowering.left(self.x, np.float32(0)))
            products: Singles = a @ np.ascontiguousarray(self.lowering.right(self.w))
            return products

    def exact(self) -> Singles:
        """Output without quantisation."""
        return self.output(self.products())


#: Makes the layer of a node from its inputs. ``turned`` is true if the first input is the weights
#: and the second is not.
Operator = Callable[..., Layer]
#: By name of the operator.
OPERATORS: dict[str, Operator] = {}


def _on_array(name: str) -> Callable[[Operator], Operator]:
    """Register a function that makes the layers of an operator."""

    def register(operator: Operator) -> Operator:
        OPERATORS[name] = operator
        return operator

    return register


def layer(node: Node, inputs: Sequence[NDArray | None], constant: Sequence[bool]) -> Layer:
    """Layer of a node for given inputs. ``constant`` marks which of the first two are constants.

    Raises
    ------
    SpecError
        If their types or shapes are not supported; the message names the node.
    """
    given: list[Singles] = []
    dtype = FP32
    for x in inputs:
        if x is not None:
            require(x.dtype.name in DTYPES, f"{node.noun} inputs", DTYPES_TEXT, x.dtype.name)
            dtype = x.dtype
            given.append(x.astype(np.float32, copy=False))
    made = OPERATORS[node.operator](node, *given, turned=constant[0] and not constant[1])
    require(
        min(made.lowering.size) > 0,
        f"{node.noun} shapes",
        "without a side of 0",
        tuple(x.shape for x in given[:2]),
    )
    return replace(made, is_constant=any(constant), dtype=dtype)


@_on_array("Conv")
def _conv(
    node: Node, images: Singles, weights: Singles, bias: Singles | None = None, *, turned: bool
) -> Layer:
    """Images are the activations, weights the second input."""
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
    """Layer of a matrix product, transposed if the weights are on the left."""
    if min(a.ndim, b.ndim) < 1:
        raise SpecError(f"{node.noun} inputs must have at least one dimension, not be scalars")
    lowering = MatrixProduct(
        node.noun, a.shape, b.shape, turned=turned, transpose_a=transpose_a, transpose_b=transpose_b
    )
    return Layer(node, lowering, *((b, a) if turned else (a, b)))


#: Operators that multiply matrices but are not lowered here. Running them in FP32 would hide that.
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
    """Convolution over any number of spatial axes, by im2col, with one product per group.

    K runs over the channels of a group and, for each channel, over the kernel. M runs over the
    images and, for each image, over the output positions.
    """

    def __init__(self, noun: str, attributes: Attributes, x: Shape, w: Shape) -> None:
        self._group, spatial = int(attributes.get("group", 1)), len(x) - 2
        require(self._group > 0, f"{noun} group", "1 or more", self._group)
        require(
            spatial > 0 and len(w) == len(x),
            f"{noun} weights shape",
            f"one of {max(len(x), 3)} dimensions, as many as the images have",
            w,
        )
        fits = x[1] == w[1] * self._group and w[0] % self._group == 0
        require(
            fits,
            f"{noun} weights shape",
            f"one for {x[1]} channels and group={self._group}",
            w,
        )
        self._kernel = w[2:]
        declared = tuple(attributes.get("kernel_shape", self._kernel))
        require(declared == self._kernel, f"{noun} kernel_shape", str(self._kernel), declared)
        self._strides = _numbers(noun, attributes, "strides", spatial, 1)
        self._dilations = _numbers(noun, attributes, "dilations", spatial, 1)
        self._spans = [
            step * (side - 1) + 1 for step, side in zip(self._dilations, self._kernel, strict=True)
        ]
        self._pads = self._padding(noun, attributes, x[2:])
        wide = [side + sum(pad) for side, pad in zip(x[2:], self._pads, strict=True)]
        require(
            math.prod([*x[:2], *wide]) <= LARGEST,
            f"{noun} pads",
            f"those of images with at most {LARGEST:,} numbers",
            [pad for pads in self._pads for pad in pads],
        )
        self._places = tuple(
            (side - span) // step + 1
            for side, span, step in zip(wide, self._spans, self._strides, strict=True)
        )
        require(
            min(self._places) > 0,
            f"{noun} image shape",
            f"at least the kernel's extent {tuple(self._spans)}",
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

    def _padding(self, noun: str, attributes: Attributes, sides: Shape) -> list[tuple[int, int]]:
        """Padding before and after each spatial axis."""
        automatic = attributes.get("auto_pad", "NOTSET")
        if automatic == "VALID":
            return [(0, 0)] * len(sides)
        if automatic == "NOTSET":
            pads = _numbers(noun, attributes, "pads", 2 * len(sides), 0)
            return list(zip(pads[: len(sides)], pads[len(sides) :], strict=True))
        # ceil(side / stride) outputs; SAME_UPPER puts the odd zero at the end.
        missing = [
            max(0, (-(-side // step) - 1) * step + span - side)
            for side, step, span in zip(sides, self._strides, self._spans, strict=True)
        ]
        return [
            (pad // 2, pad - pad // 2) if automatic == "SAME_UPPER" else (pad - pad // 2, pad // 2)
            for pad in missing
        ]

    def left(self, x: NDArray, zero: Any) -> NDArray:
        """Matrices A, one row per output position."""
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
        """Matrices B, one column per output channel."""
        count, _, k, n = self.size
        return w.reshape(count, n, k).transpose(0, 2, 1)

    def channels(self, each: NDArray) -> NDArray:
        """One number per output channel."""
        return each.reshape(self._group, 1, -1)

    def join(self, results: NDArray) -> NDArray:
        """Images, (images, channels, spatial axes...)."""
        count, _, _, n = self.size
        split = results.reshape(count, self._images, -1, n).transpose(1, 0, 3, 2)
        return split.reshape(self._images, count * n, *self._places)


def _numbers(noun: str, attributes: Attributes, name: str, count: int, least: int) -> list[int]:
    """Attribute of ``count`` whole numbers from ``least``, which is also the default."""
    numbers = [int(number) for number in attributes.get(name, [least] * count)]
    require(
        len(numbers) == count and min(numbers) >= least,
        f"{noun} {name}",
        f"{count} numbers of {least} or more",
        numbers,
    )
    return numbers


class MatrixProduct:
    """Product of stacks of matrices with the semantics of numpy's ``matmul``.

    Either side may be transposed. If the second tensor is a single matrix, the batch axes of the
    first become rows of one product. With ``turned`` the weights are on the left: the transposed
    product is computed, so that the weights are still the matrix B.
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
            "those with equal inner dimensions",
            (a, b),
        )
        self._rows, k, n = left.shape[-2], left.shape[-1], right.shape[-1]
        if turned:
            left, right = right.swapaxes(-1, -2), left.swapaxes(-1, -2)
            self._rows, n = left.shape[-2], right.shape[-1]
        try:
            self._batch = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
        except ValueError:
            require(False, f"{noun} shapes", "those with batch dimensions that broadcast", (a, b))
        self._joined = math.prod(right.shape[:-2]) == 1
        count = 1 if self._joined else math.prod(self._batch)
        rows = self._rows * math.prod(self._batch) if self._joined else self._rows
        self.size = (count, rows, k, n)
        # The axis of the weight tensor that corresponds to N.
        side = 0 if turned else 1
        last = (side == 1) != self._transposed[side]
        self.channel_axis: int | None = None if self._flat[side] else -1 if last else -2

    def _matrices(self, x: NDArray, side: int) -> NDArray:
        """Operand as matrices, before ``turned`` is applied."""
        if self._flat[side]:
            return x[None, :] if side == 0 else x[:, None]
        return x.swapaxes(-1, -2) if self._transposed[side] else x

    def left(self, x: NDArray, zero: Any) -> NDArray:
        """Matrices A, without padding."""
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
        """Broadcast to one matrix per product."""
        whole = np.broadcast_to(matrices, (*self._batch, *matrices.shape[-2:]))
        return whole.reshape(self.size[0], *sides)

    def channels(self, each: NDArray) -> NDArray:
        """One number per column."""
        return each.reshape(1, 1, -1)

    def join(self, results: NDArray) -> NDArray:
        """Output tensor with the batch axes of both operands. Axes added to vectors are dropped."""
        whole = results.reshape(*self._batch, self._rows, self.size[3])
        whole = whole.swapaxes(-1, -2) if self._turned else whole
        return whole.squeeze(
            tuple(axis for axis, flat in zip((-2, -1), self._flat, strict=True) if flat)
        )
