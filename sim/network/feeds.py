# SPDX-License-Identifier: Apache-2.0
"""Data of a network from .npz and .npy files, cut into runs along the first axis."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hw.spec import SpecError
from hw.spec.errors import require
from sim.codes import NDArray
from sim.network.graph import Network
from sim.network.walk import check_feed

__all__ = ["feeds", "load_data"]


def load_data(path: Path, network: Network) -> dict[str, NDArray]:
    """Arrays by name of input: those of a .npz file, or the one of a .npy file.

    Raises
    ------
    SpecError
        If the file cannot be read or does not hold what the network is to be given.
    """
    try:
        with path.open("rb") as file:  # A broken file would be left open.
            found: Any = np.load(file, allow_pickle=False)
            if isinstance(found, np.ndarray):
                found = dict(zip([each.name for each in network.inputs], [found], strict=False))
            arrays = {name: np.asarray(found[name]) for name in found}
    # A cut .npz file is a broken zip, whose exceptions are many.
    except Exception as error:
        reason = getattr(error, "strerror", None) or "no .npz or .npy file of numbers"
        raise SpecError(f"Data file must be readable, not {str(path)!r} "
                        f"({reason.lower()})") from error
    return arrays


def feeds(network: Network, data: Mapping[str, NDArray], *, samples: int | None = None,
          batch: int | None = None) -> list[dict[str, NDArray]]:
    """Inputs of each run, checked: the first ``samples``, ``batch`` of them at a time.

    An input without sides is given to every run as it is.
    """
    counts = {len(x) for x in data.values() if x.ndim}
    require(len(counts) == 1, "Data", "arrays of equally many samples", sorted(counts))
    (count,) = counts
    if samples is not None:
        require(1 <= samples <= count, "Samples", f"from 1 to {count}", samples)
        count = samples
    if batch is not None:
        require(1 <= batch <= count and count % batch == 0, "Batch",
                f"a divisor of the {count} samples", batch)
    step = batch or count
    cut = [{name: x[start:start + step] if x.ndim else x for name, x in data.items()}
           for start in range(0, count, step)]
    for feed in cut:
        check_feed(network, feed)
    return cut
