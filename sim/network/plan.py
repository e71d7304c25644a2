# SPDX-License-Identifier: Apache-2.0
"""Plan of a run: the array, how tensors are quantised, and scales chosen from data.

Scales that use the full range of the operand formats can overflow the accumulator: in E4M3,
448 * 448 is above 65,504, the largest FP16 number. With headroom, scales are raised until the sums
of a layer fit the accumulator. Doubling a scale lowers the exponents of the codes by one: it costs
floating-point operands nothing until they become subnormal, and integers one bit each time.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hw.progress import Progress
from hw.spec import ArraySpec, FixedAccumulator, Format, MacSpec, SpecError
from hw.spec.errors import require
from sim.codes import NDArray
from sim.network.graph import Network
from sim.network.operators import Layer
from sim.network.walk import Feed, Pair, walk
from sim.quantize import (
    Per,
    Quantizer,
    Scheme,
    calibrate,
    load_quantizers,
    parse_scheme,
    save_quantizers,
)

#: Numbers kept per activation tensor and run, plus its minimum and maximum.
KEPT, SEED = 1 << 17, 0
#: With headroom, the share of the accumulator's range that sums in calibration may use. Partial
#: sums and sums of other data may be larger.
MARGIN = 0.5
#: Suffixes of a layer's name in files of scales, for the matrices A and B.
ENDINGS = ("/a", "/b")

#: Scales of both operands of a layer (for blocks only the scheme), and of all layers by name.
LayerQuantizers = tuple[Quantizer | Scheme, Quantizer | Scheme]
Quantizers = Mapping[str, LayerQuantizers]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Array and quantisation schemes of a run.

    Activations use the array's first format, weights the second. If a layer multiplies two
    activations, the second one uses the second format with the activations' scheme. Schemes may be
    given as text, with or without the format. With ``headroom``, scales are doubled until all sums
    seen in calibration use at most half of the accumulator's range.
    """

    array: ArraySpec
    weights: Scheme | str = ""
    activations: Scheme | str = ""
    headroom: bool = False

    def __post_init__(self) -> None:
        for name, fmt in (("weights", self.array.mac.b), ("activations", self.array.mac.a)):
            given = getattr(self, name)
            scheme = given if isinstance(given, Scheme) else parse_scheme(given, fmt=fmt)
            require(
                scheme.fmt == fmt, f"Plan {name} format", f"the array's {fmt.name}", scheme.fmt.name
            )
            object.__setattr__(self, name, scheme)
        require(
            self.of_activations.per is not Per.CHANNEL,
            "Plan activations",
            "per=tensor or per=block, because K runs over the channels",
            str(self.of_activations),
        )
        both = (self.of_activations, self.of_weights)
        zero_point = any(scheme.zero_point for scheme in both)
        blocks = any(scheme.per is Per.BLOCK for scheme in both)
        if zero_point and blocks:
            raise SpecError("zero_point=yes cannot be combined with per=block: drop one of them")
        if self.headroom and (zero_point or blocks):
            setting = "zero_point=yes" if zero_point else "per=block"
            raise SpecError(f"Headroom cannot be combined with {setting}: drop one of them")
        require(
            self.array.out is None, "Plan array", "one without an output stage", str(self.array)
        )

    @property
    def of_weights(self) -> Scheme:
        """Scheme of the weights."""
        assert isinstance(self.weights, Scheme)
        return self.weights

    @property
    def of_activations(self) -> Scheme:
        """Scheme of the activations."""
        assert isinstance(self.activations, Scheme)
        return self.activations

    @property
    def of_second_activations(self) -> Scheme:
        """Scheme of activations that take the place of weights."""
        fmt: Format = self.array.mac.b
        scheme = self.of_activations
        return replace(scheme, fmt=fmt, zero_point=scheme.zero_point and fmt.is_integer)


def required(plan: Plan, layer: Layer) -> tuple[Scheme, Scheme]:
    """Schemes of both operands of a layer."""
    if not layer.is_constant:
        return plan.of_activations, plan.of_second_activations
    scheme = plan.of_weights
    if scheme.per is Per.CHANNEL and layer.lowering.channel_axis is None:
        scheme = replace(scheme, per=Per.TENSOR)  # A vector has no channel axis.
    return plan.of_activations, scheme


@dataclass(frozen=True, slots=True)
class Observed:
    """What calibration in FP32 has recorded of a layer.

    Samples of both operands, and for each run the largest magnitudes (P, 1, N) of the products.
    """

    layer: Layer
    x: list[NDArray]
    w: list[NDArray]
    sums: list[NDArray]


def observe(
    network: Network, feeds: Iterable[Feed], progress: Progress | None = None
) -> dict[str, Observed]:
    """Run ``feeds``, the inputs of each run by name, in FP32 and record every layer.

    The result does not depend on a plan.
    """
    seen: dict[str, Observed] = {}

    def watch(layer: Layer, _: Layer) -> Pair:
        name = layer.node.name
        before, products = seen.get(name, Observed(layer, [], [], [])), layer.products()
        seen[name] = Observed(
            layer,
            [*before.x, _sample(layer.x)],
            before.w if layer.is_constant else [*before.w, _sample(layer.w)],
            [*before.sums, abs(products).max(axis=1, keepdims=True)],
        )
        result = layer.output(products)
        return Pair(result, result)

    network.require_layers()
    for feed in feeds:
        walk(network, feed, watch, progress or Progress(), "calibrating")
    if not seen:
        raise SpecError("Data for calibration must have at least one sample")
    return seen


def _sample(x: NDArray) -> NDArray:
    """Random numbers from ``x``, plus its minimum and maximum."""
    if x.size <= KEPT:
        return x.ravel()
    chosen = np.random.default_rng(SEED).integers(0, x.size, KEPT)
    return np.concatenate([x.ravel()[chosen], [x.min(), x.max()]])


def choose(plan: Plan, observed: Mapping[str, Observed]) -> dict[str, LayerQuantizers]:
    """Quantisers of both operands of each layer, from the result of `observe`."""
    chosen: dict[str, LayerQuantizers] = {}
    for name, each in observed.items():
        layer, schemes = each.layer, required(plan, each.layer)
        first = _quantizer(schemes[0], each.x)
        second = _quantizer(
            schemes[1], [layer.w] if layer.is_constant else each.w, layer.lowering.channel_axis
        )
        chosen[name] = first, second
        if plan.headroom and isinstance(first, Quantizer) and isinstance(second, Quantizer):
            chosen[name] = _with_headroom(plan.array.mac, layer, each.sums, first, second)
    return chosen


def calibrate_network(
    network: Network, feeds: Iterable[Feed], plan: Plan, progress: Progress | None = None
) -> dict[str, LayerQuantizers]:
    """Run ``feeds`` in FP32, as in `observe`, and choose the scales of every layer."""
    return choose(plan, observe(network, feeds, progress))


def _quantizer(scheme: Scheme, data: list[NDArray], axis: int | None = None) -> Quantizer | Scheme:
    """Quantiser calibrated on data; for blocks, just the scheme."""
    if scheme.per is Per.BLOCK:
        return scheme
    return calibrate(data, scheme, axis=axis if scheme.per is Per.CHANNEL else None)


def largest_sum(mac: MacSpec) -> float:
    """Largest finite value of the accumulator of ``mac``."""
    acc = mac.result
    return (
        math.ldexp(acc.max, acc.lsb_exp)
        if isinstance(acc, FixedAccumulator)
        else float(acc.fmt.max)
    )


def _with_headroom(
    mac: MacSpec, layer: Layer, sums: Sequence[NDArray], first: Quantizer, second: Quantizer
) -> tuple[Quantizer, Quantizer]:
    """Quantisers whose scales are doubled until the sums fit; they have no zero points.

    ``sums`` holds, for each run, the largest magnitudes (P, 1, N) of the layer's products in FP32.
    The doublings are shared between the operands; an odd one goes to the first.
    """
    scale = first.scale * (
        second.scale if second.axis is None else layer.lowering.channels(second.scale)
    )
    largest = max(float((each / scale).max()) for each in sums)
    require(math.isfinite(largest), f"{layer.node.noun} sums in calibration", "finite", largest)
    ratio = largest / (MARGIN * largest_sum(mac))
    doublings = max(0, math.ceil(math.log2(ratio))) if ratio > 0 else 0
    return (
        replace(first, scale=first.scale * 2.0 ** (doublings - doublings // 2)),
        replace(second, scale=second.scale * 2.0 ** (doublings // 2)),
    )


def save_calibration(path: str | Path, quantizers: Quantizers) -> Path:
    """Write the quantisers of a network to ``path`` atomically, and return the path."""
    return save_quantizers(
        path,
        {
            name + ending: each
            for name, both in quantizers.items()
            for ending, each in zip(ENDINGS, both, strict=True)
        },
    )


def load_calibration(path: str | Path) -> dict[str, LayerQuantizers]:
    """Read quantisers that `save_calibration` wrote.

    Raises
    ------
    SpecError
        If the file was not written by `save_calibration`.
    """
    flat = load_quantizers(path)
    first, second = ENDINGS
    names = list(dict.fromkeys(name[:-2] for name in flat))
    if sorted(flat) != sorted(name + ending for name in names for ending in ENDINGS):
        raise SpecError(
            f"Quantizers file {str(path)!r} must have the entries LAYER{first} and LAYER{second} "
            "for each layer"
        )
    return {name: (flat[name + first], flat[name + second]) for name in names}
