# SPDX-License-Identifier: Apache-2.0
"""Model of output stages: scale sums and round them to codes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, Flag, OutputSpec, parse_output
from hw.spec.errors import require
from sim import backends
from sim.codes import NDArray, as_array, as_codes, code_dtype
from sim.convert import encode


def output(
    codes: npt.ArrayLike,
    spec: OutputSpec | str,
    *,
    scale: npt.ArrayLike | None = None,
    zero_point: npt.ArrayLike = 0,
    flags: npt.ArrayLike | None = None,
    backend: str = backends.DEFAULT,
) -> Any:
    """Scale sums and round them once to codes of ``spec.to``; see `hw.spec.OutputSpec`.

    Parameters
    ----------
    codes
        Sums as returned by `sim.matmul`, of any shape. Fixed point: integers in units of
        ``2**spec.source.lsb_exp``. Floating point: codes of the accumulator's format.
    spec
        The output stage, or its spelling for `hw.spec.parse_output`.
    scale
        Scale of each sum, broadcast to ``codes``, by default 1. If ``spec.scale`` is POW2: the
        exponent, from -128 to 127. FP32: codes of ``fp32``, as returned by `encode`.
    zero_point
        Zero point in units of ``2**spec.to.lsb_exp``, broadcast; must be 0 if the stage has none.
    flags
        Codes of `hw.spec.Flag` in the shape of ``codes``, by default all FINITE.
    backend
        As in `sim.matmul`. All give the same results.

    Returns
    -------
    array of the shape of ``codes``
        Codes, in the smallest unsigned dtype.

    Raises
    ------
    SpecError
        If an argument has a wrong dtype or shape, or an element is out of range.
    """
    spec = parse_output(spec)
    model = backends.find(backend)
    if isinstance(spec.source, FixedAccumulator):
        sums = _integers(codes, "Sums", spec.source.min, spec.source.max)
    else:
        sums = as_codes(codes, spec.source.fmt, "Sums")
    scales, points = settings(spec, sums.shape, scale=scale, zero_point=zero_point)
    kinds = _like(
        sums.shape,
        _integers(
            Flag.FINITE if flags is None else flags, "Flags", 0, Flag.NAN if spec.flag_bits else 0
        ),
        "Flags",
    )
    wrong = kinds[(kinds % Flag.NAN != 0) & (spec.flag_bits == 1)]
    require(
        wrong.size == 0,
        "Flags",
        "FINITE or NAN for one bit",
        int(wrong.flat[0]) if wrong.size else None,
    )
    result = model.output(_flat(sums), _flat(scales), _flat(points), _flat(kinds), spec)
    return result.astype(code_dtype(spec.to.width)).reshape(sums.shape)[()]


def settings(
    spec: OutputSpec,
    shape: tuple[int, ...],
    *,
    scale: npt.ArrayLike | None,
    zero_point: npt.ArrayLike,
) -> tuple[NDArray, NDArray]:
    """Check scales (exponents or codes) and zero points (units). Broadcast them to ``shape``."""
    low, high = (spec.to.min_units, spec.to.max_units) if spec.zero_point else (0, 0)
    return (
        _like(shape, _scales(scale, spec), "Scale"),
        _like(shape, _integers(zero_point, "Zero point", low, high), "Zero point"),
    )


def _flat(x: NDArray) -> NDArray:
    """The array as one row."""
    return np.atleast_1d(x).ravel()


def _integers(x: npt.ArrayLike, noun: str, low: int, high: int) -> NDArray:
    """Check integers from ``low`` to ``high``. Return int64, or Python integers if wider."""
    array = as_array(x, noun)
    require(array.dtype.kind in "iuO", f"{noun} dtype", "an integer type", str(array.dtype))
    wrong = array[(array < low) | (array > high)]
    require(
        wrong.size == 0, noun, f"from {low} to {high}", int(wrong.flat[0]) if wrong.size else None
    )
    wide = max(-low, high + 1).bit_length() > 63
    return array.astype(object if wide else np.int64)


def _scales(scale: npt.ArrayLike | None, spec: OutputSpec) -> NDArray:
    """Check the scales: exponents for POW2, codes for FP32."""
    fmt = spec.scale_format
    if fmt is None or fmt.is_integer:
        low, high = (fmt.min_units, fmt.max_units) if fmt else (0, 0)
        return _integers(0 if scale is None else scale, "Scale", low, high)
    return as_codes(encode(1, fmt) if scale is None else scale, fmt, "Scale")


def _like(shape: tuple[int, ...], array: NDArray, noun: str) -> NDArray:
    """Broadcast an array to a shape."""
    try:
        return np.broadcast_to(array, shape)
    except ValueError:
        require(False, f"{noun} shape", f"one that broadcasts to {shape}", array.shape)
        raise
