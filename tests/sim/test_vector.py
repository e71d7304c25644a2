# SPDX-License-Identifier: Apache-2.0
"""The numpy model must give the same bits as the golden model, for every unit."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from hw.spec import (
    CATALOG,
    FixedAccumulator,
    FloatAccumulator,
    Overflow,
    Rounding,
    parse_format,
    parse_mac,
)
from sim import golden
from sim.vector import fixed, floating
from sim.vector.codes import bit_length, unpack

OTHERS = ("e4m3:ieee", "e3m3:p3109e", "e1m2:none", "e2m0:fnuz", "e8m30:ieee")


def check(spec, a, b):
    """Compare both models on arrays of codes, and the number of sums."""
    sums, flags = sim.matmul_with_flags(a, b, spec, backend="vector")
    wanted, wanted_flags = sim.matmul_with_flags(a, b, spec, backend="golden")
    assert sums.dtype == wanted.dtype
    assert sums.shape == (a.shape[0], b.shape[1])
    wrong = np.argwhere((sums != wanted) | (flags != wanted_flags))
    assert not wrong.size, (
        f"{spec}: {sums[tuple(wrong[0])]} != {wanted[tuple(wrong[0])]} "
        f"(golden) for {a[wrong[0][0]]} and {b[:, wrong[0][1]]}"
    )


def random_codes(rng, fmt, shape):
    """Random codes of all kinds, extremes, zeros and specials more often than not."""
    top = (1 << fmt.width) - 1
    corners = [
        0,
        fmt.sign_code,
        fmt.max_code,
        fmt.max_code | fmt.sign_code,
        top,
        1,
        fmt.sign_code | 1,
        *(c for c in (fmt.inf_code, fmt.nan_code) if c is not None),
    ]
    codes = rng.integers(0, top, shape, dtype=np.uint64, endpoint=True)
    return np.where(rng.random(shape) < 0.3, rng.choice(np.array(corners, np.uint64), shape), codes)


def near_codes(rng, fmt, shape):
    """Finite codes of similar exponents, so that long sums keep all their terms."""
    mask = (1 << fmt.magnitude_bits - 1) - 1 if fmt.exp_bits else (1 << fmt.width) - 1
    return random_codes(rng, fmt, shape) & np.uint64(mask | fmt.sign_code)


@pytest.mark.parametrize("name", [*CATALOG, *OTHERS])
def test_unpack_equals_the_format(name):
    fmt = parse_format(name)
    if fmt.width <= 10:
        codes = np.arange(1 << fmt.width, dtype=np.uint64)
    else:
        codes = random_codes(np.random.default_rng(1), fmt, 3000)
    parts = unpack(codes.astype(np.int64), fmt)
    for index, code in enumerate(codes.tolist()):
        kind, negative, sig, exp = fmt.unpack(code)
        assert (parts.sig[index], parts.exp[index], parts.negative[index]) == (sig, exp, negative)
        assert parts.special[index] == (kind.value != "finite")


@pytest.mark.parametrize("pair", ["e5m2", "e4m3xe5m2", "binary8p3exint8", "e3m4xe4m3fnuz"])
def test_flags_equal_those_of_every_product(pair):
    spec = parse_mac(pair)
    a, b = (np.arange(1 << fmt.width).astype(np.uint16) for fmt in (spec.a, spec.b))
    _, flags = sim.matmul_with_flags(a[:, None], b[None, :], spec, backend="vector")
    wanted = [[golden.multiply(spec, x, y).flag for y in b.tolist()] for x in a.tolist()]
    assert (flags == np.array(wanted)).all()
    assert flags.size == 1 << spec.a.width + spec.b.width


def test_bit_length_is_that_of_python():
    values = [max((1 << n) + step, 0) for n in range(62) for step in (-2, -1, 0, 1)][:-1]
    lengths = bit_length(np.array(values))
    assert lengths.tolist() == [value.bit_length() for value in values]


ACCS = (
    "exact:3",
    "exact:3-sat",
    "coarse",
    "coarse-rtz-sat",
    "fp32",
    "fp16",
    "bf16",
    "e5m2",
    "e3m4-sat",
    "fp32-rtz",
    "fp16-ftz",
    "bf16-rtz-sat-ftz",
)


def unit(pair, acc, lanes):
    """MAC with an accumulator of that kind; ``coarse`` rounds away a few bits of the product."""
    if not acc.startswith("coarse"):
        return parse_mac(pair, acc=acc.replace(":3", f":{lanes + 1}"), lanes=lanes)
    spec = parse_mac(pair, acc=f"exact:{lanes + 1}{acc.removeprefix('coarse')}", lanes=lanes)
    lsb = spec.acc.lsb_exp + spec.acc.width // 3
    return replace(spec, acc=replace(spec.acc, lsb_exp=lsb, width=spec.acc.width * 2 // 3 + 3))


@pytest.mark.parametrize("acc", ["fp32", "fp16", "bf16", "any"])
def test_vector_equals_golden_for_every_pair(acc):
    rng = np.random.default_rng(2)
    pairs = list(product(CATALOG, repeat=2))
    for index, (x, y) in enumerate(pairs):
        kind = ACCS[index * 5 % len(ACCS)] if acc == "any" else acc
        spec = unit(f"{x}x{y}", kind, lanes=1 + index % 3)
        codes = near_codes if index % 2 else random_codes
        check(spec, codes(rng, spec.a, (2, 4)), codes(rng, spec.b, (4, 2)))
    assert len(pairs) == len(CATALOG) ** 2


@pytest.mark.parametrize(
    ("pair", "acc"),
    [
        ("e5m2", "fp16"),
        ("e5m2", "fp16-ftz"),
        ("bf16", "fp32-rtz"),
        ("bf16", "fp32"),
        ("e4m3", "e3m4-sat"),
    ],
)
def test_vector_equals_golden_on_every_short_chain_of_extremes(pair, acc):
    # Zeros of both signs, underflow and cancellation, each followed by all the others.
    spec = parse_mac(pair, acc=acc)
    fmt, one = spec.a, int(sim.encode(1.0, spec.a))
    ends = [0, 1, one, fmt.max_code]
    a = np.array(list(product([*ends, *(fmt.sign_code | code for code in ends)], repeat=3)))
    b = np.array(list(product([1, fmt.max_code], repeat=3))).T
    check(spec, a, b)
    assert (a.shape, b.shape) == ((512, 3), (3, 8))


@settings(max_examples=300)
@given(
    st.sampled_from([*CATALOG, *OTHERS]),
    st.sampled_from([*CATALOG, *OTHERS]),
    st.sampled_from(ACCS),
    st.integers(1, 5),
    st.tuples(*3 * [st.integers(1, 7)]),
    st.integers(0, 1 << 32),
    st.booleans(),
)
def test_vector_equals_golden(x, y, acc, lanes, shape, seed, near):
    spec, rng = unit(f"{x}x{y}", acc, lanes), np.random.default_rng(seed)
    codes = near_codes if near else random_codes
    m, k, n = shape
    check(spec, codes(rng, spec.a, (m, k)), codes(rng, spec.b, (k, n)))


@settings(max_examples=300)
@given(
    st.sampled_from(("int8", "e4m3", "e5m2", "int16xe4m3", "fp16", "bf16")),
    st.integers(-40, 40),
    st.integers(0, 40),
    st.sampled_from(Rounding),
    st.sampled_from((Overflow.WRAP, Overflow.SATURATE)),
    st.integers(1, 4),
    st.integers(0, 1 << 32),
)
def test_fixed_equals_golden_for_any_lsb_and_width(
    pair, lsb, spare, rounding, overflow, lanes, seed
):
    spec = parse_mac(pair, lanes=lanes, acc=f"exact:{lanes}")
    lsb += spec.product_lsb
    needed = max(spec.acc.width - (lsb - spec.product_lsb) + (lsb > spec.product_lsb), 2)
    acc = FixedAccumulator(
        lsb_exp=lsb, width=needed + spare // 4, rounding=rounding, overflow=overflow
    )
    rng = np.random.default_rng(seed)
    check(
        replace(spec, acc=acc), random_codes(rng, spec.a, (3, 9)), random_codes(rng, spec.b, (9, 3))
    )


@pytest.mark.parametrize("overflow", ["", "-sat"])
@pytest.mark.parametrize("width", [61, 62, 63, 64, 65, 127])
def test_fixed_never_wraps_at_the_width_of_a_machine_word(width, overflow):
    # e5m2 x e4m3 has 51 bits: the largest products climb to any of these ends.
    largest, lowest = np.full((2, 1 << 15), 0x7B, np.uint8), np.full((1 << 15, 2), 0xFE, np.uint8)
    spec = parse_mac("e5m2xe4m3", acc=f"fx{width}m25{overflow}")
    total = -(1 << 15) * spec.a.max_units * spec.b.max_units
    wanted = (
        max(total, spec.acc.min)
        if overflow
        else ((total - spec.acc.min) % (1 << width) + spec.acc.min)
    )
    sums = sim.matmul(largest, lowest, spec, backend="vector")
    assert sums.dtype == (np.int64 if width <= 63 else object)
    assert sums.tolist() == [[wanted] * 2] * 2


@pytest.mark.parametrize("pair", ["int8", "e4m3", "e5m2", "e5m2fnuzxint8", "fp16", "bf16"])
@pytest.mark.parametrize("k", [1, 255, 257, 5000])
def test_exact_equals_integer_matrix_products(pair, k):
    rng, spec = np.random.default_rng(k), parse_mac(pair, acc="exact:5000")
    a, b = near_codes(rng, spec.a, (3, k)), near_codes(rng, spec.b, (k, 4))
    x, y = (
        np.array(
            [fmt.unpack(code).sig << fmt.unpack(code).exp for code in codes.ravel().tolist()],
            object,
        ).reshape(codes.shape)
        for fmt, codes in ((spec.a, a), (spec.b, b))
    )
    assert (sim.matmul(a, b, spec, backend="vector") == x @ y).all()


def _count_calls(monkeypatch, module, name):
    """Number of calls of a function of ``module`` from now on, as a growing list."""
    calls, function = [], getattr(module, name)
    monkeypatch.setattr(module, name, lambda *args: calls.append(1) or function(*args))
    return calls


@pytest.mark.parametrize("acc", ["fp32", "bf16", "fp16-rtz"])
@pytest.mark.parametrize("pair", ["bf16", "e5m2", "fp16", "fp32xe5m2"])
def test_lanes_that_leave_the_window_are_exact(pair, acc, monkeypatch):
    calls = _count_calls(monkeypatch, floating, "_exact_sum")
    rng, spec = np.random.default_rng(3), parse_mac(pair, acc=acc, lanes=4)
    a, b = random_codes(rng, spec.a, (12, 24)), random_codes(rng, spec.b, (24, 12))
    # Pairs of lanes that cancel leave the small ones to decide.
    a[:, 1::4], b[1::4] = a[:, ::4] ^ np.uint64(spec.a.sign_code), b[::4]
    check(spec, a, b)
    assert calls or (pair, acc) == ("e5m2", "fp16-rtz")


def test_units_too_wide_for_int64_are_left_to_golden(monkeypatch):
    calls = _count_calls(monkeypatch, floating, "matmul")
    codes = np.ones((2, 2), np.uint64)
    for spelling in ("e8m30:ieee,acc=fp32", "e8m30:ieee", "e11m52:ieee,acc=fp32"):
        sim.matmul(codes, codes, spelling, backend="vector")
    wide = FloatAccumulator(fmt=parse_format("e11m52:ieee"))
    double = parse_mac("e4m3", acc=wide)
    assert sim.dot(codes[0], codes[0], double, backend="vector") == 0x3EE0000000000000
    assert not calls
    assert sim.dot(codes[0], codes[0], "fp32", backend="vector") == 2
    assert not fixed.flags(*2 * [unpack(np.ones((1, 1), np.int64), CATALOG["e4m3"])]).any()
