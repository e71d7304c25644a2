# SPDX-License-Identifier: Apache-2.0
"""What a network is run on, how its tensors are quantised, and the scales that data give."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from hw.spec import ArraySpec, Format
from hw.spec.errors import require
from sim.codes import NDArray
from sim.network.graph import Network
from sim.network.headroom import with_headroom
from sim.network.layer import Layer
from sim.network.walk import Feed, Pair, walk
from sim.progress import Progress
from sim.quantize import Per, Quantizer, Scheme, calibrate, parse_scheme

__all__ = ["Plan", "Quantizers", "Seen", "calibrate_network", "choose", "observe", "required"]

#: Numbers of an activation that are kept of each run; their ends are always among them.
KEPT, SEED = 1 << 17, 0
#: Scales of both operands of each layer; of blocks only the scheme.
Quantizers = Mapping[str, tuple[Quantizer | Scheme, Quantizer | Scheme]]


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
            require(scheme.fmt == fmt, f"Plan {name} format", f"the array's {fmt.name}",
                    scheme.fmt.name)
            object.__setattr__(self, name, scheme)
        require(self.of_activations.per is not Per.CHANNEL, "Plan activations",
                "per tensor or block, since K runs over their channels",
                str(self.of_activations))
        both = (self.of_activations, self.of_weights)
        require(not any(scheme.zero_point for scheme in both)
                or all(scheme.per is not Per.BLOCK for scheme in both), "Plan schemes",
                "without zero_point beside blocks", ", ".join(map(str, both)))
        require(not self.headroom or not any(scheme.zero_point or scheme.per is Per.BLOCK
                                             for scheme in both), "Plan schemes",
                "without zero_point and blocks beside headroom", ", ".join(map(str, both)))
        require(self.array.out is None, "Plan array", "without an output stage",
                str(self.array))

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
class Seen:
    """A layer as calibration data went through it in FP32, samples of both operands, and the
    largest magnitudes (P, 1, N) of its products, of each run.
    """

    layer: Layer
    x: list[NDArray]
    w: list[NDArray]
    sums: list[NDArray]


def observe(network: Network, feeds: Iterable[Feed], say: Progress | None = None
            ) -> dict[str, Seen]:
    """What ``feeds`` cause in every layer in FP32; the same for all plans.

    Parameters
    ----------
    network
        The network.
    feeds
        Inputs of each run, by name.
    say
        Told how far it is.
    """
    seen: dict[str, Seen] = {}

    def watch(layer: Layer, _: Layer) -> Pair:
        name = layer.step.name
        before, products = seen.get(name, Seen(layer, [], [], [])), layer.products()
        seen[name] = Seen(layer, [*before.x, _sample(layer.x)],
                          before.w if layer.is_constant else [*before.w, _sample(layer.w)],
                          [*before.sums, abs(products).max(axis=1, keepdims=True)])
        result = layer.output(products)
        return Pair(result, result)

    for feed in feeds:
        walk(network, feed, watch, say or Progress(), "calibrating")
    require(bool(seen), "Calibration data", "at least one sample", "none")
    return seen


def choose(plan: Plan, seen: Mapping[str, Seen]
           ) -> dict[str, tuple[Quantizer | Scheme, Quantizer | Scheme]]:
    """Both operands' quantisers by the name of the layer, for what `observe` gave."""
    return {name: _scales(plan, each) for name, each in seen.items()}


def calibrate_network(network: Network, feeds: Iterable[Feed], plan: Plan,
                      say: Progress | None = None) -> dict[
                          str, tuple[Quantizer | Scheme, Quantizer | Scheme]]:
    """Choose the scales of every layer from what ``feeds`` cause in FP32.

    Parameters
    ----------
    network
        The network.
    feeds
        Inputs of each run, by name.
    plan
        How its tensors are quantised.
    say
        Told how far it is.

    Returns
    -------
    dict
        Both operands' quantisers by the name of the layer.
    """
    return choose(plan, observe(network, feeds, say))


def _scales(plan: Plan, seen: Seen) -> tuple[Quantizer | Scheme, Quantizer | Scheme]:
    """Quantisers of both operands of a layer."""
    layer = seen.layer
    schemes = required(plan, layer)
    first = _quantizer(schemes[0], seen.x)
    second = _quantizer(schemes[1], [layer.w] if layer.is_constant else seen.w,
                        layer.lowering.channel_axis)
    if plan.headroom and isinstance(first, Quantizer) and isinstance(second, Quantizer):
        return with_headroom(plan.array.mac, layer, seen.sums, (first, second))
    return first, second


def _quantizer(scheme: Scheme, data: list[NDArray], axis: int | None = None) -> Quantizer | Scheme:
    """Quantiser for some data; blocks need none."""
    if scheme.per is Per.BLOCK:
        return scheme
    return calibrate(data, scheme, axis=axis if scheme.per is Per.CHANNEL else None)


def _sample(x: NDArray) -> NDArray:
    """Numbers of ``x``, its ends among them."""
    if x.size <= KEPT:
        return x.ravel()
    places = np.random.default_rng(SEED).integers(0, x.size, KEPT)
    return np.concatenate([x.ravel()[places], [x.min(), x.max()]])
