# SPDX-License-Identifier: Apache-2.0
"""Machine numbers to codes of a format that has them exactly."""

from typing import Any

import numpy as np
import numpy.typing as npt

from hw.spec import Format
from sim.codes import NDArray, code_dtype
from sim.convert import encode
from sim.fast.rounding import HALF

__all__ = ["dropped", "exact_codes"]

#: Exponent bits, fraction bits and bias of binary32 and binary16.
SINGLE_FIELDS, HALF_FIELDS = (8, 23, 127), (5, 10, 15)


def dropped(fmt: Format) -> int | None:
    """Bits by which ``fmt`` is shorter than binary32, `HALF` for binary16, None for others."""
    if (fmt.exp_bits, fmt.man_bits, fmt.bias) == HALF_FIELDS:
        return HALF
    exp_bits, man_bits, bias = SINGLE_FIELDS
    same_range = (fmt.exp_bits, fmt.bias) == (exp_bits, bias) and fmt.man_bits <= man_bits
    return man_bits - fmt.man_bits if same_range else None


def exact_codes(numbers: npt.NDArray[np.floating[Any]], fmt: Format, nan_code: int) -> NDArray:
    """Codes of numbers that ``fmt``, which has IEEE 754's special codes, has exactly, or NaN.

    Numbers of binary32 may give their memory to the codes.
    """
    drop = dropped(fmt)
    # That a maximum is no number is found sooner than which numbers are none.
    nan = np.isnan(numbers) if np.isnan(numbers.max()) else None
    codes: NDArray
    if drop == HALF:
        codes = numbers.astype(np.float16).view(np.uint16)
    elif drop is not None:
        bits = numbers.astype(np.float32, copy=False).view(np.uint32)
        codes = (bits >> drop if drop else bits).astype(code_dtype(fmt.width), copy=False)
    else:
        codes = encode(numbers if nan is None else np.where(nan, 0, numbers), fmt, saturate=False)
    if nan is not None:
        codes[nan] = nan_code
    return codes
