# SPDX-License-Identifier: Apache-2.0
"""What each code of a narrow format means, as arrays that codes index."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from hw.spec import Format, MacSpec
from sim.convert import decode
from sim.vector.codes import Unpacked, unpack

__all__ = ["MAX_WIDTH", "largest_units", "parts", "significand_bits", "values", "within"]

#: Widest code that has a table.
MAX_WIDTH = 16


@lru_cache(maxsize=64)
def values(fmt: Format) -> npt.NDArray[np.float64]:
    """Value of each code, infinities and NaN included."""
    table: npt.NDArray[np.float64] = decode(np.arange(1 << fmt.width, dtype=np.uint32), fmt)
    table.setflags(write=False)
    return table


@lru_cache(maxsize=64)
def parts(fmt: Format) -> Unpacked:
    """Significand, exponent, sign and class of each code."""
    return unpack(np.arange(1 << fmt.width, dtype=np.int64), fmt)


def largest_units(fmt: Format) -> int:
    """Largest magnitude of a finite value, in units of ``2**fmt.lsb``."""
    return max(fmt.max_units, -fmt.min_units)


def significand_bits(fmt: Format) -> int:
    """Bits of the largest significand; that of -128 in int8 has eight."""
    return max(fmt.precision, largest_units(fmt).bit_length() if fmt.is_integer else 0)


def within(spec: MacSpec, lsb: int, top: int) -> bool:
    """Whether operands and products are multiples of ``2**lsb`` and below ``2**top``."""
    a, b = (largest_units(fmt).bit_length() for fmt in (spec.a, spec.b))
    return (min(spec.a.lsb, spec.b.lsb, spec.product_lsb) >= lsb
            and max(a + spec.a.lsb, b + spec.b.lsb, a + b + spec.product_lsb) <= top)
