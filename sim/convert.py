# SPDX-License-Identifier: Apache-2.0
"""Convert real numbers to codes, and codes and sums to real numbers.

Encoding uses integer arithmetic only, so there is no intermediate floating-point rounding.
"""

from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import CATALOG, FixedAccumulator, Flag, Format, MacSpec, Overflow, SpecError
from hw.spec.errors import require
from sim import integers
from sim.codes import MAX_INT64_CODE, NDArray, as_array, as_codes, as_format, code_dtype
from sim.dtypes import dtype_format, dtype_name, is_raw
from sim.vector.codes import MAX_BITS, Class, encode_parts, holds, unpack

Ints = npt.NDArray[np.int64]


def encode(x: Any, fmt: Format | str, saturate: bool = True) -> Any:
    """Encode real numbers: round to nearest even, then check for overflow.

    Parameters
    ----------
    x
        Real numbers of any shape: floating-point or integer arrays, also of ml_dtypes and torch,
        Python ints, floats, Fractions.
    fmt
        Format or its name.
    saturate
        True: overflow and infinities give the largest finite value of their sign (OFP8 rev. 1.0,
        table 3, SAT). False: infinity where the format has one, else NaN, and the largest finite
        value where it has neither (integers and OCP MX elements).

    Returns
    -------
    array of the shape of ``x``
        Codes, in the smallest unsigned dtype (Python integers beyond 64 bits).

    Notes
    -----
    NaN gives the canonical ``fmt.nan_code``. Minus zero and negative values that round to zero give
    minus zero if the format has it, else plus zero. Negative values give 0 in an unsigned format.

    Raises
    ------
    SpecError
        If ``x`` is not real, or if it is NaN and the format has no NaN.
    """
    fmt = as_format(fmt)
    given = _as_real(x)
    array, kind = np.atleast_1d(given), given.dtype.kind
    overflow = Overflow.SATURATE if saturate else Overflow.INF
    if kind == "f" and array.dtype.itemsize <= 8 and holds(fmt):
        codes = _encode_floats(array.astype(np.float64), fmt, overflow)
    elif kind == "i" and holds(fmt) and not _exceeds(array):
        exact = array.astype(np.int64)
        codes = encode_parts(abs(exact), np.zeros_like(exact), exact < 0, fmt, overflow)
    else:
        numbers = (int(x) if isinstance(x, np.integer) else x for x in array.flat)
        codes = np.array(
            [integers.encode(x, fmt, saturate=saturate) for x in numbers], dtype=object
        )
    return codes.astype(code_dtype(fmt.width)).reshape(given.shape)[()]


def _exceeds(array: NDArray) -> bool:
    """Whether an integer is too wide to be rounded in int64."""
    limit = 1 << MAX_BITS
    return bool(((array >= limit) | (array <= -limit)).any())


def _as_real(x: Any) -> NDArray:
    """Convert ``x`` to an array without loss: a list of mixed numbers stays an object array."""
    typed = hasattr(x, "dtype") or hasattr(x, "__dlpack__")
    array = as_numbers(x, "Values") if typed else np.asarray(x, dtype=object)
    if array.dtype.kind == "O":
        types = {type(element) for element in array.flat}
        if types == {float}:
            array = array.astype(np.float64)
        wrong = [
            element
            for element in array.flat
            if not isinstance(element, Real) or isinstance(element, bool)
        ]
        require(not wrong, "Value", "a real number", wrong[0] if wrong else None)
    require(array.dtype.kind in "iufO", "Values dtype", "a real number type", str(array.dtype))
    return array


def as_numbers(x: Any, noun: str) -> NDArray:
    """Convert ``x`` to an array of numbers; dtypes that numpy does not have become float64.

    Raises
    ------
    SpecError
        If ``x`` is raw bytes, which may be anything.
    """
    array = as_array(x, noun)
    if array.dtype.kind in "iufbcO":
        return array
    fmt = dtype_format(array.dtype)
    if fmt is not None:
        numbers: NDArray = np.asarray(decode(array, fmt))
        return numbers
    if is_raw(array.dtype):
        raise SpecError(
            f"{noun} dtype must be a real number type, not {dtype_name(array.dtype)!r}; if "
            "ml_dtypes saved the array, restore its dtype, for instance with "
            "x.view(ml_dtypes.float8_e4m3fn)"
        )
    if np.can_cast(array.dtype, np.float64):
        return array.astype(np.float64)
    return array


def _encode_floats(x: npt.NDArray[np.float64], fmt: Format, overflow: Overflow) -> Ints:
    """Codes of binary64 numbers, which are split into their bit fields."""
    nan, inf = np.isnan(x), np.isinf(x)
    require(
        fmt.nan_code is not None or not nan.any(), f"Value for {fmt.name}", "a number", float("nan")
    )
    bits = x.view(np.int64)
    field = bits >> 52 & 0x7FF
    magnitude = (bits & (1 << 52) - 1) | (field > 0).astype(np.int64) << 52
    # Treat an infinity as a finite value far above the largest one: it overflows in the same way.
    exp = np.where(inf, 4096, np.maximum(field, 1) - 1075)
    codes = encode_parts(magnitude, exp, bits < 0, fmt, overflow)
    if fmt.nan_code is not None:
        codes[nan] = fmt.nan_code
    return codes


def decode(codes: npt.ArrayLike, fmt: Format | str) -> Any:
    """Decode codes to float64 values, including infinities and NaN.

    Exact for every format in the catalogue. A format with more than 53 significand bits or a wider
    range than binary64 is rounded to the nearest float64.

    Parameters
    ----------
    codes
        Codes of any shape and integer dtype, or an array whose dtype is the format. For a signed
        integer format, an array of a signed dtype holds values.
    fmt
        Format or its name.

    Raises
    ------
    SpecError
        If an element is not a code of ``fmt`` or the dtype is not an integer type.
    """
    fmt = as_format(fmt)
    checked = as_codes(codes, fmt, "Codes")
    if fmt.width > MAX_INT64_CODE or fmt.precision > 53:
        values = np.array([_decode_one(int(code), fmt) for code in checked.flat], dtype=np.float64)
        return values.reshape(checked.shape)[()]
    parts = unpack(np.atleast_1d(checked), fmt)
    # The exponent fits an int. ldexp rounds at most once: values below binary64's normal range.
    with np.errstate(over="ignore", under="ignore"):
        values = np.ldexp(parts.sig.astype(np.float64), (parts.exp + fmt.lsb_exp).astype(np.int32))
    values = np.where((parts.sig == 0) & parts.negative, -0.0, values)
    values[parts.classes == Class.POS_INF] = np.inf
    values[parts.classes == Class.NEG_INF] = -np.inf
    values[parts.classes == Class.NAN] = np.nan
    return values.reshape(checked.shape)[()]


def _decode_one(code: int, fmt: Format) -> float:
    """Value of one code, rounded to nearest by Python's conversions."""
    kind, negative, sig, exp = fmt.unpack(code)
    sign = -1.0 if negative else 1.0
    if kind.value != "finite":
        return sign * float(kind.value)
    places = exp + fmt.lsb_exp
    try:
        value = float(sig << places) if places >= 0 else sig / (1 << -places)
    except OverflowError:
        return sign * float("inf")
    return sign * abs(value)


def values(
    sums: npt.ArrayLike, mac: MacSpec, flags: npt.ArrayLike | None = None
) -> npt.NDArray[np.float64]:
    """Convert the sums of ``mac`` to binary64 numbers.

    Parameters
    ----------
    sums
        Sums as returned by `sim.matmul`, or their bits as unsigned numbers.
    mac
        The unit.
    flags
        Flags that mark fixed-point sums as infinite or NaN. By default, none is.
    """
    acc, array = mac.result, np.asarray(sums)
    numbers: npt.NDArray[np.float64]
    if not isinstance(acc, FixedAccumulator):
        if acc.fmt == CATALOG["fp32"] and array.dtype == np.uint32:  # The CPU has this format.
            numbers = array.view(np.float32).astype(np.float64)
        else:
            numbers = np.asarray(decode(array, acc.fmt))
        return numbers
    if array.dtype.kind != "i":
        wide, half = array.astype(object), 1 << acc.width - 1
        # These are bits, not signed Python integers.
        if array.dtype != object or wide.max(initial=0) >= half:
            wide = (wide ^ half) - half
        array = wide
    numbers = np.asarray(np.ldexp(array.astype(np.float64), acc.lsb_exp))
    if flags is not None:
        for flag, value in _OF_FLAG.items():
            numbers[np.asarray(flags) == flag] = value
    return numbers


_OF_FLAG = {Flag.POS_INF: np.inf, Flag.NEG_INF: -np.inf, Flag.NAN: np.nan}
