# SPDX-License-Identifier: Apache-2.0
"""Quantisers with scales of their own, chosen once from data: per tensor and per channel."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec.errors import require
from sim.codes import NDArray, as_array
from sim.quantize.nearest import codes_of, values_of
from sim.quantize.ranges import choose
from sim.quantize.scheme import Per, Scheme, parse_scheme

__all__ = ["Quantizer", "calibrate"]

Floats = npt.NDArray[np.float64]


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
        require(self.scheme.per is not Per.BLOCK, "Quantizer scheme", "per tensor or channel",
                str(self.scheme))
        require((self.axis is None) == (self.scheme.per is Per.TENSOR), "Quantizer axis",
                "given per channel, and only then", self.axis)
        require(scale.ndim == 1 and scale.size > 0 and scale.shape == zero.shape
                and (self.axis is not None or scale.size == 1), "Quantizer scale shape",
                "one scale and zero point a channel", (scale.shape, zero.shape))
        require(bool((np.isfinite(scale) & (scale > 0)).all()), "Quantizer scale",
                "positive and finite", scale.tolist())
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
        require(-x.ndim <= self.axis < x.ndim and x.shape[self.axis] == len(each),
                "Values shape", f"{len(each)} along axis {self.axis}", x.shape)
        shape = [1] * x.ndim
        shape[self.axis] = len(each)
        return each.reshape(shape)


def calibrate(data: npt.ArrayLike | Sequence[npt.ArrayLike], scheme: Scheme | str, *,
              axis: int | None = None) -> Quantizer:
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
    require((axis is None) == (scheme.per is not Per.CHANNEL), "Quantizer axis",
            "given per channel, and only then", axis)
    arrays = [_checked(each) for each in (data if isinstance(data, list) else [data])]
    require(any(each.size for each in arrays), "Calibration data", "at least one number", "none")
    if axis is None:
        rows = np.concatenate([each.reshape(1, -1) for each in arrays], axis=1)
    else:
        rows = np.concatenate([_by_channel(each, axis) for each in arrays], axis=1)
    return Quantizer(scheme, *choose(rows, scheme), axis)


def _checked(data: Any) -> Floats:
    """``data`` as finite float64 numbers."""
    array = as_array(data, "Calibration data")
    require(array.dtype.kind in "iufb", "Calibration data dtype", "a real number type",
            str(array.dtype))
    numbers = array.astype(np.float64)
    wrong = numbers[~np.isfinite(numbers)]
    require(wrong.size == 0, "Calibration data", "finite",
            float(wrong.flat[0]) if wrong.size else None)
    return numbers


def _by_channel(x: Floats, axis: int) -> Floats:
    """Rows of numbers, one for each channel."""
    require(-x.ndim <= axis < x.ndim, "Calibration data shape", f"such that it has axis {axis}",
            x.shape)
    moved = np.moveaxis(x, axis, 0)
    return moved.reshape(len(moved), -1)
