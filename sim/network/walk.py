# SPDX-License-Identifier: Apache-2.0
"""Run data through a network, step by step, in FP32 and with quantised layers."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from hw.progress import Progress
from hw.spec import SpecError
from hw.spec.errors import require
from hw.spec.files import readable
from sim.codes import NDArray
from sim.dtypes import is_raw
from sim.network.graph import Network, Step
from sim.network.operators import DTYPES, Layer

BFLOAT16 = onnx.helper.tensor_dtype_to_np_dtype(onnx.TensorProto.BFLOAT16)
#: Inputs of one run of the network, by name.
Feed = Mapping[str, NDArray]


class Pair(NamedTuple):
    """A tensor in FP32 and with quantised layers: the same object until a layer is quantised."""

    exact: NDArray
    coded: NDArray


#: Computes the output of a layer. The arguments are the layer with FP32 and with quantised inputs.
Multiply = Callable[[Layer, Layer], Pair]


def load_data(path: Path, network: Network) -> dict[str, NDArray]:
    """Inputs by name, from a .npz file or, for a single input, a .npy file.

    Raises
    ------
    SpecError
        If the file cannot be read or does not hold the inputs of the network.
    """
    try:
        with readable(path).open("rb") as file:  # numpy would leave a broken file open.
            loaded: Any = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                loaded = dict(zip([each.name for each in network.inputs], [loaded], strict=False))
            return {name: np.asarray(loaded[name]) for name in loaded}
    # A truncated .npz file is a broken zip file, which raises many kinds of exceptions.
    except Exception as error:
        reason = getattr(error, "strerror", None) or "not a .npz or .npy file of numbers"
        raise SpecError(f"Data file {str(path)!r} cannot be read: {reason.lower()}") from error


def feeds(
    network: Network,
    data: Mapping[str, NDArray],
    *,
    samples: int | None = None,
    batch: int | None = None,
) -> list[dict[str, NDArray]]:
    """Check the inputs and split the first ``samples`` into runs of ``batch`` samples.

    A scalar input is passed to every run. By default a run has as many samples as the model's
    inputs declare, or all. Numbers of other dtypes are converted to those of the inputs.
    """
    dtypes = {each.name: each.dtype for each in network.inputs}
    data = {name: _converted(x, dtypes.get(name, x.dtype)) for name, x in data.items()}
    counts = {len(x) for x in data.values() if x.ndim}
    require(len(counts) == 1, "Data", "arrays with the same number of samples", sorted(counts))
    (count,) = counts
    require(count > 0, "Data samples", "1 or more", count)
    if samples is not None:
        require(1 <= samples <= count, "Samples", f"from 1 to {count}", samples)
        count = samples
    if batch is not None:
        require(
            1 <= batch <= count and count % batch == 0,
            "Batch",
            f"a divisor of the number of samples, {count}",
            batch,
        )
    declared = {each.shape[0] for each in network.inputs if each.shape}
    (fixed,) = declared if len(declared) == 1 else (None,)
    step = batch or (fixed if fixed and count % fixed == 0 else count)
    cut = [
        {name: x[start : start + step] if x.ndim else x for name, x in data.items()}
        for start in range(0, count, step)
    ]
    for feed in cut:
        _check_feed(network, feed)
    return cut


def _converted(x: NDArray, dtype: np.dtype[Any]) -> NDArray:
    """``x`` with another dtype if it holds its numbers: integers must stay as they are.

    numpy writes bfloat16 to files as raw bytes.
    """
    if is_raw(x.dtype) and x.dtype.itemsize == BFLOAT16.itemsize:
        x = x.view(BFLOAT16)
    is_number = x.dtype.kind in "fiu" or x.dtype == BFLOAT16
    if x.dtype == dtype or not is_number or dtype.name not in DTYPES:
        return x
    with np.errstate(over="ignore"):
        found: NDArray = x.astype(dtype)
    exact = x.dtype.kind not in "iu" or np.array_equal(found.astype(np.float64), x)
    return found if exact and np.array_equal(np.isfinite(found), np.isfinite(x)) else x


def _check_feed(network: Network, feed: Feed) -> None:
    """Raise unless names, dtypes and shapes are those of the model's inputs."""
    names = sorted(each.name for each in network.inputs)
    require(
        sorted(feed) == names,
        "Data",
        f"arrays named {', '.join(names)}",
        ", ".join(sorted(feed)) or "none",
    )
    for each in network.inputs:
        x = feed[each.name]
        require(x.dtype == each.dtype, f"Data {each.name!r} dtype", str(each.dtype), str(x.dtype))
        fits = len(x.shape) == len(each.shape) and all(
            want in (None, side) for want, side in zip(each.shape, x.shape, strict=True)
        )
        require(
            fits and x.size > 0,
            f"Data {each.name!r} shape",
            f"({', '.join('any' if side is None else str(side) for side in each.shape)})",
            x.shape,
        )


def walk(
    network: Network, feed: Feed, multiply: Multiply, progress: Progress, doing: str
) -> dict[str, Pair]:
    """Outputs of the network by name.

    Parameters
    ----------
    network, feed
        The network and its inputs.
    multiply
        Computes the layers.
    progress, doing
        Reports progress; the word that it begins with.
    """
    _check_feed(network, feed)
    tensors = {name: Pair(x, x) for name, x in feed.items()}
    tensors |= {name: Pair(x, x) for name, x in network.constants.items()}
    for number, step in enumerate(network.steps, 1):
        progress(f"{doing}: step {number} of {len(network.steps)}, {step.name} ({step.operator})")
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
    """Whether all inputs are still equal to FP32."""
    return all(pair is None or pair.exact is pair.coded for pair in given)


def _layer(network: Network, step: Step, given: list[Pair | None], multiply: Multiply) -> Pair:
    exact = network.layer(step, [pair and pair.exact for pair in given])
    if _same(given):
        return multiply(exact, exact)
    return multiply(exact, network.layer(step, [pair and pair.coded for pair in given]))


def _evaluate(step: Step, given: list[Pair | None]) -> list[Pair]:
    """Outputs of a step that is not a layer, computed once if both versions are the same."""
    exact = step.compute(*(pair and pair.exact for pair in given))
    if _same(given):
        return [Pair(x, x) for x in exact]
    coded = step.compute(*(pair and pair.coded for pair in given))
    return [Pair(*both) for both in zip(exact, coded, strict=True)]
