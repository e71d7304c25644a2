# SPDX-License-Identifier: Apache-2.0
"""Operands of `bytemac.facade`: numbers are scaled and encoded, codes are kept."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from hw.spec import FixedAccumulator, Format, MacSpec, SpecError
from hw.spec.errors import require
from sim.codes import NDArray, as_array, as_short_codes
from sim.convert import as_numbers, decode
from sim.dtypes import dtype_format, same_codes
from sim.quantize import Per, Quantizer, Scheme, calibrate, parse_scheme

Floats = npt.NDArray[np.float64]
#: How to choose scales: a spelling such as ``per=channel,range=mse``, a scheme, or a calibrated
#: quantizer.
Scaling = str | Scheme | Quantizer


class Operand(NamedTuple):
    """Codes, scales that broadcast to their shape, and the numbers if the scales may be raised."""

    codes: NDArray
    scale: Floats
    numbers: Floats | None = None
    quantizer: Quantizer | None = None


def operands(
    a: Any, b: Any, mac: MacSpec, codes: bool, scheme: Scaling | Sequence[Scaling]
) -> tuple[Operand, Operand]:
    """Codes and scales of A (M, K) and B (K, N), chosen so that sums fit the accumulator."""
    pair = [scheme, scheme] if isinstance(scheme, Scaling) else scheme
    require(
        isinstance(pair, list | tuple)
        and len(pair) == 2
        and all(isinstance(each, Scaling) for each in pair),
        "Scheme",
        "a spelling such as per=channel,range=mse, a Scheme or a Quantizer, or a pair for A and B",
        scheme,
    )
    left = _operand(a, mac.a, "Operand a", codes, pair[0], 0)
    right = _operand(b, mac.b, "Operand b", codes, pair[1], 1)
    require(
        right.codes.shape[0] == left.codes.shape[1],
        "Operand b shape",
        f"({left.codes.shape[1]}, N) to match the K of operand a",
        right.codes.shape,
    )
    return _within(left, right, mac)


def _operand(x: Any, fmt: Format, noun: str, codes: bool, scheme: Any, axis: int) -> Operand:
    """One operand; ``axis`` is the axis of its channels."""
    array = as_array(x, noun)
    require(
        array.ndim == 2 and 0 not in array.shape,
        f"{noun} shape",
        "two sides of at least 1",
        array.shape,
    )
    if codes or _has_dtype(array, fmt):
        return Operand(as_short_codes(array, fmt, noun), np.ones((1, 1)))
    if array.dtype.kind == "u":
        raise SpecError(
            f"{noun} of dtype {array.dtype} may hold codes or numbers; "
            "pass codes=True, or convert numbers with x.astype(float)"
        )
    numbers = as_numbers(array, noun)
    require(numbers.dtype.kind in "iuf", f"{noun} dtype", "a real number type", str(numbers.dtype))
    numbers = numbers.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise SpecError(
            f"{noun} has NaN or Inf, which cannot be scaled; encode it with "
            f"sim.encode(x, {fmt.name!r}, saturate=False) and pass codes=True"
        )
    if not fmt.signed and (numbers < 0).any():
        raise SpecError(
            f"{noun} has negative numbers, but {fmt.name} is unsigned; use a signed format for it"
        )
    return _scaled(numbers, _quantizer(numbers, fmt, scheme, axis), scheme)


def _has_dtype(array: NDArray, fmt: Format) -> bool:
    """Whether the dtype of an array is the format, or an integer type for an integer format."""
    # For a signed format, an unsigned dtype is ambiguous: it may hold codes or numbers.
    kinds = "i" if fmt.signed else "iu"
    if fmt.is_integer and fmt.lsb_exp == 0 and array.dtype.kind in kinds:
        return True
    own = dtype_format(array.dtype)
    return own is not None and same_codes(own, fmt)


def _quantizer(numbers: Floats, fmt: Format, scheme: Any, axis: int) -> Quantizer:
    """Scales of an operand: the given ones, or chosen from its numbers."""
    given = scheme.scheme if isinstance(scheme, Quantizer) else parse_scheme(scheme, fmt=fmt)
    require(same_codes(given.fmt, fmt), "Scheme format", fmt.name, given.fmt.name)
    if given.per is Per.BLOCK or given.zero_point:
        raise SpecError(
            f"Scheme {str(given)!r} needs several products; "
            "use python -m sim.network for per=block and zero points"
        )
    if isinstance(scheme, Quantizer):
        return scheme
    return calibrate(numbers, given, axis=axis if given.per is Per.CHANNEL else None)


def _scaled(numbers: Floats, quantizer: Quantizer, scheme: Any = "") -> Operand:
    """Operand of numbers; scales that a user calibrated are kept."""
    axis = quantizer.axis
    shape = (1, 1) if axis is None else (-1, 1) if axis % 2 == 0 else (1, -1)
    fixed = isinstance(scheme, Quantizer)
    return Operand(
        quantizer.encode(numbers),
        quantizer.scale.reshape(shape),
        None if fixed else numbers,
        None if fixed else quantizer,
    )


def _within(a: Operand, b: Operand, mac: MacSpec) -> tuple[Operand, Operand]:
    """Raise scales by powers of two until no partial sum can overflow the accumulator."""
    free = [side for side in (a, b) if side.quantizer is not None]
    acc = mac.result
    top = acc.max * 2.0**acc.lsb_exp if isinstance(acc, FixedAccumulator) else acc.fmt.max
    for _ in range(2 if free else 0):  # Rounding with new scales may exceed the limit again.
        x, y = abs(decode(a.codes, mac.a)), abs(decode(b.codes, mac.b))
        x, y = (np.where(np.isfinite(side), side, 0) for side in (x, y))
        if x.max() * y.max() * x.shape[1] <= top:
            break
        excess = np.log2((x @ y).max() / top)
        if excess <= 0:
            break
        octaves = int(np.ceil(np.ceil(excess) / len(free)))
        a, b = (_raised(side, octaves) for side in (a, b))
    return a, b


def _raised(operand: Operand, octaves: int) -> Operand:
    """Operand with scales larger by ``2**octaves``; calibrated scales are kept."""
    old = operand.quantizer
    if old is None or operand.numbers is None:
        return operand
    return _scaled(
        operand.numbers,
        Quantizer(old.scheme, old.scale * 2.0**octaves, old.zero_point, old.axis),
    )
