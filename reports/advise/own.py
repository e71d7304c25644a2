# SPDX-License-Identifier: Apache-2.0
"""A task made of a user's own model and data."""

from pathlib import Path
from typing import Any

import numpy as np

from hw.spec import SpecError
from hw.spec.errors import require
from reports.studies.networks.task import Outputs, Task
from sim.codes import NDArray
from sim.network import Network, load
from sim.network.feeds import feeds, load_data

__all__ = ["SQNR", "own_task"]

#: Name of the measure where there are no labels.
SQNR = "SQNR"
#: Random samples where no data are given, their seed, and the SQNR of an output without noise.
DRAWN, SEED, SILENT = 4, 0, 200.0


def own_task(model: Path, data: Path | None, labels: Path | None, samples: int | None) -> Task:
    """Task of a model: accuracy with labels, else the SQNR of its first output.

    Raises
    ------
    SpecError
        If a file cannot be read or does not fit the others.
    """
    network = load(model)
    given = _drawn(network) if data is None else load_data(data, network)
    feed = feeds(network, given, samples=samples)
    count = max((len(x) for x in feed[0].values() if x.ndim), default=1)
    if labels is None:
        score = _noise
    else:
        known = _labels(labels, count)

        def score(outputs: Outputs, reference: Outputs) -> dict[str, float]:
            best = np.concatenate(outputs).argmax(axis=-1)
            require(best.shape == known.shape, "Labels shape", f"{best.shape}, as the output has "
                    "rows", known.shape)
            return {"accuracy": float(100 * (best == known).mean())}

    return Task(name=model.stem, model=model, samples=count, licence="",
                data="random inputs" if data is None else data.name, feeds=tuple(feed),
                calibration=tuple(feed), score=score)


def _noise(outputs: Outputs, reference: Outputs) -> dict[str, float]:
    """SQNR of the output in dB."""
    got, wanted = (np.concatenate([each.ravel() for each in side]).astype(np.float64)
                   for side in (outputs, reference))
    error, signal = float(((got - wanted)**2).sum()), float((wanted**2).sum())
    if error == 0 or signal == 0:
        return {SQNR: SILENT if error == 0 else 0.0}
    return {SQNR: min(SILENT, 10 * float(np.log10(signal / error)))}


def _drawn(network: Network) -> dict[str, NDArray]:
    """Normally distributed inputs; sides that may have any size are 1, the first is `DRAWN`."""
    rng, found = np.random.default_rng(SEED), {}
    for each in network.inputs:
        require(each.dtype == np.float32 and bool(each.shape), "Data", "given by --data, since "
                f"input {each.name!r} is not of real numbers", None)
        rest = [side or 1 for side in each.shape[1:]]
        found[each.name] = rng.standard_normal((each.shape[0] or DRAWN, *rest), np.float32)
    return found


def _labels(path: Path, count: int) -> NDArray:
    """Classes of the samples."""
    try:
        found: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "no .npy file of numbers"
        raise SpecError(f"Labels file must be readable, not {str(path)!r} "
                        f"({reason.lower()})") from error
    is_whole = isinstance(found, np.ndarray) and found.dtype.kind in "iu" and found.ndim == 1
    require(is_whole, "Labels", "whole numbers, one a sample",
            getattr(found, "dtype", type(found).__name__))
    require(len(found) >= count, "Labels", f"at least {count}, one a sample", len(found))
    return np.asarray(found[:count])
