# SPDX-License-Identifier: Apache-2.0
"""Roundings of `sim.fast` in numpy, each against integers or numpy's own conversion."""

import numpy as np
import pytest

import sim
from hw.spec import parse_format, parse_mac
from sim.fast import numpy_only
from sim.fast.numbers import HALF, HALF_SATURATED, values
from sim.fast.plain import STEPS, Shortening, unit
from tests.sim.test_fast import check
from tests.sim.test_vector import random_codes

SIGNIFICANDS = 1 << 23


@pytest.fixture
def numpy_kernels():
    """As if numba were not installed."""
    with numpy_only():
        yield


@pytest.fixture
def quick(monkeypatch):
    """No rounding by bits."""
    def wrong(self, total):
        raise AssertionError("rounded by bits")

    monkeypatch.setattr(Shortening, "_by_bits", wrong)


def shortened(total, drop, lsb=0):
    """``total`` rounded as a block of sums is after its first step."""
    total, ones = total[:, None].copy(), np.ones((1, 1), np.float32)
    Shortening(drop, lsb, np.ones((1, len(total)), np.float32), ones).round(
        0, total, np.empty_like(total))
    return total[:, 0]


@pytest.mark.parametrize("drop", [
    HALF, 16, *(pytest.param(drop, marks=pytest.mark.slow)
                for drop in (13, 14, 15, 17, 18, 19, 20, 21, 22))])
def test_three_operations_round_every_significand_to_nearest_even(quick, drop):
    bits = np.arange(SIGNIFICANDS, dtype=np.uint32) | np.uint32(127 << 23)
    less = 13 if drop == HALF else drop
    kept, rest = bits >> less, bits & (1 << less) - 1
    up = (rest > 1 << less - 1) | ((rest == 1 << less - 1) & (kept & 1 > 0))
    wanted = (kept + up) << less
    got = shortened(bits.view(np.float32), drop).view(np.uint32)
    assert np.count_nonzero(got == wanted) == SIGNIFICANDS
    assert np.count_nonzero(up) > SIGNIFICANDS // 4


def test_fine_sums_round_as_numpy_converts_them(quick):
    """Every sign and exponent below binary16's overflow, subnormal results and zeros."""
    bits = np.arange(0, 1 << 32, 1021, dtype=np.uint64).astype(np.uint32)
    total = np.concatenate([bits.view(np.float32), np.float32([0.0, -0.0, 2**-25, -(2**-25)])])
    total = total[abs(total) < 32000]  # NaN is not, either.
    for drop in (HALF, HALF_SATURATED):
        got = shortened(total, drop, lsb=-32)
        wanted = total.astype(np.float16).astype(np.float32)
        assert (got.view(np.uint32) == wanted.view(np.uint32)).all()
    assert total.size > 2_000_000
    assert np.count_nonzero((wanted == 0) & np.signbit(wanted)) > 1000


@pytest.mark.parametrize(("acc", "pair"), [
    ("fp16", "e4m3"), ("fp16", "e5m2"), ("fp16-sat", "e4m3"), ("fp16", "e4m3xe5m2")])
def test_sums_that_overflow_on_the_way_equal_vector(numpy_kernels, monkeypatch, acc, pair):
    """At any of the steps between two looks at the largest sum, up and down again."""
    looks, by_bits = [], Shortening._by_bits
    monkeypatch.setattr(Shortening, "_by_bits",
                        lambda self, total: looks.append(1) or by_bits(self, total))
    rng, spec = np.random.default_rng(5), parse_mac(pair, acc=acc)
    a = sim.encode(rng.uniform(4, 16, (24, 20 * STEPS)), spec.a)
    terms = rng.uniform(-4, 24, (20 * STEPS, 32)) * np.linspace(1, 8, 32)
    terms[12 * STEPS:, ::2] *= -1
    b = sim.encode(terms, spec.b)
    assert check(spec, a, b, 5) == 24 * 32
    assert 0 < len(looks) < 20 * STEPS
    ends = sim.decode(sim.matmul(a, b, spec, backend="fast"), spec.acc.fmt)
    assert (np.isinf(ends).any() if acc == "fp16" else (ends == 65504).any())
    assert np.isfinite(ends).any()


@pytest.mark.parametrize(("name", "lsb"), [("e4m3", -9), ("e5m2", -16), ("int8", 0), ("e2m1", -1)])
def test_unit_of_a_table(name, lsb):
    fmt = parse_format(name)
    assert unit(values(fmt).astype(np.float32)) == lsb == fmt.lsb


def test_unit_without_subnormal_numbers():
    assert unit(np.float32([0, 1.75, 4, -3, np.inf, np.nan])) == -2


@pytest.mark.parametrize("mac", ["e4m3,acc=bf16", "e4m3,acc=fp16", "e5m2,acc=fp16"])
def test_ordinary_sums_are_not_rounded_by_bits(quick, numpy_kernels, mac):
    rng, spec = np.random.default_rng(6), parse_mac(mac)
    a, b = (sim.encode(rng.standard_normal(shape), fmt)
            for fmt, shape in ((spec.a, (20, 64)), (spec.b, (64, 30))))
    assert check(spec, a, b, 6) == 600


def test_infinities_and_numbers_too_large_are_rounded_by_bits(monkeypatch):
    monkeypatch.setattr(Shortening, "_by_bits", lambda self, total: seen.append(1))
    for number in (np.inf, np.nan, -np.inf, -70000.0, 2.0**112):
        seen = []
        shortened(np.float32([1, number, 2]), 16 if number == 2.0**112 else HALF)
        assert seen == [1]


@pytest.mark.parametrize("mac", ["e4m3,acc=hopper", "e5m2,acc=hopper", "e4m3xe5m2,acc=blackwell",
                                 "e2m1,acc=ada", "e3m4,acc=aligned:10,lanes=5"])
def test_aligned_sums_equal_vector(numpy_kernels, monkeypatch, mac):
    """Blocks of rows in threads; half of them finite, the others of all codes."""
    monkeypatch.setattr("sim.fast.threads.LEAST", 0)
    rng, spec = np.random.default_rng(7), parse_mac(mac)
    a, b = (random_codes(rng, fmt, shape)
            for fmt, shape in ((spec.a, (37, 130)), (spec.b, (130, 50))))
    for codes, fmt in ((a[::2], spec.a), (b, spec.b)):
        codes[~np.isfinite(values(fmt)[codes])] = 0
    a[0], b[:, 0] = spec.a.sign_code, 1
    assert check(spec, a, b, 7) == 37 * 50
