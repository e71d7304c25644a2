# SPDX-License-Identifier: Apache-2.0
"""Run a network on a simulated array and, for comparison, in FP32.

Conv, Gemm and MatMul run on the array: tensors are quantised to codes, the array computes sums, and
the sums are converted to real numbers. The sums are bit-exact, equal to those of `sim.matmul`.
Scales, zero points and bias are applied afterwards in binary64, and the result is rounded to FP32.
With one scale per block of 32, each block of K is a separate product on the array, and the scaled
results are added in FP32.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hw.progress import Progress
from hw.spec import ArraySpec, SpecError
from hw.spec.errors import require
from sim.codes import NDArray
from sim.convert import values
from sim.network.graph import Network
from sim.network.operators import Layer
from sim.network.plan import LayerQuantizers, Plan, Quantizers, required
from sim.network.results import LayerResult, NetworkResult
from sim.network.walk import Feed, Pair, walk
from sim.quantize import BLOCK, Quantizer, Scheme, encode_blocks
from sim.quantize.nearest import values_of
from sim.run.engines import DEFAULT_ENGINE, ENGINES
from sim.vector.blocks import scale_values

Floats = npt.NDArray[np.float64]


def run(
    network: Network,
    feeds: Iterable[Feed],
    plan: Plan,
    quantizers: Quantizers,
    *,
    compare: bool = True,
    backend: str = DEFAULT_ENGINE,
    progress: Progress | None = None,
) -> NetworkResult:
    """Run a network on the array of ``plan``.

    Parameters
    ----------
    network
        The network.
    feeds
        Inputs of each run, by name.
    plan
        Array and schemes.
    quantizers
        Result of `calibrate_network` or `load_calibration` for the same plan.
    compare
        Whether to run the network in FP32 too and measure the noise of every layer.
    backend
        One of `sim.run.engines.ENGINES`. All give the same bits.
    progress
        Reports progress.

    Raises
    ------
    SpecError
        If a layer has no quantisers, its quantisers do not match the plan, or an input or
        intermediate tensor is not supported.
    """
    progress = progress or Progress()
    lacking = [step.name for step in network.layers if step.name not in quantizers]
    if lacking:
        raise SpecError(f"Quantizers are missing for the layer {lacking[0]!r}")
    on_array = _ArrayLayers(plan.array, backend, progress)
    results: dict[str, LayerResult] = {}

    def multiply(exact: Layer, coded: Layer) -> Pair:
        both = quantizers[coded.node.name]
        schemes = tuple(each if isinstance(each, Scheme) else each.scheme for each in both)
        require(
            schemes == required(plan, coded),
            f"{coded.node.noun} quantizers",
            " and ".join(map(str, required(plan, coded))),
            " and ".join(map(str, schemes)),
        )
        products, cycles = on_array.multiply(coded, both)
        output = coded.output(products)
        node, size = coded.node, coded.lowering.size
        result = results.setdefault(node.name, LayerResult(node.name, node.operator, *size))
        result.macs += math.prod(size)
        result.cycles += cycles
        if not compare:
            return Pair(output, output)
        wanted = exact.exact()
        result.own.add(wanted if exact is coded else coded.exact(), output)
        result.whole.add(wanted, output)
        return Pair(wanted, output)

    outputs: dict[str, list[Pair]] = {name: [] for name in network.outputs}
    for feed in feeds:
        for name, pair in walk(network, feed, multiply, progress, "running").items():
            outputs[name].append(pair)
    if not all(outputs.values()):
        raise SpecError("Data must have at least one sample")
    coded = {name: [pair.coded for pair in pairs] for name, pairs in outputs.items()}
    exact = {name: [pair.exact for pair in pairs] for name, pairs in outputs.items()}
    return NetworkResult(plan.array, list(results.values()), coded, exact if compare else {})


@dataclass(frozen=True, slots=True)
class Operand:
    """Matrices of codes with their scales.

    Attributes
    ----------
    codes
        (P, M, K) or (P, K, N).
    scale
        Broadcasts to (P, M, N), or with ``blocks`` to (P, blocks, M, N).
    zero
        Zero point; broadcasts to (P, M, N).
    blocks
        Whether each block of K has its own scale.
    """

    codes: NDArray
    scale: Floats
    zero: Floats
    blocks: bool = False


def activations(layer: Layer, by: Quantizer | Scheme) -> Operand:
    """Matrices A of a layer."""
    if isinstance(by, Scheme):
        blocks = encode_blocks(layer.lowering.left(layer.x, np.float32(0)), by.fmt)
        scale = scale_values(blocks.scales, blocks.scale).transpose(0, 2, 1)[..., None]
        return Operand(blocks.codes, scale, np.zeros(1), blocks=True)
    codes = layer.lowering.left(by.encode(layer.x), by.encode(np.zeros(1))[0])
    return Operand(np.ascontiguousarray(codes), by.scale, _zeros(by))


def weights(layer: Layer, by: Quantizer | Scheme) -> Operand:
    """Matrices B of a layer."""
    lowering = layer.lowering
    if isinstance(by, Scheme):
        blocks = encode_blocks(lowering.right(layer.w), by.fmt, axis=1)
        return Operand(
            blocks.codes,
            scale_values(blocks.scales, blocks.scale)[:, :, None, :],
            np.zeros(1),
            blocks=True,
        )
    codes = np.ascontiguousarray(lowering.right(by.encode(layer.w)))
    scale, zero = by.scale, _zeros(by)
    if by.axis is not None:
        scale, zero = lowering.channels(scale), lowering.channels(zero)
    return Operand(codes, scale, zero)


def _zeros(by: Quantizer) -> Floats:
    """Zero points as values of the format."""
    return np.ldexp(by.zero_point.astype(np.float64), by.scheme.fmt.lsb_exp)


class _ArrayLayers:
    """Runs the products of layers on an array."""

    def __init__(self, array: ArraySpec, backend: str, progress: Progress) -> None:
        require(backend in ENGINES, "Backend", f"one of {', '.join(ENGINES)}", backend)
        self._mac, self._progress = array.mac, progress
        self._run = ENGINES[backend](array, progress)
        self._weights: dict[str, Operand] = {}

    def multiply(self, layer: Layer, by: LayerQuantizers) -> tuple[NDArray, int]:
        """Products (P, M, N) of a layer in FP32, and their clock cycles."""
        a, name = activations(layer, by[0]), layer.node.name
        b = self._weights.get(name) or weights(layer, by[1])
        if layer.is_constant:
            self._weights[name] = b
        progress = _LayerProgress(self._progress, name)
        if a.blocks or b.blocks:
            return self._by_blocks(a, b, progress)
        sums, cycles = self._sums(a.codes, b.codes, progress)
        # Sum of (a - za) * (b - zb); the array computed the sum of a * b.
        if b.zero.any():
            sums -= b.zero * values_of(a.codes, self._mac.a).sum(axis=2, keepdims=True)
        if a.zero.any():
            sums -= a.zero * values_of(b.codes, self._mac.b).sum(axis=1, keepdims=True)
            sums += a.codes.shape[2] * a.zero * b.zero
        with np.errstate(all="ignore"):
            return (sums * (a.scale * b.scale)).astype(np.float32), cycles

    def _sums(self, a: NDArray, b: NDArray, progress: Progress) -> tuple[Floats, int]:
        """Sums of all products as real numbers, and cycles."""
        parts, cycles = [], 0
        for index, (x, y) in enumerate(zip(a, b, strict=True)):
            progress(f"product {index + 1} of {len(a)}")
            product = self._run(x, y, progress)
            cycles += product.cycles
            parts.append(values(product.codes, self._mac, product.flags))
        return np.stack(parts), cycles

    def _by_blocks(self, a: Operand, b: Operand, progress: Progress) -> tuple[NDArray, int]:
        """Products, one block of K after the other."""
        depth, cycles = a.codes.shape[2], 0
        total = np.zeros((len(a.codes), a.codes.shape[1], b.codes.shape[2]), np.float32)
        with np.errstate(all="ignore"):
            for block, start in enumerate(range(0, depth, BLOCK)):
                part = slice(start, start + BLOCK)
                sums, taken = self._sums(a.codes[:, :, part], b.codes[:, part], progress)
                cycles += taken
                left, right = (
                    side.scale[:, block] if side.blocks else side.scale for side in (a, b)
                )
                total += (sums * left * right).astype(np.float32)
        return total, cycles


class _LayerProgress(Progress):
    """Progress within a layer that has many products; reports are seconds apart."""

    def __init__(self, progress: Progress, layer: str) -> None:
        super().__init__()
        self._progress, self._layer = progress, layer

    def __call__(self, text: str) -> None:
        """Report the progress of the layer, unless the last report was a short time ago."""
        self._progress(f"running: {self._layer}, {text}")

    def at_once(self, text: str) -> None:
        """Limit these reports like all others."""
        self(text)
