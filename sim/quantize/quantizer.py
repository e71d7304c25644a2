# SPDX-License-Identifier: Apache-2.0
"""Quantisers with scales per tensor or per channel, chosen from data and saved as JSON.

The scale follows from the range of numbers to keep: it maps this range to the range of the format.
Numbers outside saturate. The search works on rows of float64 numbers, one row for each scale.
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
from hw.spec.files import readable
from sim.codes import NDArray
from sim.convert import as_numbers
from sim.files import whole_file
from sim.quantize.nearest import codes_of, nearest, values_of
from sim.quantize.scheme import Per, Range, ScaleKind, Scheme, parse_scheme

Floats = npt.NDArray[np.float64]

#: The search for the smallest error tries ranges down to 2**-OCTAVES of the full range, STEPS per
#: octave, and then FINE more between the neighbours of the best one.
OCTAVES, STEPS, FINE = 8, 4, 16
#: Numbers that the search uses, in total and at least per row. One in OUTER of them are those with
#: the largest magnitudes; the others are drawn at random with SEED.
SAMPLE, LEAST, OUTER, SEED = 1 << 17, 1 << 10, 8, 0
#: Fields of a quantiser in a file.
FIELDS = {"scheme", "axis", "scale", "zero_point"}
#: What the axis of a quantiser must be.
_AXIS = {
    each: "an integer with per=channel" if each is Per.CHANNEL else "None without per=channel"
    for each in Per
}


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Quantizer:
    """A scheme with its scales: ``x = (value of code - zero point) * scale``.

    Attributes
    ----------
    scheme
        How to quantise.
    scale
        Positive binary32 numbers in float64, shape (channels,), or (1,) per tensor.
    zero_point
        Integers in units of the format's lsb, same shape; 0 without a zero point.
    axis
        Axis of the channels; None per tensor.
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
            "one with per=tensor or per=channel",
            str(self.scheme),
        )
        require(
            (self.axis is None) == (self.scheme.per is Per.TENSOR),
            "Quantizer axis",
            _AXIS[self.scheme.per],
            self.axis,
        )
        require(
            scale.ndim == 1
            and scale.size > 0
            and scale.shape == zero.shape
            and (self.axis is not None or scale.size == 1),
            "Quantizer scale shape",
            "one scale and zero point per channel",
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

    def __repr__(self) -> str:
        scales = f"scale={self.scale[0]:.6g}" if self.axis is None else f"{self.scale.size} scales"
        return f"Quantizer({str(self.scheme)!r}, {scales})"

    def encode(self, x: npt.ArrayLike) -> NDArray:
        """Quantise: divide by the scale in binary64, round once to nearest even, saturate.

        Without a zero point, signed integers do not use the lowest code. NaN gives 0 in a format
        without NaN.
        """
        x = as_numbers(x, "Values")
        fmt, scaled = self.scheme.fmt, x / self._spread(self.scale, x)
        if self.scheme.zero_point:
            scaled = np.rint(scaled / 2.0**fmt.lsb_exp) + self._spread(self.zero_point, x)
            scaled *= 2.0**fmt.lsb_exp
        elif fmt.is_integer and fmt.signed:
            np.clip(scaled, -fmt.max, fmt.max, out=scaled)
        return codes_of(scaled, fmt)

    def decode(self, codes: NDArray) -> Floats:
        """Dequantise codes to numbers."""
        values = values_of(codes, self.scheme.fmt)
        if self.scheme.zero_point:
            values = values - self._spread(self.zero_point, codes) * 2.0**self.scheme.fmt.lsb_exp
        numbers: Floats = values * self._spread(self.scale, codes)
        return numbers

    def __call__(self, x: npt.ArrayLike) -> Floats:
        """Quantise and dequantise ``x``."""
        return self.decode(self.encode(x))

    def _spread(self, each: NDArray, x: NDArray) -> NDArray:
        """One number per channel, in a shape that broadcasts with ``x``."""
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
    """Choose the scales of a quantiser from ``data``, finite numbers of any shape.

    Parameters
    ----------
    data
        The numbers. A list of arrays is joined along all axes but that of the channels.
    scheme
        How to quantise, as a `Scheme` or as text; per tensor or per channel.
    axis
        Axis of the channels; only for per=channel.

    Raises
    ------
    SpecError
        If the numbers are not finite, or there are none.
    """
    scheme = parse_scheme(scheme)
    require(
        (axis is None) == (scheme.per is not Per.CHANNEL),
        "Quantizer axis",
        _AXIS[scheme.per],
        axis,
    )
    arrays = [_checked(each) for each in (data if isinstance(data, list) else [data])]
    if not any(each.size for each in arrays):
        raise SpecError("Calibration data must have at least one number")
    parts = []
    for each in arrays:
        if axis is None:
            parts.append(each.reshape(1, -1))
            continue
        require(
            -each.ndim <= axis < each.ndim,
            "Calibration axis",
            f"an axis of data of shape {each.shape}",
            axis,
        )
        moved = np.moveaxis(each, axis, 0)
        parts.append(moved.reshape(len(moved), -1))
    rows = np.concatenate(parts, axis=1)
    return Quantizer(scheme, *_scales(rows, scheme), axis)


def _checked(data: Any) -> Floats:
    """Convert ``data`` to float64 and check that it is finite."""
    array = as_numbers(data, "Calibration data")
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

    A number x becomes the value of the format nearest to x / scale, or with a zero point the
    integer nearest to x / scale + zero point. Rows of zeros get the scale 1.
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
        # For powers of two, rounding the scale up keeps more of the range; there is no finer step.
        return _fit(low * 2.0**best, high * 2.0**best, scheme)
    around = np.linspace(-1, 1, FINE + 1)[:, None] / STEPS
    best = search(best + around)
    return _fit(low * 2.0**best, high * 2.0**best, scheme)


def _sample(rows: Floats) -> tuple[Floats, Floats]:
    """Sample the numbers of each row, and the weight of each: how many numbers it represents."""
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
    """Pick, for each row, the best of ``shares`` (tries, scales), logarithms of the range kept."""
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
    """Quantise and dequantise ``rows``, with one scale per row."""
    fmt, scale, zero = scheme.fmt, scales[:, None], zeros[:, None] * 2.0**scheme.fmt.lsb_exp
    scaled = np.asarray(rows / scale, np.float64)
    if scheme.zero_point:
        scaled = np.rint(scaled / 2.0**fmt.lsb_exp) * 2.0**fmt.lsb_exp + zero
    elif fmt.is_integer and fmt.signed:
        # Symmetric: the lowest integer is not used.
        scaled = scaled.clip(-fmt.max, fmt.max)
    numbers: Floats = (nearest(scaled, fmt) - zero) * scale
    return numbers


def _ends(rows: Floats, scheme: Scheme) -> tuple[Floats, Floats]:
    """Lowest and highest number to keep of each row; symmetric unless there is a zero point."""
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
    """Scales and zero points that map ``low`` and ``high`` to the ends of the format."""
    fmt = scheme.fmt
    span = (high - low) / (fmt.max - fmt.min) if scheme.zero_point else high / fmt.max
    # A subnormal scale would have too few bits.
    scales = np.where(span > 0, np.maximum(span, np.finfo(np.float32).tiny), 1.0)
    if scheme.scale is ScaleKind.POW2:
        significand, exponent = np.frexp(scales)
        scales = np.ldexp(1.0, exponent - (significand == 0.5))
    scales = scales.astype(np.float32).astype(np.float64)
    zeros = np.zeros(len(scales), np.int64)
    if scheme.zero_point:
        zeros = np.rint(fmt.min_units - low / scales / 2.0**fmt.lsb_exp).astype(np.int64)
        zeros = np.clip(zeros, fmt.min_units, fmt.max_units)
    return scales, zeros


def save_quantizers(path: str | Path, quantizers: Mapping[str, Quantizer | Scheme]) -> Path:
    """Write quantisers by name to ``path`` atomically, and return the path.

    With per=block there is nothing to calibrate, so only the scheme is stored.
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
    """Read quantisers that `save_quantizers` wrote.

    Raises
    ------
    SpecError
        If the file cannot be read, is truncated or was not written by `save_quantizers`.
    """
    try:
        data = json.loads(readable(path).read_text(encoding="utf-8"))
        if list(data) != ["quantizers"] or not isinstance(data["quantizers"], dict):
            raise ValueError('it must be an object with the key "quantizers"')
        return {name: _read(each) for name, each in data["quantizers"].items()}
    except (OSError, ValueError, TypeError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SpecError(f"Quantizers file {str(path)!r} cannot be used: {reason}") from error


def _read(data: Any) -> Quantizer | Scheme:
    if not isinstance(data, dict) or set(data) != FIELDS:
        raise ValueError(f"each quantizer must have the fields {', '.join(sorted(FIELDS))}")
    scheme = parse_scheme(data["scheme"])
    if data["scale"] == []:
        return scheme
    if data["axis"] is not None and type(data["axis"]) is not int:
        raise ValueError("an axis must be an integer")
    if any(type(zero) is not int for zero in data["zero_point"]):
        raise ValueError("zero points must be integers")
    return Quantizer(
        scheme,
        np.array(data["scale"], np.float64),
        np.array(data["zero_point"], np.int64),
        data["axis"],
    )
