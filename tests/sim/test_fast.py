# SPDX-License-Identifier: Apache-2.0
"""`sim.fast` must give the bits of `sim.vector`, compiled and with numpy alone.

Roundings in numpy are compared with integers or numpy's own conversion.
"""

from itertools import product

import numpy as np
import pytest

import sim
from hw.spec import SpecError, parse_format, parse_mac
from sim import fast
from sim.fast import floating, numpy_only, threads
from sim.fast.numbers import HALF, HALF_SATURATED, values
from sim.fast.plain import STEPS, Shortening, unit
from tests.sim.test_vector import near_codes, random_codes
from tests.support.tiers import tiers

PAIRS = (
    "e4m3",
    "e5m2",
    "e4m3xe5m2",
    "e3m4",
    "e4m3xe3m4",
    "e2m5",
    "int8",
    "uint8xint8",
    "e2m1",
    "int8xe5m2",
    "e5m2fnuzxe4m3fnuz",
    "binary8p3exbinary8p4",
    "fp16",
    "bf16",
    "e4m3:fn-dazxe4m3",
    "int4xe4m3",
)
ACCS = (
    "exact",
    "exact-sat",
    "int20",
    "int20-sat",
    "fx24m4",
    "fx24m4ts",
    "fp32",
    "fp16",
    "bf16",
    "e5m2",
    "e3m4:ieee",
    "fp32-rtz",
    "fp16-sat",
    "fp16-ftz",
    "bf16-rtz-sat-ftz",
    "hopper",
    "blackwell",
    "aligned:10",
)
#: Units that `sim.fast` computes itself, with numba and without.
COMPILED = (
    "e4m3,acc=fp32",
    "e5m2,acc=fp32",
    "e4m3xe5m2,acc=bf16",
    "e5m2,acc=fp16",
    "int8,acc=fp32",
    "e4m3xe3m4,acc=bf16",
    "e4m3,acc=fp32-rtz",
    "e4m3,acc=bf16,lanes=4",
    "e4m3,acc=fp16-sat",
    "e3m4,acc=e5m2",
    "e4m3",
    "int8,acc=int32",
    "int8,acc=int20",
    "int8,acc=int20-sat",
    "e4m3,acc=fx24m4ts",
    "e4m3,acc=hopper",
    "e5m2,acc=ada",
    "e4m3,acc=blackwell",
    "e5m2,acc=fp16-sat",
    "binary8p3,acc=fp32-sat",
    "e5m2,acc=bf16-sat",
    "e5m2",
    "binary8p3",
    "fp16",
)
NEED_NUMBA = ("sat", "fx")


@pytest.fixture(params=["numba", "numpy"])
def engine(request, monkeypatch):
    """Each kind of kernels in turn."""
    monkeypatch.setattr(threads, "LEAST", 0)  # Small products go through threads too.
    if request.param == "numba":
        pytest.importorskip("numba", reason="numba is not installed: make fast")
        yield request.param
        return
    with fast.numpy_only():
        assert not fast.uses_numba()
        yield request.param


@pytest.fixture
def left(monkeypatch):
    """Growing list of units that `sim.fast` passes to `sim.vector`."""
    found, function = [], fast.vector.matmul
    monkeypatch.setattr(
        fast.vector, "matmul", lambda a, b, spec: found.append(spec) or function(a, b, spec)
    )
    return found


def check(spec, a, b, seed):
    """Compare both backends; gives the number of sums."""
    sums, flags = sim.matmul_with_flags(a, b, spec, backend="fast")
    wanted, wanted_flags = sim.matmul_with_flags(a, b, spec, backend="vector")
    assert (sums.dtype, sums.shape) == (wanted.dtype, wanted.shape)
    wrong = np.argwhere((sums != wanted) | (flags != wanted_flags))
    assert not wrong.size, (
        f"{spec}, seed {seed}: {len(wrong)} wrong, the first at "
        f"{wrong[0].tolist()}: {sums[tuple(wrong[0])]}, not "
        f"{wanted[tuple(wrong[0])]}"
    )
    return sums.size


def units():
    """Every pair with every accumulator, with one lane and with three."""
    for pair, acc, lanes in product(PAIRS, ACCS, (None, 3)):
        try:
            yield parse_mac(pair, acc=acc, lanes=lanes)
        except SpecError:
            continue  # A preset has its own lanes; a product may not fit.


def test_fast_equals_vector(engine):
    rng, states, specs = np.random.default_rng(1), 0, list(units())
    for spec, codes in product(specs, (random_codes, near_codes)):
        m, k, n = (int(side) for side in rng.integers(1, (48, 32, 130)))
        a, b = codes(rng, spec.a, (m, k)), codes(rng, spec.b, (k, n))
        states += check(spec, a, b, 1)
    assert len(specs) > 400
    assert states > 1_000_000


LONG = (
    "e4m3,acc=fp32",
    "e4m3,acc=fp16",
    "e4m3,acc=bf16-rtz,lanes=2",
    "e4m3",
    "int8,acc=int32",
    "e5m2,acc=hopper",
    "e5m2",
    "fp16",
    "e5m2,acc=fx65m32",
    "e5m2,acc=fx74m40",
)


@pytest.mark.parametrize("mac", tiers((*LONG, "e5m2,acc=bf16", "e5m2,acc=fp16-sat"), LONG))
def test_long_sums_of_many_rows_equal_vector(engine, mac):
    """Finite sums with more than a slice of K, more than a tile, and rows for every thread."""
    rng, spec = np.random.default_rng(2), parse_mac(mac)
    a, b = (
        (random_codes(rng, fmt, shape) & np.uint64(fmt.sign_code | 0x77)).astype(np.uint8)
        for fmt, shape in ((spec.a, (131, 2200)), (spec.b, (2200, 101)))
    )
    assert check(spec, a, b, 2) == 131 * 101


@pytest.mark.parametrize(
    ("pair", "acc"),
    [
        ("e5m2", "fp16"),
        ("e5m2", "fp32"),
        ("e4m3", "fp16-ftz"),
        ("e4m3", "e3m4-sat"),
        ("e5m2", "bf16"),
        ("e5m2", "fp16-sat"),
        ("e5m2", "fp32-sat"),
        ("binary8p3", "bf16-sat"),
        ("e5m2", "aligned:13"),
        ("e4m3", "exact-sat"),
        ("e3m4", "e2m1:ieee-rtz"),
    ],
)
def test_short_chains_of_extremes_equal_vector(engine, pair, acc):
    """Zeros of both signs, underflow, overflow, infinities and NaN, each followed by all others."""
    spec = parse_mac(pair, acc=acc)
    fmt, one = spec.a, int(sim.encode(1.0, spec.a))
    ends = [0, 1, one, fmt.max_code, (1 << fmt.magnitude_bits) - 1]
    ends += [fmt.inf_code] if fmt.has_inf else []
    a = np.array(list(product([*ends, *(fmt.sign_code | code for code in ends)], repeat=3)))
    b = np.array(list(product([1, fmt.max_code, fmt.sign_code], repeat=3))).T
    assert check(spec, a, b, None) == (2 * len(ends)) ** 3 * 27


@pytest.mark.parametrize("mac", COMPILED)
def test_common_units_are_not_left_to_vector(engine, left, mac):
    codes = np.ones((40, 64), np.uint8)
    sim.matmul(codes, codes.T, mac, backend="fast")
    acc = mac.partition("=")[2]
    needs = any(word in acc for word in NEED_NUMBA) and acc[:4] not in ("fp16", "fp32", "bf16")
    assert bool(left) == (needs and engine == "numpy"), left


def test_other_units_are_left_to_vector(engine, left):
    codes = np.ones((2, 2), np.uint8)
    others = ("fp32", "bf16,acc=fp32", "e5m2,acc=fp16-sat-ftz", "e5m2,acc=fx70m20")
    for mac in others:
        sim.matmul(codes, codes, mac, backend="fast")
    assert [str(spec) for spec in left] == [str(parse_mac(mac)) for mac in others]


def test_sums_that_must_not_be_rounded_twice(engine):
    """2**-15 + 522 in bf16 is 524; rounded to binary32 first it would be the tie 522, then 520."""
    spec = parse_mac("e4m3xe3m4", acc="bf16")
    assert not floating.in_float32(spec)
    a = sim.encode([2.0**spec.a.lsb_exp, 36.0], spec.a)
    b = sim.encode([2.0**spec.b.lsb_exp, 14.5], spec.b)
    got = sim.dot(a, b, spec, backend="fast")
    assert sim.decode(got, "bf16") == 524.0


def test_saturated_sums_stop_at_both_ends(engine):
    a, b = np.full((1, 20), -128, np.int8), np.array([[127, -128]] * 20, np.int8)
    got = sim.matmul(a, b, "int8,acc=int17-sat", backend="fast")
    assert got.tolist() == [[-(1 << 16), (1 << 16) - 1]]


def test_sums_below_the_smallest_are_cut_or_rounded(engine):
    """Three quarters of the smallest e5m2, of either sign."""
    a = sim.encode([[3 * 2.0**-9], [-3 * 2.0**-9]], "e4m3")
    b = sim.encode([[2.0**-9]], "e4m3")
    assert sim.matmul(a, b, "e4m3,acc=e5m2-rtz", backend="fast").tolist() == [[0], [0x80]]
    assert sim.matmul(a, b, "e4m3,acc=e5m2", backend="fast").tolist() == [[1], [0x81]]


def test_sums_too_long_for_binary64_are_known():
    spec = parse_mac("e4m3,acc=fp32-rtz")
    assert floating.in_float64(spec, 1 << 12)
    assert not floating.in_float64(spec, 1 << 18)


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
        0, total, np.empty_like(total)
    )
    return total[:, 0]


@pytest.mark.parametrize(
    "drop",
    [
        HALF,
        16,
        *(
            pytest.param(drop, marks=pytest.mark.slow)
            for drop in (13, 14, 15, 17, 18, 19, 20, 21, 22)
        ),
    ],
)
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


@pytest.mark.parametrize(
    ("acc", "pair"),
    [("fp16", "e4m3"), ("fp16", "e5m2"), ("fp16-sat", "e4m3"), ("fp16", "e4m3xe5m2")],
)
def test_sums_that_overflow_on_the_way_equal_vector(numpy_kernels, monkeypatch, acc, pair):
    """At any step between two checks of the largest sum, up and down again."""
    looks, by_bits = [], Shortening._by_bits
    monkeypatch.setattr(
        Shortening, "_by_bits", lambda self, total: looks.append(1) or by_bits(self, total)
    )
    rng, spec = np.random.default_rng(5), parse_mac(pair, acc=acc)
    a = sim.encode(rng.uniform(4, 16, (24, 20 * STEPS)), spec.a)
    terms = rng.uniform(-4, 24, (20 * STEPS, 32)) * np.linspace(1, 8, 32)
    terms[12 * STEPS :, ::2] *= -1
    b = sim.encode(terms, spec.b)
    assert check(spec, a, b, 5) == 24 * 32
    assert 0 < len(looks) < 20 * STEPS
    ends = sim.decode(sim.matmul(a, b, spec, backend="fast"), spec.acc.fmt)
    assert np.isinf(ends).any() if acc == "fp16" else (ends == 65504).any()
    assert np.isfinite(ends).any()


@pytest.mark.parametrize(("name", "lsb"), [("e4m3", -9), ("e5m2", -16), ("int8", 0), ("e2m1", -1)])
def test_unit_of_a_table(name, lsb):
    fmt = parse_format(name)
    assert unit(values(fmt).astype(np.float32)) == lsb == fmt.lsb_exp


def test_unit_without_subnormal_numbers():
    assert unit(np.float32([0, 1.75, 4, -3, np.inf, np.nan])) == -2


@pytest.mark.parametrize("mac", ["e4m3,acc=bf16", "e4m3,acc=fp16", "e5m2,acc=fp16"])
def test_ordinary_sums_are_not_rounded_by_bits(quick, numpy_kernels, mac):
    rng, spec = np.random.default_rng(6), parse_mac(mac)
    a, b = (
        sim.encode(rng.standard_normal(shape), fmt)
        for fmt, shape in ((spec.a, (20, 64)), (spec.b, (64, 30)))
    )
    assert check(spec, a, b, 6) == 600


def test_infinities_and_numbers_too_large_are_rounded_by_bits(monkeypatch):
    monkeypatch.setattr(Shortening, "_by_bits", lambda self, total: seen.append(1))
    for number in (np.inf, np.nan, -np.inf, -70000.0, 2.0**112):
        seen = []
        shortened(np.float32([1, number, 2]), 16 if number == 2.0**112 else HALF)
        assert seen == [1]


@pytest.mark.parametrize(
    "mac",
    [
        "e4m3,acc=hopper",
        "e5m2,acc=hopper",
        "e4m3xe5m2,acc=blackwell",
        "e2m1,acc=ada",
        "e3m4,acc=aligned:10,lanes=5",
    ],
)
def test_aligned_sums_equal_vector(numpy_kernels, monkeypatch, mac):
    """Blocks of rows in threads; half of them finite, the others of all codes."""
    monkeypatch.setattr("sim.fast.threads.LEAST", 0)
    rng, spec = np.random.default_rng(7), parse_mac(mac)
    a, b = (
        random_codes(rng, fmt, shape) for fmt, shape in ((spec.a, (37, 130)), (spec.b, (130, 50)))
    )
    for codes, fmt in ((a[::2], spec.a), (b, spec.b)):
        codes[~np.isfinite(values(fmt)[codes])] = 0
    a[0], b[:, 0] = spec.a.sign_code, 1
    assert check(spec, a, b, 7) == 37 * 50


@pytest.mark.parametrize("mac", ["e5m2,acc=aligned:1", "e4m3xint8,acc=aligned:2"])
def test_aligned_sum_truncated_to_nothing_is_plus_zero(numpy_kernels, mac):
    """Few fraction bits: a negative sum and negative terms may all be truncated to zero."""
    rng, spec = np.random.default_rng(0), parse_mac(mac)
    a, b = (
        random_codes(rng, fmt, shape) for fmt, shape in ((spec.a, (200, 2)), (spec.b, (2, 200)))
    )
    assert check(spec, a, b, 0) == 200 * 200
