# SPDX-License-Identifier: Apache-2.0
"""Fast rounding to the values and codes of a format, and decoding.

The results equal those of `sim.encode` and `sim.decode`, but are computed with tables and binary64
instead of integers.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hw.spec import Format
from sim.codes import NDArray, code_dtype
from sim.convert import decode, encode

Floats = npt.NDArray[np.float64]

#: Widest format that uses a table of its values.
MAX_WIDTH = 16


def nearest(x: npt.ArrayLike, fmt: Format) -> Floats:
    """Round finite numbers to the nearest values of ``fmt``: ties to even, overflow saturates."""
    x = np.clip(np.asarray(x, np.float64), fmt.min, fmt.max)
    if not fmt.subnormals or fmt.precision > 24 or fmt.exp_bits > 8:
        values: Floats = np.asarray(decode(encode(x, fmt), fmt))
        return values
    if fmt.is_integer:
        unit: npt.ArrayLike = 2.0**fmt.lsb_exp
    else:
        exponent = np.maximum(np.frexp(x)[1] - 1, 1 - fmt.bias) - fmt.man_bits
        unit = np.ldexp(1.0, exponent)
    return np.clip(np.rint(x / unit) * unit, fmt.min, fmt.max)


def codes_of(x: npt.ArrayLike, fmt: Format) -> NDArray:
    """Codes as from `sim.encode`, saturating. A NaN gives 0 if the format has no NaN."""
    x = np.asarray(x)
    nan = np.isnan(x)
    if fmt.nan_code is None and nan.any():
        x = np.where(nan, 0, x)
    if fmt.width > MAX_WIDTH or not fmt.subnormals:
        return np.asarray(encode(x, fmt))
    if fmt.is_integer:
        units = np.rint(np.clip(np.asarray(x, np.float64), fmt.min, fmt.max) / 2.0**fmt.lsb_exp)
        return (units.astype(np.int64) & (1 << fmt.width) - 1).astype(code_dtype(fmt.width))
    codes = np.searchsorted(_limits(fmt), abs(np.asarray(x, np.float64)))
    negative = np.signbit(x)
    if not fmt.signed:
        codes[negative] = 0
    elif fmt.has_minus_zero:
        codes |= negative.astype(codes.dtype) << fmt.width - 1
    else:
        codes |= (negative & (codes > 0)).astype(codes.dtype) << fmt.width - 1
    if fmt.nan_code is not None:
        codes[nan] = fmt.nan_code
    return codes.astype(code_dtype(fmt.width))


def values_of(codes: NDArray, fmt: Format) -> Floats:
    """Values of codes, as from `sim.decode`."""
    if fmt.width > MAX_WIDTH or codes.dtype.kind != "u":
        values: Floats = np.asarray(decode(codes, fmt))
        return values
    return _values(fmt)[codes]


@lru_cache
def _values(fmt: Format) -> Floats:
    """Value of every code."""
    values: Floats = decode(np.arange(1 << fmt.width, dtype=code_dtype(fmt.width)), fmt)
    return values


@lru_cache
def _limits(fmt: Format) -> Floats:
    """Largest number that rounds to each code from 0 on, except for the largest code.

    Ties go to the even code. Codes increase with the values, so halfway rounds down if the last bit
    of the lower code is 0. Otherwise the limit is the number just below halfway.
    """
    values = np.asarray(decode(np.arange(fmt.max_code + 1, dtype=code_dtype(fmt.width)), fmt))
    middle = (values[1:] + values[:-1]) / 2
    odd = np.arange(len(middle)) % 2 == 1
    limits: Floats = np.where(odd, np.nextafter(middle, 0), middle)
    return limits
