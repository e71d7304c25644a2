# SPDX-License-Identifier: Apache-2.0
"""What an output stage makes of sums: exact Python integers, and numpy where int64 is enough."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, Flag, OutputSpec, parse_output
from hw.spec.errors import require
from sim import golden_output
from sim.codes import Array, as_array, as_codes, code_dtype
from sim.vector import outputs

__all__ = ["output"]

BACKENDS = {"vector": outputs.output, "golden": golden_output.output}


def output(codes: npt.ArrayLike, spec: OutputSpec | str, *, scale: npt.ArrayLike = 0,
           zero_point: npt.ArrayLike = 0, flags: npt.ArrayLike | None = None,
           backend: str = "vector") -> Any:
    """Codes of ``codes * 2**scale`` in ``spec.to``, rounded once; see `hw.spec.OutputSpec`.

    Parameters
    ----------
    codes
        Sums as `sim.matmul` gives them: integers in units of ``2**spec.source.lsb`` in fixed point,
        codes of the accumulator's format in floating point. Any shape.
    spec
        The output stage, or its spelling for `hw.spec.parse_output`.
    scale
        Exponent of the scale, broadcast to ``codes``; 0 if the stage has none.
    zero_point
        Value of the zero point in units of ``2**spec.to.lsb``, broadcast; 0 if the stage has none.
    flags
        Codes of `hw.spec.Flag` of the shape of ``codes``, by default none is set.
    backend
        ``vector`` (numpy) or ``golden`` (the plain model, slow); the results are the same.

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
    require(isinstance(backend, str) and backend in BACKENDS, "Backend",
            f"one of {', '.join(BACKENDS)}", backend)
    if isinstance(spec.source, FixedAccumulator):
        sums = _integers(codes, "Sums", spec.source.min, spec.source.max)
    else:
        sums = as_codes(codes, spec.source.fmt, "Sums")
    half = 1 << spec.scale_bits >> 1
    low, high = (spec.to.min_units, spec.to.max_units) if spec.zero_point else (0, 0)
    exps = _like(sums, scale, "Scale", -half, max(half - 1, 0))
    points = _like(sums, zero_point, "Zero point", low, high)
    kinds = _like(sums, Flag.FINITE if flags is None else flags, "Flags", 0,
                  Flag.NAN if spec.flag_bits else 0)
    wrong = kinds[(kinds % Flag.NAN != 0) & (spec.flag_bits == 1)]
    require(wrong.size == 0, "Flags", "FINITE or NAN for one bit",
            int(wrong.flat[0]) if wrong.size else None)
    result = BACKENDS[backend](_flat(sums), _flat(exps), _flat(points), _flat(kinds), spec)
    return result.astype(code_dtype(spec.to.width)).reshape(sums.shape)[()]


def _flat(x: Array) -> Array:
    """Elements in a row."""
    return np.atleast_1d(x).ravel()


def _integers(x: npt.ArrayLike, noun: str, low: int, high: int) -> Array:
    """Integers from ``low`` to ``high``: int64, or Python integers where that is too narrow."""
    array = as_array(x, noun)
    require(array.dtype.kind in "iuO", f"{noun} dtype", "an integer type", str(array.dtype))
    wrong = array[(array < low) | (array > high)]
    require(wrong.size == 0, noun, f"from {low} to {high}",
            int(wrong.flat[0]) if wrong.size else None)
    wide = max(-low, high + 1).bit_length() > 63
    return array.astype(object if wide else np.int64)


def _like(sums: Array, x: npt.ArrayLike, noun: str, low: int, high: int) -> Array:
    """Integers of the shape of ``sums``."""
    array = _integers(x, noun, low, high)
    try:
        return np.broadcast_to(array, sums.shape)
    except ValueError:
        require(False, f"{noun} shape", f"one that broadcasts to {sums.shape}", array.shape)
        raise
