# SPDX-License-Identifier: Apache-2.0
"""Operands of a layer: which tensor is which matrix, what is added afterwards."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hw.spec import SpecError
from hw.spec.errors import require
from sim.codes import NDArray
from sim.network.graph import Network, Step
from sim.network.lowering import Convolution, Lowering, MatrixProduct

__all__ = ["Layer", "layer"]

Singles = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer with its operands.

    Attributes
    ----------
    step
        The node.
    lowering
        How its tensors become matrices.
    x, w
        Tensors of the matrices A and B: B holds the weights, if there are any.
    is_constant
        Whether ``w`` is the same for all data.
    factor, bias
        The output is ``factor`` times the product, plus ``bias``.
    """

    step: Step
    lowering: Lowering
    x: Singles
    w: Singles
    is_constant: bool
    factor: float = 1.0
    bias: Singles | None = None

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
            found: Singles = a @ np.ascontiguousarray(self.lowering.right(self.w))
            return found

    def exact(self) -> Singles:
        """Output in FP32, nothing quantised."""
        return self.output(self.products())


def layer(network: Network, step: Step, inputs: tuple[NDArray | None, ...]) -> Layer:
    """Layer of a node for given inputs.

    Raises
    ------
    SpecError
        If their types or shapes are not supported; the message names the node.
    """
    noun = step.noun
    given: list[Singles] = []
    for x in inputs:
        if x is not None:
            require(x.dtype == np.float32, f"{noun} inputs", "float32", str(x.dtype))
            given.append(x)
    fixed = [name in network.constants for name in step.inputs[:2]]
    attributes, (a, b, *rest) = step.attributes, given
    made = _convolution if step.operator == "Conv" else _product
    found = made(step, a, b, turned=fixed[0] and not fixed[1])
    require(min(found.lowering.size) > 0, f"{noun} shapes", "such that no side is 0",
            (a.shape, b.shape))
    alpha, beta = (float(attributes.get(name, 1)) for name in ("alpha", "beta"))
    bias = rest[0] * np.float32(beta) if rest and beta != 1 else rest[0] if rest else None
    if step.operator == "Conv" and bias is not None:
        require(bias.size == b.shape[0], f"{noun} bias shape", f"({b.shape[0]},)", bias.shape)
        bias = bias.reshape(-1, *[1] * (a.ndim - 2))
    return Layer(step, found.lowering, found.x, found.w, any(fixed), alpha, bias)


@dataclass(frozen=True, slots=True)
class _Operands:
    lowering: Lowering
    x: Singles
    w: Singles


def _convolution(step: Step, a: Singles, b: Singles, *, turned: bool) -> _Operands:
    """Operands of a convolution: images and weights stay where they are."""
    return _Operands(Convolution(step.noun, step.attributes, a.shape, b.shape), a, b)


def _product(step: Step, a: Singles, b: Singles, *, turned: bool) -> _Operands:
    """Operands of a product, those of a constant first one turned."""
    for x in (a, b):
        if x.ndim < 1:
            raise SpecError(f"{step.noun} inputs must be of one side or more, not numbers")
    made = MatrixProduct(step.noun, a.shape, b.shape, turned=turned,
                         transpose_a=bool(step.attributes.get("transA", 0)),
                         transpose_b=bool(step.attributes.get("transB", 0)))
    return _Operands(made, *((b, a) if turned else (a, b)))
