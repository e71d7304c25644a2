# SPDX-License-Identifier: Apache-2.0
"""Quantisers with scales of their own, per tensor and per channel: chosen from data, kept as JSON.

How much of a tensor's range is kept decides the scale: what to divide by so that the format fits
the numbers. The search works on rows of numbers, one row for each scale; float64 in and out.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import SpecError
from hw.spec.errors import require
from sim.codes import NDArray, as_array
from sim.files import whole_file
from sim.quantize.nearest import codes_of, nearest, values_of
from sim.quantize.scheme import Per, Range, ScaleKind, Scheme, parse_scheme

Floats = npt.NDArray[np.float64]

#: The search for the least error tries ranges down to 2**-OCTAVES of the whole one, STEPS an
#: octave, and then FINE between the neighbours of the best.
OCTAVES, STEPS, FINE = 8, 4, 16
#: Numbers that the search looks at, in all and at least of each row: one in OUTER of them are those
#: of the largest magnitudes, the others drawn with the seed.
SAMPLE, LEAST, OUTER, SEED = 1 << 17, 1 << 10, 8, 0
#: Of a quantiser in a file.
FIELDS = {"scheme", "axis", "scale", "zero_point"}


@dataclass(frozen=True, eq=False, slots=True)
class Quantizer:
    """A scheme with its scales: ``x = (value of code - zero point) * scale``.

    Attributes
    ----------
    scheme
        How it quantises.
    scale
        Positive binary32 numbers in float64, shape (channels,), or (1,) per tensor.
    zero_point
        Integers in units of the format, same shape; 0 without a zero point.
    axis
        Axis of the channels, None per tensor.
    """

    scheme: Scheme
    scale: Floats
    zero_point: npt.NDArray[np.int64]
    axis: int | None = None

    def __post_init__(self) -> None:
        scale, zero = np.asarray(self.scale, np.float64), np.asarray(self.zero_point, np.int64)
        require(
            self.scheme.per is not Per.BLOCK,
            "Quantizer scheme",
            "per tensor or channel",
            str(self.scheme),
        )
        require(
            (self.axis is None) == (self.scheme.per is Per.TENSOR),
            "Quantizer axis",
            "given per channel, and only then",
            self.axis,
        )
        require(
            scale.ndim == 1
            and scale.size > 0
            and scale.shape == zero.shape
            and (self.axis is not None or scale.size == 1),
            "Quantizer scale shape",
            "one scale and zero point a channel",
            (scale.shape, zero.shape),
        )
        require(
            bool((np.isfinite(scale) & (scale > 0)).all()),
            "Quantizer scale",
            "positive and finite",
            scale.tolist(),
        )
        object.__setattr__(self, "scale", scale)
        object.__setattr__(self, "zero_point", zero)

    def encode(self, x: npt.ArrayLike) -> NDArray:
        """Codes of ``x``: divided in binary64, rounded once to nearest even, saturated.

        Symmetric signed integers leave the lowest value out. A NaN is 0 where there is none.
        """
        x = np.asarray(x)
        fmt, scaled = self.scheme.fmt, x / self._spread(self.scale, x)
        if self.scheme.zero_point:
            scaled = np.rint(scaled / 2.0**fmt.lsb) + self._spread(self.zero_point, x)
            scaled *= 2.0**fmt.lsb
        elif fmt.is_integer and fmt.signed:
            np.clip(scaled, -fmt.max, fmt.max, out=scaled)
        return codes_of(scaled, fmt)

    def decode(self, codes: NDArray) -> Floats:
        """Numbers that codes stand for."""
        values = values_of(codes, self.scheme.fmt)
        if self.scheme.zero_point:
            values = values - self._spread(self.zero_point, codes) * 2.0**self.scheme.fmt.lsb
        numbers: Floats = values * self._spread(self.scale, codes)
        return numbers

    def __call__(self, x: npt.ArrayLike) -> Floats:
        """What is left of ``x`` after quantisation."""
        return self.decode(self.encode(x))

    def _spread(self, each: NDArray, x: NDArray) -> NDArray:
        """One number a channel in the shape that goes with ``x``."""
        if self.axis is None:
            return each.reshape(())
        require(
            -x.ndim <= self.axis < x.ndim and x.shape[self.axis] == len(each),
            "Values shape",
            f"{len(each)} along axis {self.axis}",
            x.shape,
        )
        shape = [1] * x.ndim
        shape[self.axis] = len(each)
        return each.reshape(shape)


def calibrate(
    data: npt.ArrayLike | Sequence[npt.ArrayLike], scheme: Scheme | str, *, axis: int | None = None
) -> Quantizer:
    """Quantiser whose scales are chosen from ``data``, finite numbers of any shape.

    Parameters
    ----------
    data
        The numbers; a list of arrays counts as one, joined along the other axes.
    scheme
        How to quantise, per tensor or per channel, or its spelling.
    axis
        Axis of the channels; per channel only.

    Raises
    ------
    SpecError
        If the numbers are not finite, or there are none.
    """
    scheme = parse_scheme(scheme)
    require(
        (axis is None) == (scheme.per is not Per.CHANNEL),
        "Quantizer axis",
        "given per channel, and only then",
        axis,
    )
    arrays = [_checked(each) for each in (data if isinstance(data, list) else [data])]
    require(any(each.size for each in arrays), "Calibration data", "at least one number", "none")
    parts = []
    for each in arrays:
        if axis is None:
            parts.append(each.reshape(1, -1))
            continue
        require(
            -each.ndim <= axis < each.ndim,
            "Calibration data shape",
            f"such that it has axis {axis}",
            each.shape,
        )
        moved = np.moveaxis(each, axis, 0)
        parts.append(moved.reshape(len(moved), -1))
    rows = np.concatenate(parts, axis=1)
    return Quantizer(scheme, *_scales(rows, scheme), axis)


def _checked(data: Any) -> Floats:
    """``data`` as finite float64 numbers."""
    array = as_array(data, "Calibration data")
    require(
        array.dtype.kind in "iufb", "Calibration data dtype", "a real number type", str(array.dtype)
    )
    numbers = array.astype(np.float64)
    wrong = numbers[~np.isfinite(numbers)]
    require(
        wrong.size == 0, "Calibration data", "finite", float(wrong.flat[0]) if wrong.size else None
    )
    return numbers


def _scales(rows: Floats, scheme: Scheme) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Scales and zero points of ``rows`` (scales, numbers), each of shape (scales,).

    A number x becomes the format's value nearest to x / scale, or with a zero point the integer
    nearest to x / scale + zero point. Rows of zeros have the scale 1.
    """
    low, high = _ends(rows, scheme)
    if scheme.range is not Range.MSE:
        return _fit(low, high, scheme)
    sample, weights = _sample(rows)
    steps = np.arange(0, OCTAVES * STEPS + 1) / STEPS

    def search(shares: Floats) -> Floats:
        return _search(sample, weights, low, high, scheme, shares)

    best = search(-steps[:, None] + np.zeros(len(rows)))
    if scheme.scale is ScaleKind.POW2:
        # Rounding a scale up is as good as keeping more; nothing lies between its neighbours.
        return _fit(low * 2.0**best, high * 2.0**best, scheme)
    around = np.linspace(-1, 1, FINE + 1)[:, None] / STEPS
    best = search(best + around)
    return _fit(low * 2.0**best, high * 2.0**best, scheme)


def _sample(rows: Floats) -> tuple[Floats, Floats]:
    """Some numbers of each row, if there are many, and how many of the row each stands for."""
    count, size = max(LEAST, SAMPLE // len(rows)), rows.shape[1]
    if size <= count:
        return rows, np.ones(size)
    outer = count // OUTER
    order = np.argpartition(abs(rows), size - outer, axis=1)
    drawn = np.random.default_rng(SEED).permutation(size - outer)[: count - outer]
    chosen = np.concatenate([order[:, drawn], order[:, size - outer :]], axis=1)
    weights = np.ones(count)
    weights[: len(drawn)] = (size - outer) / len(drawn)
    return np.take_along_axis(rows, chosen, axis=1), weights


def _search(
    rows: Floats, weights: Floats, low: Floats, high: Floats, scheme: Scheme, shares: Floats
) -> Floats:
    """Of ``shares`` (tries, scales), logarithms of the range kept, the best of each row."""
    best: Floats = shares[0].copy()
    least = np.full(len(rows), np.inf)
    for share in shares:
        scales, zeros = _fit(low * 2.0**share, high * 2.0**share, scheme)
        left = _rounded(rows, scales, zeros, scheme) - rows
        error: Floats = (left * left) @ weights
        better = error < least
        least[better], best[better] = error[better], share[better]
    return best


def _rounded(rows: Floats, scales: Floats, zeros: npt.NDArray[np.int64], scheme: Scheme) -> Floats:
    """What is left of ``rows`` after quantisation, one scale a row."""
    fmt, scale, zero = scheme.fmt, scales[:, None], zeros[:, None] * 2.0**scheme.fmt.lsb
    scaled = np.asarray(rows / scale, np.float64)
    if scheme.zero_point:
        scaled = np.rint(scaled / 2.0**fmt.lsb) * 2.0**fmt.lsb + zero
    elif fmt.is_integer and fmt.signed:
        # As many steps up as down: the lowest integer has no partner.
        scaled = scaled.clip(-fmt.max, fmt.max)
    numbers: Floats = (nearest(scaled, fmt) - zero) * scale
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


def _fit(low: Floats, high: Floats, scheme: Scheme) -> tuple[Floats, npt.NDArray[np.int64]]:
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


def save_quantizers(path: str | Path, quantizers: Mapping[str, Quantizer | Scheme]) -> Path:
    """Write quantisers by name to ``path``, whole or not at all, and hand back the path.

    Per block there is nothing to calibrate, so that the scheme is all.
    """
    data = {"quantizers": {name: _plain(each) for name, each in quantizers.items()}}
    text = json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + "\n"
    with whole_file(Path(path)) as file:
        file.write(text.encode())
    return Path(path)


def _plain(each: Quantizer | Scheme) -> dict[str, Any]:
    if isinstance(each, Scheme):
        return {"scheme": str(each), "axis": None, "scale": [], "zero_point": []}
    return {
        "scheme": str(each.scheme),
        "axis": each.axis,
        "scale": each.scale.tolist(),
        "zero_point": each.zero_point.tolist(),
    }


def load_quantizers(path: str | Path) -> dict[str, Quantizer | Scheme]:
    """Quantisers that `save_quantizers` wrote to ``path``.

    Raises
    ------
    SpecError
        If the file cannot be read, is cut short or is not as written.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        if list(data) != ["quantizers"] or not isinstance(data["quantizers"], dict):
            raise ValueError("no object of quantizers")
        return {name: _read(each) for name, each in data["quantizers"].items()}
    except (OSError, ValueError, TypeError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(
            f"Quantizers file must be one that was saved, not {str(path)!r} ({reason})"
        ) from error


def _read(data: Any) -> Quantizer | Scheme:
    if not isinstance(data, dict) or set(data) != FIELDS:
        raise ValueError(f"no object of {', '.join(sorted(FIELDS))}")
    scheme = parse_scheme(data["scheme"])
    if data["scale"] == []:
        return scheme
    if data["axis"] is not None and type(data["axis"]) is not int:
        raise ValueError("no axis")
    if any(type(zero) is not int for zero in data["zero_point"]):
        raise ValueError("no whole zero points")
    return Quantizer(
        scheme,
        np.array(data["scale"], np.float64),
        np.array(data["zero_point"], np.int64),
        data["axis"],
    )
