# SPDX-License-Identifier: Apache-2.0
"""Operands of a matrix product: codes from .npy files, or random codes from a seed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hw.progress import Progress
from hw.spec import ArraySpec, Format
from hw.spec.errors import require
from hw.spec.grammar import parse_sides
from sim.codes import NDArray, as_short_codes, code_dtype
from sim.convert import encode
from sim.files import read_array

#: Numbers drawn and encoded at a time.
BLOCK = 1 << 20
#: By name of the distribution: a generator of real numbers, and the share of an integer format's
#: largest value that 1.0 is scaled to.
DISTRIBUTIONS: dict[str, tuple[Callable[[np.random.Generator, int], NDArray], float]] = {
    "gaussian": (lambda rng, count: rng.standard_normal(count), 1 / 4),
    "uniform": (lambda rng, count: rng.uniform(-1, 1, count), 1),
}


def parse_size(text: str) -> tuple[int, int, int]:
    """Parse M, K and N from ``MxKxN``."""
    m, k, n = parse_sides("Size", text, "MxKxN, for instance 512x512x512", 3)
    return m, k, n


def require_product(spec: ArraySpec, m: int, k: int, n: int) -> None:
    """Raise unless an array can compute a product of this size."""
    spec.beats(k)
    spec.tiles(m, n)


def draw(
    fmt: Format, shape: tuple[int, int], distribution: str, seed: list[int], progress: Progress
) -> NDArray:
    """Codes of random numbers, rounded to nearest and saturated.

    Floating-point formats get the numbers unscaled: gaussian with a standard deviation of 1, or
    uniform from -1 to 1. For integers, gaussian numbers are multiplied by a quarter of the largest
    value, uniform ones by the largest value.
    """
    rng = np.random.default_rng(seed)
    numbers, share = DISTRIBUTIONS[distribution]
    scale = share * fmt.max if fmt.is_integer else 1.0
    size = shape[0] * shape[1]
    codes = np.empty(size, code_dtype(fmt.width))
    for start in range(0, size, BLOCK):
        progress("drawing operands")
        count = min(BLOCK, size - start)
        codes[start : start + count] = encode(numbers(rng, count) * scale, fmt)
    return codes.reshape(shape)


def load(path: Path, fmt: Format, noun: str) -> NDArray:
    """Two-dimensional codes from a .npy file. Signed integers may be values, as in `sim.matmul`.

    Raises
    ------
    SpecError
        If the file cannot be read or does not hold codes of ``fmt``.
    """
    array = read_array(path, noun)
    require(
        isinstance(array, np.ndarray) and array.ndim == 2 and 0 not in array.shape,
        f"{noun} shape",
        "two sides of at least 1",
        getattr(array, "shape", None),
    )
    return as_short_codes(array, fmt, noun)
