# SPDX-License-Identifier: Apache-2.0
"""Floating-point accumulation against the arithmetic of the host, on all pairs of 8-bit codes.

Sums that `sim.fast` rounds to binary32 and then to a shorter accumulator are as if rounded once:
checked for every pair of formats of up to 8 bits for which `sim.fast` assumes it, each finite
accumulator with each magnitude that any of these pairs has as a product. Both signs by symmetry:
accumulators have both.
"""

from functools import lru_cache
from itertools import product

import ml_dtypes
import numpy as np
import pytest

import sim
from hw.spec import CATALOG, parse_mac
from sim.fast import floating
from sim.fast.numbers import values

DTYPES = {
    "fp32": np.float32,
    "fp16": np.float16,
    "bf16": ml_dtypes.bfloat16,
    "e5m2": ml_dtypes.float8_e5m2,
    "e3m4": ml_dtypes.float8_e3m4,
}
PAIRS = (
    "e4m3",
    "e5m2",
    "e3m4",
    "e2m5",
    "e4m3xe5m2",
    "e5m2fnuz",
    "binary8p3exbinary8p6e",
    "int8",
    "int8xe5m2",
    "uint8xe4m3fnuz",
)
STEPS = 6


def permuted_codes(rng, fmt):
    """Every code once in each of `STEPS` rows."""
    return np.stack([rng.permutation(1 << fmt.width) for _ in range(STEPS)]).astype(np.uint8)


def odd(nearest, rest):
    """Of the two neighbours of ``nearest + rest`` the one with an odd last bit, if inexact.

    What is rounded to odd can be rounded to a format two bits shorter without rounding twice.
    """
    unsigned = np.dtype(f"u{nearest.dtype.itemsize}")
    even = nearest.view(unsigned) & 1 == 0
    toward = np.where(rest > 0, np.inf, -np.inf).astype(nearest.dtype)
    step = even & (rest != 0) & np.isfinite(nearest)
    return np.where(step, np.nextafter(nearest, toward), nearest)


def host_add(sums, products, dtype):
    """``sums + products`` rounded once to ``dtype``; the products are exact in float64."""
    if dtype is np.float32:
        assert (products.astype(np.float32) == products)[np.isfinite(products)].all()
        return sums + products.astype(np.float32)
    x = sums.astype(np.float64)
    total = x + products
    # Knuth's TwoSum: the rounding error of the line above, exactly.
    part = total - x
    error = (x - (total - part)) + (products - part)
    total = odd(total, error)
    narrow = total.astype(np.float32)
    return odd(narrow, total - narrow).astype(dtype)


@pytest.mark.parametrize("acc", DTYPES)
@pytest.mark.parametrize("pair", PAIRS)
def test_float_sums_equal_the_host(pair, acc):
    spec, rng = parse_mac(pair, acc=acc), np.random.default_rng(8)
    a, b = permuted_codes(rng, spec.a).T, permuted_codes(rng, spec.b)
    x, y = sim.decode(a, spec.a), sim.decode(b, spec.b)
    dtype = DTYPES[acc]
    sums = np.zeros((256, 256), dtype)
    with np.errstate(all="ignore"):
        for k in range(STEPS):
            sums = host_add(sums, np.multiply.outer(x[:, k], y[k]), dtype)
        nan = np.isnan(sums.astype(np.float64))
    host = sums.view(f"u{sums.dtype.itemsize}")
    ours = sim.matmul(a, b, spec, backend="vector")
    assert ours.shape == (256, 256)
    wrong = np.argwhere(ours != np.where(nan, CATALOG[acc].nan_code, host))
    assert not wrong.size, (
        f"{len(wrong)} wrong, the first for {a[wrong[0][0]]} and {b[:, wrong[0][1]]}"
    )


@pytest.mark.parametrize("scale", [0.01, 1, 30])
@pytest.mark.parametrize("pair", ["e4m3", "e5m2", "e2m5", "int8"])
def test_long_fp32_sums_equal_the_host(pair, scale):
    rng = np.random.default_rng(9)
    a, b = (
        sim.encode(scale * rng.standard_normal(shape), pair) for shape in ((40, 500), (500, 30))
    )
    x, y = (sim.decode(codes, pair).astype(np.float32) for codes in (a, b))
    sums = np.zeros((40, 30), np.float32)
    for k in range(500):
        sums += np.multiply.outer(x[:, k], y[k])
    for backend in ("fast", "vector"):
        ours = sim.matmul(a, b, f"{pair},acc=fp32", backend=backend)
        assert (ours == sums.view(np.uint32)).all()


FORMATS = [fmt for fmt in CATALOG.values() if fmt.width <= 8]
SHORT = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16}
#: Pairs that rely on it, number of magnitudes of their products, number of finite accumulators.
COUNTS = {"fp16": (351, 15282, 63488), "bf16": (186, 2554, 65280)}
PARTS = 8
#: The quick test uses one product in this many.
SPREAD = 199


@lru_cache
def pairs(acc):
    """Units that are rounded twice."""
    specs = [parse_mac(f"{a.name}x{b.name}", acc=acc) for a, b in product(FORMATS, FORMATS)]
    return [spec for spec in specs if floating.in_float32(spec)]


@lru_cache
def magnitudes(acc):
    """Magnitudes of all products of all pairs, in order."""
    found = {}
    for spec in pairs(acc):
        x, y = (np.unique(abs(values(fmt)[np.isfinite(values(fmt))])) for fmt in (spec.a, spec.b))
        found.setdefault((x.tobytes(), y.tobytes()), np.multiply.outer(x, y).ravel())
    return np.unique(np.concatenate(list(found.values())))


def check_twice(acc, products):
    """Compare for all accumulators; gives the number of sums."""
    dtype, states = SHORT[acc], 0
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


@pytest.mark.parametrize("acc", SHORT)
def test_a_spread_of_products_is_rounded_as_if_once(acc):
    count, products, sums = COUNTS[acc]
    assert (len(pairs(acc)), len(magnitudes(acc))) == (count, products)
    assert check_twice(acc, magnitudes(acc)[::SPREAD]) == sums * -(-products // SPREAD)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("acc", SHORT)
def test_every_product_is_rounded_as_if_once(acc, part):
    _, products, sums = COUNTS[acc]
    assert check_twice(acc, magnitudes(acc)[part::PARTS]) == sums * len(
        range(part, products, PARTS)
    )


@pytest.mark.parametrize(
    ("pair", "acc"),
    [("e4m3xe3m4", "bf16"), ("e4m3xe2m5", "bf16"), ("e5m2xe2m5", "bf16"), ("e2m5", "fp16")],
)
def test_pairs_of_which_it_does_not_hold_are_not_among_them(pair, acc):
    assert not floating.in_float32(parse_mac(pair, acc=acc))


def test_rounding_twice_is_found_where_it_matters():
    """2**-15 and more, plus 522, in bf16."""
    with pytest.raises(AssertionError, match=r"^\('bf16', 522, "):
        check_twice("bf16", [522])
