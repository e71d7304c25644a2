# SPDX-License-Identifier: Apache-2.0
"""Check arrays of codes that users pass in, and choose the dtype of those that are returned."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import BlockScale, Format, SpecError, parse_format
from hw.spec.errors import require
from sim.dtypes import as_numpy, bits_of, dtype_name

NDArray = npt.NDArray[Any]

_to_int = np.frompyfunc(int, 1, 1)

#: Widest code that an int64 array can hold; wider ones are Python integers in object arrays.
MAX_INT64_CODE = 63


def code_dtype(width: int) -> np.dtype[Any]:
    """Smallest unsigned dtype that holds a code of ``width`` bits; object beyond 64 bits."""
    for bits in (8, 16, 32, 64):
        if width <= bits:
            return np.dtype(f"uint{bits}")
    return np.dtype(object)


def as_format(fmt: Format | str) -> Format:
    """Format, given as an object or by name."""
    return fmt if isinstance(fmt, Format) else parse_format(fmt)


def as_array(x: npt.ArrayLike, noun: str) -> NDArray:
    """Convert ``x`` to an array. Nested sequences must have equal lengths."""
    try:
        return np.asarray(as_numpy(x))
    except SpecError:
        raise
    except ValueError as error:
        raise SpecError(f"{noun} must be a rectangular array, not {x!r}") from error


def as_codes(x: npt.ArrayLike, fmt: Format, noun: str) -> NDArray:
    """Check an array of codes of ``fmt``. Return int64, or Python integers if they are wider.

    Arrays of any integer dtype hold codes, with one exception: for a signed integer format, an
    array of a signed dtype holds values (an int8 array for int8). An array whose dtype is ``fmt``
    itself (ml_dtypes, torch) gives its bits, and so do raw bytes of that size (.npy files).

    Raises
    ------
    SpecError
        If the dtype is neither ``fmt`` nor an integer type or an element is not a code of ``fmt``.
    """
    array = _checked(x, fmt, noun)
    exact: Any = _to_int(array) if fmt.width > MAX_INT64_CODE else array.astype(np.int64)
    codes: NDArray = exact & ((1 << fmt.width) - 1)
    return codes


def as_short_codes(x: npt.ArrayLike, fmt: Format, noun: str) -> NDArray:
    """As `as_codes`, in the dtype `code_dtype`. An array that already has it is not copied."""
    array, dtype = _checked(x, fmt, noun), code_dtype(fmt.width)
    if array.dtype == dtype and dtype.kind == "u":
        return array
    return as_codes(array, fmt, noun).astype(dtype)


def as_scales(x: npt.ArrayLike, scale: BlockScale, noun: str) -> NDArray:
    """Check an array of block scales and return their codes in the smallest unsigned dtype.

    Integers are codes. An array whose dtype is the scale's format gives its bits: float32 for
    binary32, float8_e8m0fnu and float8_e4m3fn of ml_dtypes or torch.

    Raises
    ------
    SpecError
        If the dtype is another one, or an element is not a code of the scale.
    """
    array, width = as_array(x, noun), 1 << scale.width
    # The bits of a signed dtype are those of a scale whose sign is ignored.
    own = bits_of(array, replace(scale.fmt, signed=True)) if scale.fmt is not None else None
    if own is None and dtype_name(array.dtype) == f"float8_{scale.name}fnu":
        own = array.view(np.uint8)
    array = array if own is None else own
    if array.dtype.kind not in "iu":
        raise SpecError(
            f"{noun} dtype must be {scale.name} or an integer type, not "
            f"{dtype_name(array.dtype)!r}; sim.quantize makes scales of numbers"
        )
    wrong = array[(array < 0) | (array >= width)]
    require(
        wrong.size == 0,
        noun,
        f"codes of {scale.name} from 0 to {width - 1}",
        int(wrong.flat[0]) if wrong.size else None,
    )
    codes: NDArray = array.astype(code_dtype(scale.width))
    return codes


def _checked(x: npt.ArrayLike, fmt: Format, noun: str) -> NDArray:
    """Check an array of codes or values of ``fmt``."""
    array = as_array(x, noun)
    own = bits_of(array, fmt)
    array = array if own is None else own
    is_integer = array.dtype.kind in "iu" or (
        array.dtype.kind == "O"
        and all(
            isinstance(element, int | np.integer) and not isinstance(element, bool)
            for element in array.flat
        )
    )
    if not is_integer:
        raise SpecError(
            f"{noun} dtype must be {fmt.name} or an integer type, not {dtype_name(array.dtype)!r}; "
            f"sim.encode(x, {fmt.name!r}) turns numbers into codes"
        )
    as_values = array.dtype.kind == "i" and fmt.is_integer and fmt.signed
    low = fmt.min_units if as_values else 0
    high = fmt.max_units if as_values else (1 << fmt.width) - 1
    if array.dtype.kind == "u" and 8 * array.itemsize <= fmt.width:
        return array
    wrong = array[(array < low) | (array > high)]
    require(
        wrong.size == 0,
        noun,
        f"{'values' if as_values else 'codes'} of {fmt.name} from {low} to {high}",
        int(wrong.flat[0]) if wrong.size else None,
    )
    return array
