# SPDX-License-Identifier: Apache-2.0
"""A network with its data and its measures.

Files come from installed packages. Nothing is downloaded, and none of their code runs.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from hw.spec import SpecError
from sim.codes import NDArray


class MissingPackage(SpecError):
    """A package of the extra ``networks`` is not installed."""


def package_file(module: str, name: str) -> Path:
    """File ``name`` below the folder of an installed package.

    Raises
    ------
    MissingPackage
        If the package is not installed or has no such file.
    """
    spec = find_spec(module)
    folders = (spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = Path(folder, name)
        if path.is_file():
            return path
    raise MissingPackage(
        f"Package {module} is not installed: run `make models`"
        if not folders
        else f"Package {module} has no file {name}: install the version in locks/networks.txt"
    )


#: Inputs of one run of the network, by name.
Feed = dict[str, NDArray]
#: First output of each run.
Outputs = Sequence[NDArray]
#: Measures of outputs compared with those in FP32; the first is the metric of the task.
Score = Callable[[Outputs, Outputs], dict[str, float]]
#: Score of each sample; higher is better.
Each = Callable[[Outputs, Outputs], npt.NDArray[np.int64]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One network, with its data and measures.

    Parameters
    ----------
    name
        Name in tables.
    model
        Its ONNX file.
    data
        Description and number of the samples.
    licence
        Package, version and licence of weights and data.
    feeds
        Inputs of each run.
    calibration
        Other inputs of the same kind, for choosing ranges.
    score
        Measures by name; shares are in percent. For the first one, higher is better.
    each
        Score of each sample, higher is better; None if samples have no score.
    compared
        Number of first runs in which every layer is compared with FP32.
    """

    name: str
    model: Path
    data: str
    samples: int
    licence: str
    feeds: tuple[Feed, ...]
    calibration: tuple[Feed, ...]
    score: Score
    each: Each | None = None
    compared: int = 1


def share(name: str, each: Each) -> Score:
    """Score with one measure: the percentage of correct samples."""
    return lambda outputs, reference: {name: float(100 * each(outputs, reference).mean())}


def correct(outputs: Outputs, labels: NDArray) -> npt.NDArray[np.int64]:
    """Whether the largest element of each row is at the index of its label."""
    return np.asarray(np.concatenate(outputs).argmax(axis=-1) == labels, np.int64)


def alike(outputs: Outputs, reference: Outputs) -> npt.NDArray[np.int64]:
    """Whether the largest element of each row has the same index."""
    return correct(outputs, np.concatenate(reference).argmax(axis=-1))


def relative_error(outputs: Outputs, reference: Outputs) -> float:
    """Root mean square difference, in percent of the root mean square of the reference."""
    got, wanted = (
        np.concatenate([each.ravel() for each in side]).astype(np.float64)
        for side in (outputs, reference)
    )
    return float(100 * np.sqrt(np.mean((got - wanted) ** 2) / np.mean(wanted**2)))
