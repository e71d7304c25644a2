# SPDX-License-Identifier: Apache-2.0
"""Matrix products with tensor-core accumulation, in binary32 or binary64 arithmetic.

Terms are scaled by a power of two so that the common lsb has weight one, and truncated to integers,
so the rounding mode need not change. A first pass over the lanes finds the place, a second one
adds.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from hw.spec import AlignedAccumulator, Flag, Format, MacSpec
from sim.codes import NDArray
from sim.fast.kernels import kernels
from sim.fast.numbers import (
    LOWEST_PLACE,
    NOWHERE,
    exact_codes,
    flags,
    parts,
    values,
    within,
)
from sim.vector.aligned import special_codes
from sim.vector.codes import largest_units, significand_bits


class Machine(NamedTuple):
    """A machine type: its numpy dtype, fraction bits, and range of exponents."""

    floats: type[np.floating]
    fraction: int
    top: int


SINGLE = Machine(np.float32, 23, 126)
DOUBLE = Machine(np.float64, 52, 900)


def matmul(a: NDArray, b: NDArray, spec: MacSpec) -> NDArray | None:
    """Codes of the sums of ``a`` (M, K) times ``b`` (K, N), or None if neither type fits."""
    acc = spec.acc
    assert isinstance(acc, AlignedAccumulator)
    machine = next((m for m in (SINGLE, DOUBLE) if _fits(spec, acc, a.shape[1], m)), None)
    if machine is None:
        return None
    tables = [_finite(fmt).astype(machine.floats) for fmt in (spec.a, spec.b)]
    places = [_places(fmt) for fmt in (spec.a, spec.b)]
    if machine is SINGLE and _fits_bytes(spec, acc, a.shape[1]):
        places = [np.maximum(place, LOWEST_PLACE).astype(np.int8) for place in places]
    sums = kernels().aligned(a, b, tables, places, spec.lanes, acc.frac_bits, acc.fraction_bits)
    codes, raised = exact_codes(sums, acc.fmt, acc.nan_code), flags(a, b, spec)
    if raised.any():
        special = raised != Flag.FINITE
        codes[special] = special_codes(acc)[raised[special]]
    return codes


def _fits(spec: MacSpec, acc: AlignedAccumulator, depth: int, machine: Machine) -> bool:
    """Whether sums are exact in ``machine``, and neither subnormal nor infinite in the format."""
    bits = acc.frac_bits + 2 + spec.lanes.bit_length()
    lowest = sum(fmt.lsb_exp + fmt.man_bits for fmt in (spec.a, spec.b)) - acc.frac_bits
    largest = depth * largest_units(spec.a) * largest_units(spec.b)
    highest = largest.bit_length() + spec.product_lsb
    return (
        max(bits, significand_bits(spec.a) + significand_bits(spec.b)) <= machine.fraction
        and within(spec, -machine.top, machine.top)
        and max(highest, -lowest) + acc.frac_bits <= machine.top
        and lowest >= 1 - acc.fmt.bias
        and highest <= acc.fmt.bias
    )


@lru_cache(maxsize=256)
def _fits_bytes(spec: MacSpec, acc: AlignedAccumulator, depth: int) -> bool:
    """Whether the places of terms and sums fit bytes, with those of zeros below all others."""
    ranges = [_places(fmt)[parts(fmt).sig != 0] for fmt in (spec.a, spec.b)]
    lowest = sum(int(each.min()) for each in ranges)
    highest = max(int(each.max()) for each in ranges)
    return (
        LOWEST_PLACE + highest < lowest - acc.frac_bits
        and min(int(each.min()) for each in ranges) > LOWEST_PLACE
        and 2 * highest + depth.bit_length() + 1 < 100
    )


def _finite(fmt: Format) -> NDArray:
    """Value of each code; 0 for infinities and NaN."""
    table = values(fmt)
    return np.where(np.isfinite(table), table, 0)


def _places(fmt: Format) -> NDArray:
    """Exponent of the units place of each code."""
    table = parts(fmt)
    return np.where(table.sig == 0, NOWHERE, table.exp + fmt.lsb_exp + fmt.man_bits).astype(
        np.int16
    )
