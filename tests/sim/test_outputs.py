# SPDX-License-Identifier: Apache-2.0
"""The model of output stages against `sim.encode` and ml_dtypes, and at its limits.

Sums times a binary32 scale: against the host's arithmetic, exact fractions, and the twin.
"""

import re
from bisect import bisect_left
from fractions import Fraction
from itertools import product

import gfloat
import ml_dtypes
import numpy as np
import pytest

import sim
from hw.spec import CATALOG, FixedAccumulator, Flag, SpecError, parse_output
from tests.support.rounding_cases import (
    CORNERS,
    ML_DTYPES,
    all_codes,
    around,
    corner_scales,
    gfloat_info,
    near_ties,
    random_scales,
    same_values,
)
from tests.support.tiers import tiers

SEED = 21
MODES = (True, False)
SUMS = np.arange(1 << 16)
HALVES = {"fp16": np.float16, "bf16": ml_dtypes.bfloat16}


def _spec(to, source, saturate=True, more=""):
    return parse_output(f"{to},from={source}{'' if saturate else ',saturate=no'}{more}")


@pytest.mark.parametrize("source", HALVES)
def test_output_is_the_encoded_value(source):
    """A value is encoded as `sim.encode` does; a scale is exact."""
    values = np.asarray(sim.decode(SUMS, source))
    checked = 0
    for to, fmt in CATALOG.items():
        known = ~np.isnan(values) | (fmt.nan_code is not None)
        for saturate in MODES:
            for scale in (0, -3):
                spec = _spec(to, source, saturate, ",scale=pow2" if scale else "")
                got = sim.output(SUMS[known], spec, scale=scale)
                want = sim.encode(values[known] * 2.0**scale, fmt, saturate=saturate)
                assert (got == want).all(), spec
                checked += 1
    assert checked == 4 * len(CATALOG)


@pytest.mark.parametrize("source", HALVES)
@pytest.mark.parametrize(
    ("to", "dtype"),
    [
        ("e4m3", ml_dtypes.float8_e4m3fn),
        ("e5m2", ml_dtypes.float8_e5m2),
        ("e3m4", ml_dtypes.float8_e3m4),
        ("e4m3fnuz", ml_dtypes.float8_e4m3fnuz),
        ("e5m2fnuz", ml_dtypes.float8_e5m2fnuz),
    ],
)
def test_output_is_what_ml_dtypes_converts_to(source, to, dtype):
    values = SUMS.astype(np.uint16).view(HALVES[source])
    # Over binary32, which holds either source exactly.
    with np.errstate(invalid="ignore"):
        wanted = values.astype(np.float32).astype(dtype)
        is_nan = np.isnan(wanted.astype(np.float32))
    got = sim.output(SUMS, _spec(to, source, saturate=False))
    assert (got[~is_nan] == wanted.view(np.uint8)[~is_nan]).all()
    assert np.isnan(sim.decode(got[is_nan], to)).all()


@pytest.mark.parametrize("to", ["e4m3", "e5m2", "e3m4", "e4m3fnuz", "e5m2fnuz", "fp16", "bf16"])
def test_output_of_fp32_is_what_ml_dtypes_converts_to(to):
    """At every rounding case of the target, two steps around it, and at random codes."""
    dtype = np.dtype(ML_DTYPES[to])
    with np.errstate(over="ignore"):
        cases = around(sim.decode(all_codes(to), to)).astype(np.float32).view(np.uint32)
    near = np.concatenate([cases.astype(np.int64) + step for step in range(-2, 3)])
    sums = np.concatenate(
        [
            near[(near >= 0) & (near < 1 << 32)],
            np.random.default_rng(SEED).integers(0, 1 << 32, size=300_000),
        ]
    )
    with np.errstate(invalid="ignore", over="ignore"):
        wanted = sums.astype(np.uint32).view(np.float32).astype(dtype)
    got = sim.output(sums, _spec(to, "fp32", saturate=False))
    assert sums.size > 300_000 + 20 * (1 << dtype.itemsize * 8 - 1)
    assert same_values(sim.decode(got, to), wanted.astype(np.float64))


def test_output_of_fixed_point_is_the_encoded_fraction():
    draw = np.random.default_rng(SEED)
    sums = draw.integers(-1 << 48, 1 << 48, size=500) >> draw.integers(0, 48, size=500)
    exact = [Fraction(int(value), 1 << 18) for value in sums]
    for to in CATALOG:
        for saturate in MODES:
            got = sim.output(sums, _spec(to, "fx49m18", saturate))
            assert (got == sim.encode(np.array(exact), to, saturate=saturate)).all(), to


def test_output_of_flags():
    flags = [Flag.FINITE, Flag.POS_INF, Flag.NEG_INF, Flag.NAN]
    wanted = {
        "e4m3": [0xC0, 0x7E, 0xFE, 0x7F],
        "e4m3,saturate=no": [0xC0, 0x7F, 0x7F, 0x7F],
        "e5m2": [0xC0, 0x7B, 0xFB, 0x7E],
        "e5m2,saturate=no": [0xC0, 0x7C, 0xFC, 0x7E],
        "e2m1": [0xC, 0x7, 0xF, 0x0],
        "int8": [0xFE, 0x7F, 0x80, 0x00],
        "uint8": [0, 0xFF, 0, 0],
    }
    for text, codes in wanted.items():
        to, _, mode = text.partition(",")
        spec = parse_output(f"{to},from=int32,flags=2{mode and ',' + mode}")
        for backend in ("vector", "golden"):
            got = sim.output(np.full(4, -2), spec, flags=flags, backend=backend)
            assert got.tolist() == codes, spec


def test_output_adds_the_zero_point_after_rounding():
    spec = parse_output("uint8,from=int32,flags=1,scale=pow2,zero_point=yes")
    sums, flags = [-7, -6, -5, 6, 300, 2000, -2000, 9], [0, 0, 0, 0, 0, 0, 0, 3]
    for backend in ("vector", "golden"):
        got = sim.output(sums, spec, scale=-2, zero_point=100, flags=flags, backend=backend)
        assert got.tolist() == [98, 98, 99, 102, 175, 255, 0, 100]


def test_output_keeps_shape_and_takes_numbers():
    assert sim.output(np.zeros((2, 3), int), "e4m3,from=int32").shape == (2, 3)
    code = sim.output(3, "e4m3,from=int32")
    assert code.dtype == np.uint8
    assert code == 0x44


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ((1 << 31,), "e4m3,from=int32"),
            "Sums must be from -2147483648 to 2147483647, not 2147483648",
        ),
        (((1.5,), "e4m3,from=int32"), "Sums dtype must be an integer type, not 'float64'"),
        (((70000,), "e4m3,from=fp16"), "Sums must be codes of fp16 from 0 to 65535, not 70000"),
    ],
)
def test_output_sums_wrong(arguments, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.output(*arguments)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"scale": 1}, "Scale must be from 0 to 0, not 1"),
        ({"zero_point": 1}, "Zero point must be from 0 to 0, not 1"),
        ({"flags": [3, 2]}, "Flags must be FINITE or NAN for one bit, not 2"),
        ({"flags": [0, 0, 3]}, "Flags shape must be one that broadcasts to (2,), not (3,)"),
        ({"backend": "gpu"}, "Backend must be one of fast, vector, golden, not 'gpu'"),
    ],
)
def test_output_keywords_wrong(keywords, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.output([1, 2], "e4m3,from=int32,flags=1", **keywords)


SCALE_SEED = 22


def _product(sums, source, scales):
    """Product in binary64, where 24 bits times 24 are exact: the host rounds nothing."""
    with np.errstate(invalid="ignore", over="ignore"):
        values = scales.astype(np.uint32).view(np.float32).astype(np.float64)
        return np.asarray(sim.decode(sums, source)) * values


def _check_against_host(to, source, sums, scales):
    """Compare with gfloat's rounding of the host's product."""
    points = _product(sums, source, scales)
    for saturate in (True, False):
        spec = parse_output(f"{to},from={source},scale=fp32,saturate={'yes' if saturate else 'no'}")
        theirs = gfloat.round_ndarray(
            gfloat_info(to), points, gfloat.RoundMode.TiesToEven, sat=saturate
        )
        ours = sim.decode(sim.output(sums, spec, scale=scales), to)
        assert same_values(ours, theirs), spec
    assert np.isnan(points).any()
    assert np.isinf(points).any()


@pytest.mark.parametrize(
    ("to", "source"),
    tiers(
        product(["e4m3", "fp32", "e5m2", "e3m4", "e4m3fnuz", "fp16", "bf16"], ["fp16", "bf16"]),
        [("e4m3", "fp16"), ("fp32", "bf16")],
    ),
)
def test_every_16_bit_sum_with_corner_scales(to, source):
    sums, scales = corner_scales(np.arange(1 << 16))
    assert sums.size == 26 << 16
    _check_against_host(to, source, sums, scales)


@pytest.mark.parametrize("to", ["e4m3", "e5m2", "bf16", "fp16", "fp32"])
def test_random_fp32_sums_and_scales(to):
    draw = np.random.default_rng(SCALE_SEED)
    sums, scales = draw.integers(0, 1 << 32, size=300_000), random_scales(draw, 300_000)
    _check_against_host(to, "fp32", sums, scales)


def _fixed_cases(source, count, seed):
    """Sums of every length, and finite scales as codes and as fractions."""
    acc = parse_output(f"e4m3,from={source}").source
    draw = np.random.default_rng(seed)
    shifts = draw.integers(0, acc.width, size=count).tolist()
    sums = [
        (int.from_bytes(draw.bytes(128), "little") % (1 << acc.width) + acc.min) >> shift
        for shift in shifts
    ]
    sums[:4] = acc.min, acc.max, 0, -1
    ties, tie_scales = near_ties(draw, acc, count // 4)
    sums = np.array(sums + ties, dtype=object if acc.width > 63 else np.int64)
    scales = np.concatenate([random_scales(draw, count), tie_scales])
    scales = np.where(scales & 0x7F800000 == 0x7F800000, 0xBF800000, scales)
    factors = scales.astype(np.uint32).view(np.float32)
    exact = [
        Fraction(int(value)) * Fraction(2) ** acc.lsb_exp * Fraction(float(factor))
        for value, factor in zip(sums, factors, strict=True)
    ]
    return sums, scales, exact


def _nearest(values, codes, exact):
    """Code of the value nearest to a fraction, the even code of two; clamped to the values."""
    place = min(max(bisect_left(values, exact), 1), len(values) - 1)
    low, high = values[place - 1], values[place]
    below, above = exact - low, high - exact
    if below == above:
        return next(code for code in codes[place - 1 : place + 1] if code % 2 == 0)
    return codes[place - 1] if below < above else codes[place]


@pytest.mark.parametrize("source", ["int32", "fx49m18", "fx61m30", "fx62m30", "fx100m40"])
@pytest.mark.parametrize("to", ["e4m3", "e5m2", "e2m1"])
def test_fixed_point_is_the_nearest_value(to, source):
    fmt = CATALOG[to]
    codes = [*range(fmt.max_code, 0, -1)]
    table = sorted(
        [(-Fraction(float(sim.decode(code, to))), code | fmt.sign_code) for code in codes]
        + [(Fraction(float(sim.decode(code, to))), code) for code in [0, *codes]]
    )
    values, codes = [value for value, _ in table], [code for _, code in table]
    sums, scales, exact = _fixed_cases(source, 3000, SCALE_SEED)
    got = sim.output(sums, f"{to},from={source},scale=fp32", scale=scales)
    # A negative product that rounds to zero is minus zero; an exact zero has the scale's sign.
    negative = [
        x < 0 or (x == 0 and (int(scale) >> 31 != (int(value) < 0)))
        for x, value, scale in zip(exact, sums, scales, strict=True)
    ]
    wanted = [
        _nearest(values, codes, x) & ~fmt.sign_code | fmt.sign_code * is_negative
        for x, is_negative in zip(exact, negative, strict=True)
    ]
    assert got.tolist() == wanted


@pytest.mark.parametrize("source", ["int32", "fx49m18", "fx100m40"])
@pytest.mark.parametrize("to", ["int8", "uint8", "int16"])
def test_fixed_point_to_an_integer_is_rounded_and_clamped(to, source):
    fmt = CATALOG[to]
    sums, scales, exact = _fixed_cases(source, 3000, SCALE_SEED + 1)
    points = np.random.default_rng(SCALE_SEED).integers(
        fmt.min_units, fmt.max_units + 1, size=sums.size
    )
    spec = parse_output(f"{to},from={source},scale=fp32,zero_point=yes")
    got = sim.output(sums, spec, scale=scales, zero_point=points)
    wanted = [
        min(max(round(x) + int(point), fmt.min_units), fmt.max_units) % (1 << fmt.width)
        for x, point in zip(exact, points, strict=True)
    ]
    assert got.tolist() == wanted


#: Stages that need every case of a product: wide sums, flags, zero points, unsigned targets.
TWINS = (
    "e4m3,from=fx61m30,flags=2",
    "int8,from=fx49m18,flags=2,zero_point=yes",
    "fp32,from=fx61m30,flags=1,saturate=no",
    "uint8,from=fp32,zero_point=yes",
    "e4m3fnuz,from=int32,flags=2,saturate=no",
    "e2m1,from=bf16",
    "e5m2,from=aligned:13",
    "binary8p3e,from=fx37,flags=2,saturate=no",
    "int16,from=fx9p3",
)


@pytest.mark.parametrize("text", TWINS)
def test_vector_equals_golden(text):
    spec, draw, count = parse_output(f"{text},scale=fp32"), np.random.default_rng(SCALE_SEED), 4000
    if isinstance(spec.source, FixedAccumulator):
        width = spec.source.width
        sums = draw.integers(spec.source.min, spec.source.max + 1, size=count)
        sums >>= draw.integers(0, width, size=count)
    else:
        sums = draw.integers(0, 1 << spec.source.width, size=count)
    flags = draw.choice({0: [0], 1: [0, 3], 2: [0, 0, 0, 1, 2, 3]}[spec.flag_bits], size=count)
    points = (
        draw.integers(spec.to.min_units, spec.to.max_units + 1, size=count)
        if spec.zero_point
        else 0
    )
    arguments = {"scale": random_scales(draw, count), "zero_point": points, "flags": flags}
    vector = sim.output(sums, spec, **arguments)
    assert (vector == sim.output(sums, spec, **arguments, backend="golden")).all()
    assert len(np.unique(vector)) > 6


def test_infinite_and_missing_numbers_of_a_product():
    spec = parse_output("e5m2,from=int32,flags=2,saturate=no,scale=fp32")
    inf, nan, zero = 0x7F800000, 0x7F800001, 0x80000000
    cases = [
        (0, Flag.POS_INF, inf, 0x7C),
        (0, Flag.NEG_INF, inf, 0xFC),
        (0, Flag.NAN, inf, 0x7E),
        (0, Flag.FINITE, inf, 0x7E),
        (-1, Flag.FINITE, inf, 0xFC),
        (5, 0, nan, 0x7E),
        (5, Flag.POS_INF, zero, 0x7E),
        (5, Flag.FINITE, zero, 0x80),
        (-5, 0, zero, 0),
        (0, Flag.FINITE, zero, 0x80),
        (0, 0, 0xBF800000, 0x80),
        (7, Flag.NEG_INF, 1, 0xFC),
    ]
    sums, flags, scales, wanted = zip(*cases, strict=True)
    for backend in ("vector", "golden"):
        got = sim.output(sums, spec, scale=scales, flags=flags, backend=backend)
        assert got.tolist() == list(wanted)


def test_scale_is_one_by_default():
    sums = np.arange(-300, 300)
    plain = sim.output(sums, "e4m3,from=int32")
    for scale in ("pow2", "fp32"):
        assert (sim.output(sums, f"e4m3,from=int32,scale={scale}") == plain).all()
    assert (sim.output(sums, "e4m3,from=int32,scale=fp32", scale=CORNERS[:1]) & 0x7F == 0).all()


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        (1 << 32, "Scale must be codes of fp32 from 0 to 4294967295, not 4294967296"),
        (-1, "Scale must be codes of fp32 from 0 to 4294967295, not -1"),
        (
            0.5,
            (
                "Scale dtype must be fp32 or an integer type, not 'float64'; "
                "sim.encode(x, 'fp32') turns numbers into codes"
            ),
        ),
        ([1, 2, 3], "Scale shape must be one that broadcasts to (2,), not (3,)"),
    ],
)
def test_scale_wrong(scale, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.output([1, 2], "e4m3,from=int32,scale=fp32", scale=scale)
