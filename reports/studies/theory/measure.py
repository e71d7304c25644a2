# SPDX-License-Identifier: Apache-2.0
"""Bits of accuracy of a format on random numbers: log2(sigma / RMSE), integrated, not sampled.

All numbers between two neighbouring limits become one value q. The mean squared error is therefore
the sum over all values of the integral of ``(x - q)**2 p(x)``. It needs moments 0, 1 and 2 of the
distribution between the limits, which have closed forms here. Numbers beyond the largest value
saturate. The scale minimises the error, as in arXiv 2303.17951, section 4; results are compared
with its figure 5.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from hw.progress import Progress
from hw.spec import CATALOG, PAPER_FORMATS, Format
from hw.spec.errors import require
from reports.registry import Measure
from sim.codes import code_dtype
from sim.convert import decode
from synth.record import Metric, Provenance, Record, provenance

Floats = npt.NDArray[np.float64]

#: This project's formats with the same fields.
OWN_FORMATS = tuple(name.lower() for name in PAPER_FORMATS)
#: Bits of accuracy in figure 5 for `PAPER_FORMATS`, read from the figure to +-0.03.
PAPER = {
    "uniform": (7.99, 7.34, 6.42, 5.44, 4.47),
    "normal": (6.73, 7.10, 6.25, 5.25, 4.25),
    "student_t3": (2.88, 3.21, 4.19, 5.16, 4.24),
}
#: Outliers: width relative to the other numbers, and shares of one in 2**place.
SPREAD, PLACES = 20.0, range(24, 2, -1)

#: The search tries STEPS largest magnitudes per octave, from 2**LOW to 2**HIGH deviations, then
#: FINE steps around the best.
LOW, HIGH, STEPS, FINE = -1, 26, 16, 64

_erfc = np.vectorize(math.erfc, otypes=[np.float64])


@dataclass(frozen=True, slots=True)
class Distribution:
    """Symmetric distribution, by its moments.

    Attributes
    ----------
    sigma
        Standard deviation.
    beyond
        Integrals of ``p(x)``, ``x p(x)`` and ``x**2 p(x)`` from each non-negative number to
        infinity. They are small, so little accuracy is lost when they are subtracted.
    """

    sigma: float
    beyond: Callable[[Floats], tuple[Floats, Floats, Floats]]


@dataclass(frozen=True, slots=True)
class Best:
    """Largest representable magnitude, in deviations, and bits of accuracy with it."""

    reach: float
    bits: float

    @property
    def decibels(self) -> float:
        """Ratio of signal to quantisation noise."""
        return 20 * math.log10(2) * self.bits


def _uniform(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Moments of the uniform distribution from -1 to 1."""
    x = np.minimum(x, 1)
    return (1 - x) / 2, (1 - x**2) / 4, (1 - x**3) / 6


def _normal(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Moments of the standard normal distribution."""
    density = np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
    share = _erfc(x / math.sqrt(2)) / 2
    return share, density, share + np.where(np.isfinite(x), x, 0) * density


def _student3(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Moments of Student's t with three degrees of freedom, whose variance is 3."""
    root = math.sqrt(3)
    angle = np.arctan2(root, x) / math.pi
    finite = np.where(np.isfinite(x), x, 0)
    bell = np.where(np.isfinite(x), root / (math.pi * (3 + finite**2)), 0)
    return angle - finite * bell, 3 * bell, 3 * angle + 3 * finite * bell


#: The distributions of arXiv 2303.17951, figure 5.
DISTRIBUTIONS = {
    "uniform": Distribution(1 / math.sqrt(3), _uniform),
    "normal": Distribution(1.0, _normal),
    "student_t3": Distribution(math.sqrt(3), _student3),
}


def mixture(weight: float, spread: float) -> Distribution:
    """Standard normal numbers; a share ``weight`` of them is ``spread`` times as wide."""
    require(0 <= weight <= 1, "Outlier weight", "from 0 to 1", weight)
    require(0 < spread < math.inf, "Outlier spread", "positive and finite", spread)

    def beyond(x: Floats) -> tuple[Floats, Floats, Floats]:
        inner, outer = _normal(x), _normal(x / spread)
        zero, one, two = (
            (1 - weight) * near + weight * spread**power * far
            for power, (near, far) in enumerate(zip(inner, outer, strict=True))
        )
        return zero, one, two

    return Distribution(math.sqrt(1 - weight + weight * spread**2), beyond)


@cache
def values_of(fmt: Format) -> Floats:
    """Non-negative values; negative ones mirror them, without the lowest integer."""
    require(fmt.signed, "Format signed", "True", fmt.signed)
    values = np.unique(decode(np.arange(1 << fmt.width, dtype=code_dtype(fmt.width)), fmt))
    return np.asarray(values[np.isfinite(values) & (values >= 0)], np.float64)


def mse(values: Floats, scale: float, source: Distribution) -> float:
    """Mean squared error of numbers from ``source`` rounded to ``values * scale``, +-."""
    points = values * scale
    limits = np.concatenate([[0], (points[1:] + points[:-1]) / 2, [np.inf]])
    zero, one, two = (-np.diff(part) for part in source.beyond(limits))
    return 2 * float((two - 2 * points * one + points**2 * zero).sum())


def bits(fmt: Format, reach: float, source: Distribution) -> float:
    """Bits of accuracy if the largest value represents ``reach`` standard deviations."""
    values = values_of(fmt)
    error = mse(values, reach * source.sigma / values[-1], source)
    return math.log2(source.sigma / math.sqrt(error))


def best_scale(fmt: Format, source: Distribution) -> Best:
    """Largest magnitude that minimises the error; the smallest one on a tie."""

    def best(logs: Floats) -> tuple[float, float]:
        accuracies = [bits(fmt, 2.0**log, source) for log in logs]
        place = int(np.argmax(accuracies))
        return float(logs[place]), accuracies[place]

    log, _ = best(np.arange(LOW * STEPS, HIGH * STEPS + 1) / STEPS)
    log, most = best(log + np.arange(-FINE, FINE + 1) / (FINE * STEPS))
    return Best(2.0**log, most)


def measure(origin: Provenance, progress: Progress) -> list[Record]:
    """Records of every format on every distribution, and of normal numbers with outliers."""
    records = []
    for name, source in DISTRIBUTIONS.items():
        paper = dict(zip(PAPER_FORMATS.values(), PAPER[name], strict=True))
        for key in dict.fromkeys((*paper, *OWN_FORMATS)):
            progress(f"{key}, {name}")
            fmt = CATALOG[key]
            best = best_scale(fmt, source)
            metrics = {
                "bits": Metric(round(best.bits, 3), "bit"),
                "reach": Metric(float(f"{best.reach:.4g}"), "sigma"),
                "span": Metric(round(math.log2(fmt.max / fmt.min_subnormal), 2), "binade"),
            }
            if key in paper:
                metrics["paper"] = Metric(paper[key], "bit")
            records.append(
                Record(
                    subject=key,
                    metrics=metrics,
                    provenance=origin,
                    conditions={
                        "numbers": name,
                        "scale": "least mean squared error",
                        "paper": "read off the figure, +-0.03 bit",
                    },
                )
            )
    for key in OWN_FORMATS:
        metrics = {}
        for place in PLACES:
            progress(f"{key}, one outlier in {1 << place}")
            best = best_scale(CATALOG[key], mixture(2.0**-place, SPREAD))
            metrics[f"sqnr_at_{place}"] = Metric(round(best.decibels, 2), "dB")
        records.append(
            Record(
                subject=key,
                metrics=metrics,
                provenance=origin,
                conditions={
                    "numbers": "normal with outliers",
                    "outlier spread": SPREAD,
                    "outliers": "one in 2**place",
                    "scale": "least mean squared error",
                },
            )
        )
    return records


MEASURE = Measure(
    run=lambda options: measure(provenance(options.command, tools=("numpy",)), Progress())
)
