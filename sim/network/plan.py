# SPDX-License-Identifier: Apache-2.0
"""What a network is run on, how its tensors are quantised, and the scales that data give.

Scales that fill the operands' formats make the largest products; 448 * 448 of E4M3 is beyond the
65,504 where FP16 ends. With headroom, scales are so large that the sums of a layer fit into the
accumulator: raising a scale by a power of two lowers the codes' exponents, which costs
floating-point operands no bit until they become subnormal, integers one bit each time.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hw.spec import ArraySpec, FixedAccumulator, Format, MacSpec, SpecError
from hw.spec.errors import require
from sim.codes import NDArray
from sim.network.graph import Network
from sim.network.operators import Layer
from sim.network.walk import Feed, Pair, walk
from sim.progress import Progress
from sim.quantize import (
    Per,
    Quantizer,
    Scheme,
    calibrate,
    load_quantizers,
    parse_scheme,
    save_quantizers,
)

#: Numbers of an activation that are kept of each run; their ends are always among them.
KEPT, SEED = 1 << 17, 0
#: Share of the accumulator's range that the sums seen in calibration may take with headroom; other
#: data and the sums on the way to the last one may be larger.
MARGIN = 0.5
#: What follows a layer's name in files of scales, for the matrices A and B.
ENDINGS = ("/a", "/b")

#: Scales of both operands of a layer, of blocks only the scheme; those of all layers by name.
LayerQuantizers = tuple[Quantizer | Scheme, Quantizer | Scheme]
Quantizers = Mapping[str, LayerQuantizers]


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """Array, and how weights and activations become its codes.

    Activations have the array's first format, weights the second; where a layer multiplies
    activations with activations, the second ones have the second format and the scheme of
    activations. Schemes may be spelled, with or without the format. With ``headroom`` scales are
    doubled until the sums that calibration saw leave half of the accumulator's range free.
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
            "per tensor or block, since K runs over their channels",
            str(self.of_activations),
        )
        both = (self.of_activations, self.of_weights)
        require(
            not any(scheme.zero_point for scheme in both)
            or all(scheme.per is not Per.BLOCK for scheme in both),
            "Plan schemes",
            "without zero_point beside blocks",
            ", ".join(map(str, both)),
        )
        require(
            not self.headroom
            or not any(scheme.zero_point or scheme.per is Per.BLOCK for scheme in both),
            "Plan schemes",
            "without zero_point and blocks beside headroom",
            ", ".join(map(str, both)),
        )
        require(self.array.out is None, "Plan array", "without an output stage", str(self.array))

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
        """Scheme of activations in the place of weights."""
        fmt: Format = self.array.mac.b
        scheme = self.of_activations
        return replace(scheme, fmt=fmt, zero_point=scheme.zero_point and fmt.is_integer)


def required(plan: Plan, layer: Layer) -> tuple[Scheme, Scheme]:
    """Schemes of both operands of a layer."""
    if not layer.is_constant:
        return plan.of_activations, plan.of_second_activations
    scheme = plan.of_weights
    if scheme.per is Per.CHANNEL and layer.lowering.channel_axis is None:
        scheme = replace(scheme, per=Per.TENSOR)  # A vector has no channels of its own.
    return plan.of_activations, scheme


@dataclass(frozen=True, slots=True)
class Observed:
    """A layer as calibration data went through it in FP32, samples of both operands, and the
    largest magnitudes (P, 1, N) of its products, of each run.
    """

    layer: Layer
    x: list[NDArray]
    w: list[NDArray]
    sums: list[NDArray]


def observe(
    network: Network, feeds: Iterable[Feed], progress: Progress | None = None
) -> dict[str, Observed]:
    """What ``feeds``, the inputs of each run by name, cause in every layer in FP32.

    It is the same for all plans.
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

    for feed in feeds:
        walk(network, feed, watch, progress or Progress(), "calibrating")
    require(bool(seen), "Calibration data", "at least one sample", "none")
    return seen


def _sample(x: NDArray) -> NDArray:
    """Numbers of ``x``, its ends among them."""
    if x.size <= KEPT:
        return x.ravel()
    chosen = np.random.default_rng(SEED).integers(0, x.size, KEPT)
    return np.concatenate([x.ravel()[chosen], [x.min(), x.max()]])


def choose(plan: Plan, observed: Mapping[str, Observed]) -> dict[str, LayerQuantizers]:
    """Both operands' quantisers by the name of the layer, for what `observe` gave."""
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
    """Choose the scales of every layer from what ``feeds``, as in `observe`, cause in FP32."""
    return choose(plan, observe(network, feeds, progress))


def _quantizer(scheme: Scheme, data: list[NDArray], axis: int | None = None) -> Quantizer | Scheme:
    """Quantiser for some data; blocks need none."""
    if scheme.per is Per.BLOCK:
        return scheme
    return calibrate(data, scheme, axis=axis if scheme.per is Per.CHANNEL else None)


def largest_sum(mac: MacSpec) -> float:
    """Largest finite sum that the accumulator of ``mac`` holds, as a number."""
    acc = mac.acc
    return math.ldexp(acc.max, acc.lsb) if isinstance(acc, FixedAccumulator) else float(acc.fmt.max)


def _with_headroom(
    mac: MacSpec, layer: Layer, sums: Sequence[NDArray], first: Quantizer, second: Quantizer
) -> tuple[Quantizer, Quantizer]:
    """Quantisers without zero points, their scales doubled as often as the sums need.

    ``sums`` are the largest magnitudes (P, 1, N) of the layer's products in FP32, of each run. The
    doublings are shared out, the odd one to the first.
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
    """Write the quantisers of a network to ``path``, whole or not at all, and hand it back."""
    return save_quantizers(
        path,
        {
            name + ending: each
            for name, both in quantizers.items()
            for ending, each in zip(ENDINGS, both, strict=True)
        },
    )


def load_calibration(path: str | Path) -> dict[str, LayerQuantizers]:
    """Quantisers that `save_calibration` wrote to ``path``.

    Raises
    ------
    SpecError
        If the file is not one that was written so.
    """
    flat = load_quantizers(path)
    names = list(dict.fromkeys(name[:-2] for name in flat))
    if sorted(flat) != sorted(name + ending for name in names for ending in ENDINGS):
        raise SpecError(
            "Quantizers file must be that of a network, with /a and /b of each layer, "
            f"not {str(path)!r}"
        )
    first, second = ENDINGS
    return {name: (flat[name + first], flat[name + second]) for name in names}
