# SPDX-License-Identifier: Apache-2.0
"""Layers on the array: tensors to codes, products of codes, sums back to real numbers.

What the array computes is bit for bit what `sim.matmul` gives. Scales, zero points and bias come
after it, in binary64 and then FP32; where blocks of 32 have scales of their own, each block of K is
a product on the array, and the scaled results are added up in FP32.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import ArraySpec, Flag
from hw.spec.errors import require
from sim.codes import NDArray
from sim.network.layer import Layer
from sim.progress import Progress
from sim.quantize import BLOCK, Quantizer, Scheme, encode_blocks
from sim.quantize.blocks import scale_values
from sim.quantize.nearest import values_of
from sim.run.engines import ENGINES
from sim.run.outcome import values_of_sums

__all__ = ["Operand", "Products", "activations", "weights"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Operand:
    """Matrices of codes and what they are worth.

    Attributes
    ----------
    codes
        (P, M, K) or (P, K, N).
    scale
        Goes with (P, M, N); or, with ``blocks``, with (P, blocks, M, N).
    zero
        Value that stands for zero, to go with (P, M, N).
    blocks
        Whether each block of K has a scale of its own.
    """

    codes: NDArray
    scale: Floats
    zero: Floats
    blocks: bool = False


def activations(layer: Layer, by: Quantizer | Scheme) -> Operand:
    """Matrices A of a layer."""
    if isinstance(by, Scheme):
        blocks = encode_blocks(layer.lowering.left(layer.x, np.float32(0)), by.fmt)
        scale = scale_values(blocks.scales).transpose(0, 2, 1)[..., None]
        return Operand(blocks.codes, scale, np.zeros(1), blocks=True)
    codes = layer.lowering.left(by.encode(layer.x), by.encode(np.zeros(1))[0])
    return Operand(np.ascontiguousarray(codes), by.scale, _zeros(by))


def weights(layer: Layer, by: Quantizer | Scheme) -> Operand:
    """Matrices B of a layer."""
    lowering = layer.lowering
    if isinstance(by, Scheme):
        blocks = encode_blocks(lowering.right(layer.w), by.fmt, axis=1)
        return Operand(blocks.codes, scale_values(blocks.scales)[:, :, None, :], np.zeros(1),
                       blocks=True)
    codes = np.ascontiguousarray(lowering.right(by.encode(layer.w)))
    scale, zero = by.scale, _zeros(by)
    if by.axis is not None:
        scale, zero = lowering.channels(scale), lowering.channels(zero)
    return Operand(codes, scale, zero)


def _zeros(by: Quantizer) -> Floats:
    """Values of the format that stand for zero."""
    return np.ldexp(by.zero_point.astype(np.float64), by.scheme.fmt.lsb)


class _Within(Progress):
    """Tells of the products of a layer, of which there may be hundreds, now and then only."""

    def __init__(self, say: Progress, layer: str) -> None:
        super().__init__()
        self._say, self._layer = say, layer

    def __call__(self, text: str) -> None:
        """Tell how far the layer is, if nothing was told for a while."""
        self._say(f"running: {self._layer}, {text}")

    def at_once(self, text: str) -> None:
        """As all else."""
        self(text)


class Products:
    """Runs layers on an array and counts its cycles.

    Parameters
    ----------
    array
        The array.
    backend
        One of `sim.run.engines.ENGINES`: ``fast``, ``vector``, ``cycle`` or ``rtl``.
    say
        Told how far it is.
    """

    def __init__(self, array: ArraySpec, backend: str, say: Progress) -> None:
        require(backend in ENGINES, "Backend", f"one of {', '.join(ENGINES)}", backend)
        self._array, self._say = array, say
        self._run = ENGINES[backend](array, say)
        self._weights: dict[str, Operand] = {}

    def __call__(self, layer: Layer, by: tuple[Quantizer | Scheme, Quantizer | Scheme]
                 ) -> tuple[NDArray, int]:
        """Products (P, M, N) of a layer in FP32, and the clock cycles that they take."""
        a, b = activations(layer, by[0]), self._right(layer, by[1])
        say = _Within(self._say, layer.step.name)
        if a.blocks or b.blocks:
            return self._by_blocks(a, b, say)
        sums, cycles = self._products(a.codes, b.codes, say)
        fmt_a, fmt_b = self._array.mac.a, self._array.mac.b
        # Sum of (a - za) (b - zb), of which the array has the sum of a b.
        if b.zero.any():
            sums -= b.zero * values_of(a.codes, fmt_a).sum(axis=2, keepdims=True)
        if a.zero.any():
            sums -= a.zero * values_of(b.codes, fmt_b).sum(axis=1, keepdims=True)
            sums += a.codes.shape[2] * a.zero * b.zero
        with np.errstate(all="ignore"):
            return (sums * (a.scale * b.scale)).astype(np.float32), cycles

    def _right(self, layer: Layer, by: Quantizer | Scheme) -> Operand:
        """Matrices B, those of constants made once."""
        if not layer.is_constant:
            return weights(layer, by)
        name = layer.step.name
        if name not in self._weights:
            self._weights[name] = weights(layer, by)
        return self._weights[name]

    def _products(self, a: NDArray, b: NDArray, say: Progress) -> tuple[Floats, int]:
        """Sums of all products as numbers, and cycles."""
        parts, cycles = [], 0
        for place, (x, y) in enumerate(zip(a, b, strict=True)):
            say(f"product {place + 1} of {len(a)}")
            got = self._run(x, y, say)
            cycles += got.cycles
            parts.append(_numbers(got.sums, got.flags, self._array.mac))
        return np.stack(parts), cycles

    def _by_blocks(self, a: Operand, b: Operand, say: Progress) -> tuple[NDArray, int]:
        """Products, a block of K after the other."""
        depth, cycles = a.codes.shape[2], 0
        total = np.zeros((len(a.codes), a.codes.shape[1], b.codes.shape[2]), np.float32)
        with np.errstate(all="ignore"):
            for place, start in enumerate(range(0, depth, BLOCK)):
                part = slice(start, start + BLOCK)
                sums, taken = self._products(a.codes[:, :, part], b.codes[:, part], say)
                cycles += taken
                left, right = (side.scale[:, place] if side.blocks else side.scale
                               for side in (a, b))
                total += (sums * left * right).astype(np.float32)
        return total, cycles


def _numbers(sums: NDArray, flags: NDArray, mac: Any) -> Floats:
    """Sums as numbers, NaN and infinities where flags beside a fixed-point sum say so."""
    numbers = values_of_sums(sums, mac)
    if flags.any():
        both = Flag.POS_INF | Flag.NEG_INF
        numbers[(flags & Flag.POS_INF) > 0] = np.inf
        numbers[(flags & Flag.NEG_INF) > 0] = -np.inf
        numbers[((flags & Flag.NAN) > 0) | ((flags & both) == both)] = np.nan
    return numbers
