# SPDX-License-Identifier: Apache-2.0
"""Sums that `sim.fast` rounds to binary32 and then to a shorter accumulator: as if once.

Tried out for every pair of formats of up to 8 bits of which `sim.fast` assumes it: each finite
accumulator with each magnitude that any of these pairs has as a product. Both signs by symmetry:
accumulators have both.
"""

from functools import lru_cache
from itertools import product

import ml_dtypes
import numpy as np
import pytest

from hw.spec import parse_mac
from hw.spec.catalog import CATALOG
from sim.fast import floating
from sim.fast.numbers import values
from tests.sim.test_vector_hosts import host_add

FORMATS = [fmt for fmt in CATALOG.values() if fmt.width <= 8]
DTYPES = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16}
#: Pairs that rely on it, their products' magnitudes all together, finite accumulators.
COUNTS = {"fp16": (351, 15282, 63488), "bf16": (186, 2554, 65280)}
PARTS = 8
#: Every so manieth product is tried by the quick test.
SPREAD = 199


@lru_cache
def pairs(acc):
    """Units that are rounded twice."""
    specs = [parse_mac(f"{a.name}x{b.name}", acc=acc) for a, b in product(FORMATS, FORMATS)]
    return [spec for spec in specs if floating.in_float32(spec)]


@lru_cache
def magnitudes(acc):
    """Of all products of all pairs, in order."""
    found = {}
    for spec in pairs(acc):
        x, y = (np.unique(abs(values(fmt)[np.isfinite(values(fmt))])) for fmt in (spec.a, spec.b))
        found.setdefault((x.tobytes(), y.tobytes()), np.multiply.outer(x, y).ravel())
    return np.unique(np.concatenate(list(found.values())))


def check(acc, products):
    """Compare for all accumulators; gives the number of sums."""
    dtype, states = DTYPES[acc], 0
    sums = np.arange(1 << 16).astype(np.uint16).view(dtype)
    wide = sums.astype(np.float32)
    sums, wide = sums[np.isfinite(wide)], wide[np.isfinite(wide)]
    with np.errstate(all="ignore"):
        for value in products:
            assert np.float32(value) == value
            twice = (wide + np.float32(value)).astype(dtype)
            once = host_add(sums, np.full(sums.shape, value), dtype)
            wrong = np.flatnonzero(twice.view(np.uint16) != once.view(np.uint16))
            assert not wrong.size, (acc, value, sums[wrong[0]])
            states += sums.size
    return states


@pytest.mark.parametrize("acc", DTYPES)
def test_a_spread_of_products_is_rounded_as_if_once(acc):
    count, products, sums = COUNTS[acc]
    assert (len(pairs(acc)), len(magnitudes(acc))) == (count, products)
    assert check(acc, magnitudes(acc)[::SPREAD]) == sums * -(-products // SPREAD)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("acc", DTYPES)
def test_every_product_is_rounded_as_if_once(acc, part):
    _, products, sums = COUNTS[acc]
    assert check(acc, magnitudes(acc)[part::PARTS]) == sums * len(range(part, products, PARTS))


@pytest.mark.parametrize(("pair", "acc"), [
    ("e4m3xe3m4", "bf16"), ("e4m3xe2m5", "bf16"), ("e5m2xe2m5", "bf16"), ("e2m5", "fp16")])
def test_pairs_of_which_it_does_not_hold_are_not_among_them(pair, acc):
    assert not floating.in_float32(parse_mac(pair, acc=acc))


def test_rounding_twice_is_found_where_it_matters():
    """2**-15 and more, plus 522, in bf16."""
    with pytest.raises(AssertionError, match=r"^\('bf16', 522, "):
        check("bf16", [522])
