# SPDX-License-Identifier: Apache-2.0
"""Check anything that multiplies matrices of codes against the model."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import sim
from hw.progress import Progress
from hw.spec import ArraySpec, Format, GemmSpec
from sim.codes import code_dtype
from sim.digits import accuracy, load_digits, quantize, train
from sim.run.operands import draw

Codes = npt.NDArray[Any]
#: Results and flags, (M, N), of codes (M, K) and (K, N).
Product = Callable[[Codes, Codes], tuple[Codes, Codes]]

#: Largest M and N of a random product, in tiles, and largest K.
TILES, DEEPEST = 3, 64


class Mismatch(Exception):
    """A result differs from the model. The message is one line."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Numbers of products, results compared and MACs, and the seconds that the products took."""

    products: int
    results: int
    macs: int
    seconds: float
    accuracy: float | None = None


class _Bench:
    """Runs products, compares each with the model and keeps count."""

    def __init__(self, spec: ArraySpec, product: Product) -> None:
        self.spec, self._product = spec, product
        self.products = self.results = self.macs = 0
        self.seconds = 0.0

    def __call__(self, a: Codes, b: Codes) -> Codes:
        """Run one product and compare it with the model.

        Raises
        ------
        Mismatch
            If they differ. The message names the first difference.
        """
        start = time.perf_counter()
        codes, kinds = self._product(a, b)
        self.seconds += time.perf_counter() - start
        wanted, flags = sim.matmul_with_flags(a, b, self.spec.mac)
        if self.spec.out:
            wanted = sim.output(wanted, self.spec.out, flags=flags)
            flags = np.zeros_like(flags)
        wrong = (codes.astype(object) != wanted.astype(object)) | (kinds != flags)
        if wrong.any():
            row, col = (int(place) for place in np.argwhere(wrong)[0])
            raise Mismatch(
                f"C[{row}, {col}] of product {self.products}, "
                f"{a.shape[0]}x{a.shape[1]}x{b.shape[1]}, must be {wanted[row, col]} "
                f"with flags {flags[row, col]}, not {codes[row, col]} with flags "
                f"{kinds[row, col]}"
            )
        self.products += 1
        self.results += wanted.size
        self.macs += a.size * b.shape[1]
        return codes

    def checked(self, accuracy: float | None = None) -> Checked:
        """Counts so far."""
        return Checked(self.products, self.results, self.macs, self.seconds, accuracy)


def check_products(
    spec: GemmSpec, product: Product, count: int, seed: int, progress: Progress
) -> Checked:
    """Check ``count`` products of random sizes. K of the last one is too large for the memories."""
    bench, mac = _Bench(spec.array, product), spec.array.mac
    rng, array = np.random.default_rng(seed), spec.array
    deep = min(spec.depth_a, spec.depth_b) * mac.lanes
    for index in range(count):
        m, n = (int(rng.integers(1, 1 + TILES * side)) for side in (array.rows, array.cols))
        k = int(rng.integers(1, 1 + DEEPEST))
        if index == count - 1:
            m, k, n = 1, deep + k, 1
        progress(f"product {index} of {count}: {m}x{k}x{n}")
        a, b = (
            _codes(fmt, shape, [seed, index, place], progress)
            for place, (fmt, shape) in enumerate(((mac.a, (m, k)), (mac.b, (k, n))))
        )
        bench(a, b)
    return bench.checked()


def _codes(fmt: Format, shape: tuple[int, int], seed: list[int], progress: Progress) -> Codes:
    """Operands: Gaussian numbers in every second product, else random codes, specials included."""
    if seed[1] % 2:
        return draw(fmt, shape, "gaussian", seed, progress)
    rng = np.random.default_rng(seed)
    return rng.integers(0, 1 << fmt.width, shape, dtype=np.uint64).astype(code_dtype(fmt.width))


def check_digits(
    spec: GemmSpec, product: Product, images: int | None, progress: Progress
) -> Checked:
    """Classify handwritten digits and check every product. By default, use all test images."""
    digits = load_digits()
    batch = digits.test_images[:images]
    network = quantize(train(digits), spec.array.mac, digits.train_images)
    bench = _Bench(spec.array, product)
    progress(f"classifying {len(batch)} images")
    scores = network.forward(batch, lambda index, a, b: bench(a, b))
    return bench.checked(accuracy(scores, digits.test_labels[: len(batch)]))
