# SPDX-License-Identifier: Apache-2.0
"""Error of E4M3 dot products by accumulator and length, on random and on network operands.

All accumulators sum the same codes, and each sum is compared with the exact sum. The error from
rounding the operands to codes is recorded as well.
"""

from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import sim
from hw.progress import Progress
from hw.spec import (
    CATALOG,
    AlignedAccumulator,
    FixedAccumulator,
    FloatAccumulator,
    Format,
    MacSpec,
    parse_mac,
)
from hw.spec.errors import require
from reports.registry import Measure
from sim.digits import load_digits, quantize, scale_of, train
from synth.record import Metric, Provenance, Record, provenance

NDArray = npt.NDArray[Any]
Pair = tuple[NDArray, NDArray]

SEED = 1
FORMAT = "e4m3"
#: Size of the matrix product at each K: 64 dot products.
SIDE = 8
DEPTH = 1 << 16
#: Smallest K: two rows of an image. The first row alone is almost all zeros.
LEAST = 16
#: Products per sum that are unpacked at a time.
CHUNK = 512


@dataclass(frozen=True, slots=True)
class Operands:
    """Real numbers to multiply, ``a`` (SIDE, K) and ``b`` (K, SIDE), and their scales."""

    kind: str
    source: str
    a: NDArray
    b: NDArray
    scales: tuple[float, float]

    def codes(self, mac: MacSpec, headroom: int = 0) -> tuple[NDArray, NDArray]:
        """Codes of both, scaled down by ``2**headroom``."""
        a_scale, b_scale = (scale * 2.0**headroom for scale in self.scales)
        return sim.encode(self.a / a_scale, mac.a), sim.encode(self.b / b_scale, mac.b)


def draw(depth: int, *, epochs: int | None = None) -> list[Operands]:
    """Operands of every kind for sums of up to ``depth`` products.

    Random operands have one scale per tensor from the largest magnitude. The digits operands are
    pixels and first-layer weights of the demo, one image and unit after another; ``epochs``
    shortens the training of that network.
    """
    rng, mac = np.random.default_rng(SEED), parse_mac(FORMAT)
    normal: tuple[NDArray, NDArray] = (
        rng.normal(size=(SIDE, depth)),
        rng.normal(size=(depth, SIDE)),
    )
    drawn = [
        Operands(kind, source, x, y, (scale_of(x, mac.a), scale_of(y, mac.b)))
        for kind, source, (x, y) in (
            ("gaussian", "normal distribution", normal),
            ("positive", "magnitudes of the same numbers", tuple(map(np.abs, normal))),
        )
    ]
    digits = load_digits()
    layers = train(digits) if epochs is None else train(digits, epochs=epochs)
    first = quantize(layers, mac, digits.train_images).codes[0]
    images, weights = digits.test_images, layers[0].weights
    count = -(-depth // images.shape[1])
    a = images[rng.integers(len(images), size=(SIDE, count))].reshape(SIDE, -1)
    b = weights.T[rng.integers(weights.shape[1], size=(SIDE, count))].reshape(SIDE, -1).T
    drawn.append(
        Operands(
            "digits",
            "test images and weights of the first layer of the demo, drawn "
            f"again and again and joined along K; {images.shape[1]} products each",
            a[:, :depth],
            b[:depth],
            (first.input_scale, first.weight_scale),
        )
    )
    return drawn


class Point(NamedTuple):
    """Error of sums of ``k`` products, or the share of infinite sums."""

    k: int
    error: float
    infinite: float = 0.0


def encoding(operands: Operands, ks: Sequence[int]) -> Iterator[Point]:
    """Error of the exact sums of the codes, compared with the sums of the real numbers."""
    mac = parse_mac(FORMAT)
    a, b = (
        _decoded(codes, fmt) * scale
        for codes, fmt, scale in zip(
            operands.codes(mac), (mac.a, mac.b), operands.scales, strict=True
        )
    )
    real_a, real_b = operands.a.astype(np.float64), operands.b.astype(np.float64)
    for k in ks:
        yield Point(k, _ratio(a[:, :k] @ b[:k], real_a[:, :k] @ real_b[:k]))


def _decoded(codes: NDArray, fmt: Format) -> NDArray:
    numbers: NDArray = sim.decode(codes, fmt).astype(np.float64)
    return numbers


def errors(
    operands: Sequence[Operands], mac: MacSpec, headroom: int, ks: Sequence[int]
) -> Iterator[list[Point]]:
    """Points of each kind of operands at every length."""
    pairs = [each.codes(mac, headroom) for each in operands]
    sums_of = _chained if isinstance(mac.acc, FloatAccumulator) else _anew
    for k, sums in zip(ks, sums_of(pairs, mac, ks), strict=True):
        # Integers below 2**53: sums are exact in any order.
        yield [
            _point(k, own, _decoded(a[:, :k], mac.a) @ _decoded(b[:k], mac.b))
            for own, (a, b) in zip(sums, pairs, strict=True)
        ]


def _anew(pairs: Sequence[Pair], mac: MacSpec, ks: Sequence[int]) -> Iterator[NDArray]:
    """Sums of each pair at every length, (pairs, SIDE, SIDE), each computed from the start."""
    for k in ks:
        yield np.stack([sim.values(sim.matmul(a[:, :k], b[:k], mac), mac) for a, b in pairs])


def _chained(pairs: Sequence[Pair], mac: MacSpec, ks: Sequence[int]) -> Iterator[NDArray]:
    """Same as `_anew` for one lane and a floating-point accumulator, adding each product once.

    Products are exact, so the accumulator depends only on their values. The sum so far and the
    following products are therefore fed in as FP32 numbers times one.
    """
    fp32 = CATALOG["fp32"]
    wide = MacSpec(a=fp32, b=fp32, acc=mac.acc)
    a, b = (
        np.stack([sim.decode(codes, fmt).astype(np.float32) for codes in side])
        for side, fmt in zip(zip(*pairs, strict=True), (mac.a, mac.b), strict=True)
    )
    one = np.float32(1).view(np.uint32)
    sums: NDArray = np.zeros((len(pairs), SIDE, SIDE), np.float32)
    start = 0
    for k in ks:
        while start < k and np.isfinite(sums).any():  # Infinite sums stay infinite.
            end = min(k, start + CHUNK)
            products = a[:, :, None, start:end] * b.transpose(0, 2, 1)[:, None, :, start:end]
            terms = np.concatenate([sums[..., None], products], axis=-1).reshape(sums.size, -1)
            ones = np.full((terms.shape[1], 1), one)
            codes = sim.matmul(terms.astype(np.float32).view(np.uint32), ones, wide)
            sums, start = sim.values(codes, wide).reshape(sums.shape), end
        yield sums


def _point(k: int, sums: NDArray, exact: NDArray) -> Point:
    """Error of ``sums``, or the share of infinite sums."""
    infinite = float(np.isinf(sums).mean())
    return Point(k, 0.0 if infinite else _ratio(sums, exact), infinite)


def _ratio(sums: NDArray, exact: NDArray) -> float:
    """Root mean square of the error, relative to that of the exact sums."""
    return float(np.sqrt(np.mean((sums - exact) ** 2) / np.mean(exact**2)))


class Series(NamedTuple):
    """An accumulator; its operands are scaled down by ``2**headroom``."""

    acc: str
    headroom: int = 0


#: The largest FP16 value is 65,504, so FP16 is also measured with operands scaled down.
SERIES = (
    Series(f"exact:{DEPTH}"),
    Series("fp32"),
    Series("blackwell"),
    Series("hopper"),
    Series("fp16"),
    Series("fp16", headroom=7),
    Series("bf16"),
)


def lengths(depth: int) -> list[int]:
    """Powers of two from `LEAST` to ``depth``; SpecError if ``depth`` is not one of them."""
    ks = [1 << place for place in range(LEAST.bit_length() - 1, DEPTH.bit_length())]
    require(depth in ks, "Depth", f"a power of two from {LEAST} to {DEPTH}", depth)
    return ks[: ks.index(depth) + 1]


def measure(
    operands: Sequence[Operands], series: Sequence[Series], origin: Provenance, progress: Progress
) -> list[Record]:
    """Records of every accumulator and of the codes, for each kind of operands."""
    ks = lengths(operands[0].a.shape[1])
    records = [
        _record(
            each,
            origin,
            f"{FORMAT} codes",
            {"accumulator": "none", "headroom": 0},
            encoding(each, ks),
        )
        for each in operands
    ]
    for acc, headroom in series:
        mac = parse_mac(FORMAT, acc=acc)
        progress.at_once(f"{mac.name}, operands down by 2^{headroom}")
        # Bits that are always zero do not count.
        unused = (
            mac.acc.fmt.man_bits - mac.acc.fraction_bits
            if isinstance(mac.acc, AlignedAccumulator)
            else 0
        )
        facts = {
            "accumulator": "exact" if isinstance(mac.acc, FixedAccumulator) else str(mac.acc),
            "bits": mac.acc.width - unused,
            "lanes": mac.lanes,
            "headroom": headroom,
        }
        curves = zip(*errors(operands, mac, headroom, ks), strict=True)
        records += [
            _record(each, origin, mac.name, facts, points)
            for each, points in zip(operands, curves, strict=True)
        ]
    return records


def _metrics(points: Iterable[Point]) -> dict[str, Metric]:
    """Metrics of a curve: error, or share of infinite sums, at each length."""
    return {
        (f"infinite_at_{point.k}" if point.infinite else f"error_at_{point.k}"): Metric(
            float(f"{point.infinite or point.error:.4g}")
        )
        for point in points
    }


def _record(
    operands: Operands,
    origin: Provenance,
    subject: str,
    facts: dict[str, Any],
    points: Iterable[Point],
) -> Record:
    largest = parse_mac(FORMAT).a.max * 2.0 ** -facts["headroom"]
    conditions = {
        "operands": operands.kind,
        "source": operands.source,
        "format": FORMAT,
        "dot products": SIDE * SIDE,
        "largest code": largest,
        "error": "root mean square, relative to that of the exact sums",
        **facts,
    }
    return Record(
        subject=subject,
        metrics=_metrics(points),
        conditions=conditions,
        provenance=origin,
        not_done=("partial sums of a few products, added up in a wider accumulator",),
    )


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--longest",
        metavar="K",
        type=int,
        default=DEPTH,
        help="number of products in the longest sum, a power of two (default: %(default)s)",
    )


def _run(options: Namespace) -> list[Record]:
    lengths(options.longest)
    progress = Progress()
    progress.at_once("training the network for the digits")
    origin = provenance(options.command, tools=("numpy", "scikit-learn"), seed=SEED)
    return measure(draw(options.longest), SERIES, origin, progress)


MEASURE = Measure(run=_run, options=_options)
