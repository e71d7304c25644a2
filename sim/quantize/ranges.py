# SPDX-License-Identifier: Apache-2.0
"""How much of a tensor's range is kept: what to divide by so that the format fits the numbers.

Everything works on rows of numbers, one row for each scale; float64 in and out.
"""

import numpy as np
import numpy.typing as npt

from hw.spec import Format
from sim.quantize.nearest import nearest
from sim.quantize.scheme import Range, ScaleKind, Scheme

__all__ = ["choose"]

Floats = npt.NDArray[np.float64]

#: The search for the least error tries ranges down to 2**-OCTAVES of the whole one, STEPS an
#: octave, and then FINE between the neighbours of the best.
OCTAVES, STEPS, FINE = 8, 4, 16
#: Numbers that the search looks at, in all and at least of each row: one in OUTER of them are those
#: of the largest magnitudes, the others drawn with the seed.
SAMPLE, LEAST, OUTER, SEED = 1 << 17, 1 << 10, 8, 0


def choose(rows: Floats, scheme: Scheme) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Scales and zero points of ``rows`` (scales, numbers), each of shape (scales,).

    A number x becomes the format's value nearest to x / scale, or with a zero point the integer
    nearest to x / scale + zero point. Rows of zeros have the scale 1.
    """
    low, high = _ends(rows, scheme)
    if scheme.range is not Range.MSE:
        return fit(low, high, scheme)
    sample, weights = _sample(rows)
    steps = np.arange(0, OCTAVES * STEPS + 1) / STEPS

    def search(shares: Floats) -> Floats:
        return _search(sample, weights, low, high, scheme, shares)

    best = search(-steps[:, None] + np.zeros(len(rows)))
    if scheme.scale is ScaleKind.POW2:
        # Rounding a scale up is as good as keeping more; nothing lies between its neighbours.
        return fit(low * 2.0**best, high * 2.0**best, scheme)
    around = np.linspace(-1, 1, FINE + 1)[:, None] / STEPS
    best = search(best + around)
    return fit(low * 2.0**best, high * 2.0**best, scheme)


def _sample(rows: Floats) -> tuple[Floats, Floats]:
    """Some numbers of each row, if there are many, and how many of the row each stands for."""
    count, size = max(LEAST, SAMPLE // len(rows)), rows.shape[1]
    if size <= count:
        return rows, np.ones(size)
    outer = count // OUTER
    order = np.argpartition(abs(rows), size - outer, axis=1)
    drawn = np.random.default_rng(SEED).permutation(size - outer)[:count - outer]
    chosen = np.concatenate([order[:, drawn], order[:, size - outer:]], axis=1)
    weights = np.ones(count)
    weights[:len(drawn)] = (size - outer) / len(drawn)
    return np.take_along_axis(rows, chosen, axis=1), weights


def _search(rows: Floats, weights: Floats, low: Floats, high: Floats, scheme: Scheme,
            shares: Floats) -> Floats:
    """Of ``shares`` (tries, scales), logarithms of the range kept, the best of each row."""
    best: Floats = shares[0].copy()
    least = np.full(len(rows), np.inf)
    for share in shares:
        scales, zeros = fit(low * 2.0**share, high * 2.0**share, scheme)
        left = rounded(rows, scales, zeros, scheme) - rows
        error: Floats = (left * left) @ weights
        better = error < least
        least[better], best[better] = error[better], share[better]
    return best


def rounded(rows: Floats, scales: Floats, zeros: npt.NDArray[np.int64], scheme: Scheme) -> Floats:
    """What is left of ``rows`` after quantisation."""
    return from_units(in_units(rows, scales, zeros, scheme), scales, zeros, scheme.fmt)


def in_units(rows: Floats, scales: Floats, zeros: npt.NDArray[np.int64], scheme: Scheme
             ) -> Floats:
    """Values of the format for ``rows``, one scale a row."""
    fmt = scheme.fmt
    scaled = np.asarray(rows / scales[:, None], np.float64)
    if scheme.zero_point:
        units = np.rint(scaled / 2.0**fmt.lsb) + zeros[:, None]
        return nearest(units * 2.0**fmt.lsb, fmt)
    if fmt.is_integer and fmt.signed:
        # As many steps up as down: the lowest integer has no partner.
        scaled = scaled.clip(-fmt.max, fmt.max)
    return nearest(scaled, fmt)


def from_units(values: Floats, scales: Floats, zeros: npt.NDArray[np.int64], fmt: Format
               ) -> Floats:
    """Real numbers for values of the format, one scale a row."""
    numbers: Floats = (values - zeros[:, None] * 2.0**fmt.lsb) * scales[:, None]
    return numbers


def _ends(rows: Floats, scheme: Scheme) -> tuple[Floats, Floats]:
    """Lowest and highest number kept of each row; of equal size unless there is a zero point."""
    if scheme.percentile is not None and scheme.zero_point:
        low, high = np.percentile(rows, [100 - scheme.percentile, scheme.percentile], axis=1)
    elif scheme.percentile is not None:
        high = np.percentile(abs(rows), scheme.percentile, axis=1)
        low = -high
    else:
        low, high = rows.min(axis=1), rows.max(axis=1)
    if not scheme.zero_point:
        high = np.maximum(high, -low) if scheme.fmt.signed else high
        low = -high
    return np.minimum(low, 0.0), np.maximum(high, 0.0)


def fit(low: Floats, high: Floats, scheme: Scheme) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Scales and zero points with which ``low`` and ``high`` are the ends of the format."""
    fmt = scheme.fmt
    span = (high - low) / (fmt.max - fmt.min) if scheme.zero_point else high / fmt.max
    # Subnormal scales would lose what they are to keep.
    scales = np.where(span > 0, np.maximum(span, np.finfo(np.float32).tiny), 1.0)
    if scheme.scale is ScaleKind.POW2:
        significand, exponent = np.frexp(scales)
        scales = np.ldexp(1.0, exponent - (significand == 0.5))
    scales = scales.astype(np.float32).astype(np.float64)
    zeros = np.zeros(len(scales), np.int64)
    if scheme.zero_point:
        zeros = np.rint(fmt.min_units - low / scales / 2.0**fmt.lsb).astype(np.int64)
        zeros = np.clip(zeros, fmt.min_units, fmt.max_units)
    return scales, zeros
