# SPDX-License-Identifier: Apache-2.0
"""Named streams of operands, so that the energies of units are compared on the same data.

A stream has dot products of ``DEPTH`` pairs per lane, one pair per lane and cycle, without pauses.
Real numbers are drawn first, the same for every format, and then encoded with the scale that gives
the smallest mean squared error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

import sim
from hw.spec import Format, MacSpec
from hw.spec.errors import require

if TYPE_CHECKING:
    from sim.digits import Layer

Codes = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

#: Pairs per sum and lane.
DEPTH = 64
SEED = 20240601
#: Share of zeros in sparse activations.
ZEROS = 0.7
#: The normal quantile of ZEROS, at which a ReLU leaves this share of zeros.
THRESHOLD = 0.5244005127080407
#: Scales to try: the largest magnitude is mapped to the largest number times these.
OVERLOADS = 2.0 ** (np.arange(-4, 25) / 4)


@dataclass(frozen=True, slots=True)
class Stream:
    """Operand codes of some sums, (sums, DEPTH * lanes), lane 0 first in each cycle."""

    name: str
    a: Codes
    b: Codes

    @property
    def sums(self) -> int:
        """Number of dot products."""
        return len(self.a)


def make_stream(name: str, spec: MacSpec, sums: int = 64) -> Stream:
    """Stream ``name`` in the operand formats of ``spec``. Raises SpecError for an unknown name."""
    require(name in STREAMS, "Stream", f"one of {', '.join(STREAMS)}", name)
    require(sums >= 1, "Stream sums", "at least 1", sums)
    return Stream(name, *STREAMS[name](spec, sums))


def _uniform(spec: MacSpec, sums: int) -> tuple[Codes, Codes]:
    """All finite codes, with equal probability."""
    rng = np.random.default_rng(SEED)
    return _numbers(rng, spec.a, spec, sums), _numbers(rng, spec.b, spec, sums)


def _numbers(rng: np.random.Generator, fmt: Format, spec: MacSpec, sums: int) -> Codes:
    low, high = (fmt.min_units, fmt.max_units) if fmt.is_integer else (0, (1 << fmt.width) - 1)
    codes = np.arange(low, high + 1)
    codes = codes[np.isfinite(sim.decode(codes, fmt))]
    chosen: Codes = codes[rng.integers(0, len(codes), (sums, DEPTH * spec.lanes))]
    return chosen


def _gaussian(spec: MacSpec, sums: int) -> tuple[Codes, Codes]:
    """Normal activations and weights."""
    a, b = _normal(spec, sums)
    return quantised(a, spec.a), quantised(b, spec.b)


def _sparse(spec: MacSpec, sums: int) -> tuple[Codes, Codes]:
    """Activations after a ReLU, with a share of zeros, and normal weights."""
    a, b = _normal(spec, sums)
    return quantised(np.maximum(a - THRESHOLD, 0), spec.a), quantised(b, spec.b)


def _normal(spec: MacSpec, sums: int) -> tuple[Floats, Floats]:
    """Normal numbers, the same for every format; only as many lanes as needed."""
    rng = np.random.default_rng(SEED)
    a, b = rng.normal(size=(2, sums, DEPTH * spec.lanes))
    return a, b


def _digits(layer: int) -> Callable[[MacSpec, int], tuple[Codes, Codes]]:
    """Stream of a layer of the network for digits: pixels or hidden activations, and weights."""

    def stream(spec: MacSpec, sums: int) -> tuple[Codes, Codes]:
        x, layers = _trained()
        for before in layers[:layer]:
            x = np.maximum(x @ before.weights + before.bias, 0)
        weights = layers[layer].weights
        length = DEPTH * spec.lanes
        # A column of weights is used for one image after the other, as in an array.
        pairs = -(-sums * length // len(weights))
        images = np.arange(pairs) % len(x)
        columns = np.arange(pairs) // len(x) % weights.shape[1]
        a, b = (
            y.reshape(-1)[: sums * length].reshape(sums, length)
            for y in (quantised(x, spec.a)[images], quantised(weights, spec.b).T[columns])
        )
        return a, b

    return stream


@cache
def _trained() -> tuple[npt.NDArray[np.float32], list["Layer"]]:
    """Test images and the layers of the trained network."""
    from sim.digits import load_digits, train  # Needs scikit-learn.

    digits = load_digits()
    return digits.test_images, train(digits)


def quantised(x: npt.NDArray[Any], fmt: Format) -> Codes:
    """Codes of ``x`` with the scale that gives the smallest mean squared error."""
    scales = np.abs(x).max() / fmt.max / OVERLOADS
    errors = [
        np.square(sim.decode(sim.encode(x / scale, fmt), fmt) * scale - x).mean()
        for scale in scales
    ]
    codes: Codes = sim.encode(x / scales[int(np.argmin(errors))], fmt)
    return codes


#: Streams by name.
STREAMS: dict[str, Callable[[MacSpec, int], tuple[Codes, Codes]]] = {
    "uniform": _uniform,
    "gaussian": _gaussian,
    "zeros": _sparse,
    "digits1": _digits(0),
    "digits2": _digits(1),
}


class Package(NamedTuple):
    """Python package: its distribution name and its import name."""

    name: str
    module: str


#: Optional packages that a stream needs.
NEEDS = dict.fromkeys(("digits1", "digits2"), Package("scikit-learn", "sklearn"))
