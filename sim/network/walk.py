# SPDX-License-Identifier: Apache-2.0
"""A network, step by step, in FP32 and with quantised layers side by side."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from hw.spec.errors import require
from sim.codes import NDArray
from sim.network.graph import Network, Step
from sim.network.layer import Layer, layer
from sim.progress import Progress

__all__ = ["Feed", "Multiply", "Pair", "check_feed", "walk"]

#: What a run of the network is given, by the name of the input.
Feed = Mapping[str, NDArray]


class Pair(NamedTuple):
    """A tensor in FP32, and what it is with quantised layers: the same object as long as it is."""

    exact: NDArray
    coded: NDArray


#: Output of a layer, which it is given with its inputs in FP32 and with those of quantised layers.
Multiply = Callable[[Layer, Layer], Pair]


def walk(network: Network, feed: Feed, multiply: Multiply, say: Progress,
         doing: str) -> dict[str, Pair]:
    """Outputs of the network by name.

    Parameters
    ----------
    network, feed
        The network and its inputs.
    multiply
        What computes the layers.
    say, doing
        Told how far it is, and what is done.
    """
    check_feed(network, feed)
    tensors = {name: Pair(x, x) for name, x in feed.items()}
    tensors |= {name: Pair(x, x) for name, x in network.constants.items()}
    for place, step in enumerate(network.steps):
        say(f"{doing}: step {place + 1} of {len(network.steps)}, {step.name} ({step.operator})")
        given = [tensors[name] if name else None for name in step.inputs]
        if step.is_layer:
            tensors[step.outputs[0]] = _layer(network, step, given, multiply)
        else:
            outputs = _evaluate(step, given)
            tensors |= dict(zip(step.outputs, outputs, strict=False))
        for name in step.dead:
            if name not in network.constants:
                tensors.pop(name, None)
    return {name: tensors[name] for name in network.outputs}


def _same(given: list[Pair | None]) -> bool:
    """Whether no input depends on a quantised layer."""
    return all(pair is None or pair.exact is pair.coded for pair in given)


def _layer(network: Network, step: Step, given: list[Pair | None], multiply: Multiply) -> Pair:
    """Output of a layer."""
    exact = layer(network, step, tuple(pair and pair.exact for pair in given))
    if _same(given):
        return multiply(exact, exact)
    return multiply(exact, layer(network, step, tuple(pair and pair.coded for pair in given)))


def _evaluate(step: Step, given: list[Pair | None]) -> list[Pair]:
    """Outputs of a step that is none, computed once where both are the same."""
    exact = step.compute(*(pair and pair.exact for pair in given))
    if _same(given):
        return [Pair(x, x) for x in exact]
    coded = step.compute(*(pair and pair.coded for pair in given))
    return [Pair(*both) for both in zip(exact, coded, strict=True)]


def check_feed(network: Network, feed: Feed) -> None:
    """Raise unless the inputs are those that the model asks for."""
    names = sorted(each.name for each in network.inputs)
    require(sorted(feed) == names, "Data", f"arrays by the names {', '.join(names)}",
            ", ".join(sorted(feed)) or "none")
    for each in network.inputs:
        x = feed[each.name]
        require(x.dtype == each.dtype, f"Data {each.name!r} dtype", str(each.dtype), str(x.dtype))
        fits = len(x.shape) == len(each.shape) and all(
            want in (None, side) for want, side in zip(each.shape, x.shape, strict=True))
        require(fits and x.size > 0, f"Data {each.name!r} shape",
                f"({', '.join('any' if side is None else str(side) for side in each.shape)})",
                x.shape)
