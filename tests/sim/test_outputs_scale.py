# SPDX-License-Identifier: Apache-2.0
"""Sums times a binary32 scale: against the host's arithmetic, exact fractions, and the twin."""

import re
from bisect import bisect_left
from fractions import Fraction
from itertools import product

import gfloat
import numpy as np
import pytest

import sim
from hw.spec import CATALOG, FixedAccumulator, Flag, SpecError, parse_output
from tests.support.rounding_cases import (
    CORNERS,
    corner_scales,
    gfloat_info,
    near_ties,
    random_scales,
    same_values,
)
from tests.support.tiers import tiers

SEED = 22


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
        theirs = gfloat.round_ndarray(gfloat_info(to), points, gfloat.RoundMode.TiesToEven,
                                      sat=saturate)
        ours = sim.decode(sim.output(sums, spec, scale=scales), to)
        assert same_values(ours, theirs), spec
    assert np.isnan(points).any()
    assert np.isinf(points).any()


@pytest.mark.parametrize(("to", "source"), tiers(product(
    ["e4m3", "fp32", "e5m2", "e3m4", "e4m3fnuz", "fp16", "bf16"], ["fp16", "bf16"]),
    [("e4m3", "fp16"), ("fp32", "bf16")]))
def test_every_16_bit_sum_with_corner_scales(to, source):
    sums, scales = corner_scales(np.arange(1 << 16))
    assert sums.size == 26 << 16
    _check_against_host(to, source, sums, scales)


@pytest.mark.parametrize("to", ["e4m3", "e5m2", "bf16", "fp16", "fp32"])
def test_random_fp32_sums_and_scales(to):
    draw = np.random.default_rng(SEED)
    sums, scales = draw.integers(0, 1 << 32, size=300_000), random_scales(draw, 300_000)
    _check_against_host(to, "fp32", sums, scales)


def _fixed_cases(source, count, seed):
    """Sums of every length, and finite scales as codes and as fractions."""
    acc = parse_output(f"e4m3,from={source}").source
    draw = np.random.default_rng(seed)
    shifts = draw.integers(0, acc.width, size=count).tolist()
    sums = [(int.from_bytes(draw.bytes(128), "little") % (1 << acc.width) + acc.min) >> shift
            for shift in shifts]
    sums[:4] = acc.min, acc.max, 0, -1
    ties, tie_scales = near_ties(draw, acc, count // 4)
    sums = np.array(sums + ties, dtype=object if acc.width > 63 else np.int64)
    scales = np.concatenate([random_scales(draw, count), tie_scales])
    scales = np.where(scales & 0x7F800000 == 0x7F800000, 0xBF800000, scales)
    factors = scales.astype(np.uint32).view(np.float32)
    exact = [Fraction(int(value)) * Fraction(2) ** acc.lsb * Fraction(float(factor))
             for value, factor in zip(sums, factors, strict=True)]
    return sums, scales, exact


def _nearest(values, codes, exact):
    """Code of the value nearest to a fraction, the even code of two; clamped to the values."""
    place = min(max(bisect_left(values, exact), 1), len(values) - 1)
    low, high = values[place - 1], values[place]
    below, above = exact - low, high - exact
    if below == above:
        return next(code for code in codes[place - 1:place + 1] if code % 2 == 0)
    return codes[place - 1] if below < above else codes[place]


@pytest.mark.parametrize("source", ["int32", "fx49m18", "fx61m30", "fx62m30", "fx100m40"])
@pytest.mark.parametrize("to", ["e4m3", "e5m2", "e2m1"])
def test_fixed_point_is_the_nearest_value(to, source):
    fmt = CATALOG[to]
    codes = [*range(fmt.max_code, 0, -1)]
    table = sorted([(-Fraction(float(sim.decode(code, to))), code | fmt.sign_code)
                    for code in codes] + [(Fraction(float(sim.decode(code, to))), code)
                                          for code in [0, *codes]])
    values, codes = [value for value, _ in table], [code for _, code in table]
    sums, scales, exact = _fixed_cases(source, 3000, SEED)
    got = sim.output(sums, f"{to},from={source},scale=fp32", scale=scales)
    # A negative product that rounds to zero is minus zero; of an exact zero the scale says it.
    negative = [x < 0 or (x == 0 and (int(scale) >> 31 != (int(value) < 0)))
                for x, value, scale in zip(exact, sums, scales, strict=True)]
    wanted = [_nearest(values, codes, x) & ~fmt.sign_code | fmt.sign_code * is_negative
              for x, is_negative in zip(exact, negative, strict=True)]
    assert got.tolist() == wanted


@pytest.mark.parametrize("source", ["int32", "fx49m18", "fx100m40"])
@pytest.mark.parametrize("to", ["int8", "uint8", "int16"])
def test_fixed_point_to_an_integer_is_rounded_and_clamped(to, source):
    fmt = CATALOG[to]
    sums, scales, exact = _fixed_cases(source, 3000, SEED + 1)
    points = np.random.default_rng(SEED).integers(fmt.min_units, fmt.max_units + 1, size=sums.size)
    spec = parse_output(f"{to},from={source},scale=fp32,zero_point=yes")
    got = sim.output(sums, spec, scale=scales, zero_point=points)
    wanted = [min(max(round(x) + int(point), fmt.min_units), fmt.max_units) % (1 << fmt.width)
              for x, point in zip(exact, points, strict=True)]
    assert got.tolist() == wanted


#: Stages that need every case of a product: wide sums, flags, zero points, unsigned targets.
TWINS = ("e4m3,from=fx61m30,flags=2", "int8,from=fx49m18,flags=2,zero_point=yes",
         "fp32,from=fx61m30,flags=1,saturate=no", "uint8,from=fp32,zero_point=yes",
         "e4m3fnuz,from=int32,flags=2,saturate=no", "e2m1,from=bf16", "e5m2,from=aligned:13",
         "binary8p3e,from=fx37,flags=2,saturate=no", "int16,from=fx9p3")


@pytest.mark.parametrize("text", TWINS)
def test_vector_equals_golden(text):
    spec, draw, count = parse_output(f"{text},scale=fp32"), np.random.default_rng(SEED), 4000
    if isinstance(spec.source, FixedAccumulator):
        width = spec.source.width
        sums = draw.integers(spec.source.min, spec.source.max + 1, size=count)
        sums >>= draw.integers(0, width, size=count)
    else:
        sums = draw.integers(0, 1 << spec.source.width, size=count)
    flags = draw.choice({0: [0], 1: [0, 3], 2: [0, 0, 0, 1, 2, 3]}[spec.flag_bits], size=count)
    points = draw.integers(spec.to.min_units, spec.to.max_units + 1, size=count) \
        if spec.zero_point else 0
    arguments = {"scale": random_scales(draw, count), "zero_point": points, "flags": flags}
    vector = sim.output(sums, spec, **arguments)
    assert (vector == sim.output(sums, spec, **arguments, backend="golden")).all()
    assert len(np.unique(vector)) > 6


def test_infinite_and_missing_numbers_of_a_product():
    spec = parse_output("e5m2,from=int32,flags=2,saturate=no,scale=fp32")
    inf, nan, zero = 0x7F800000, 0x7F800001, 0x80000000
    cases = [(0, Flag.POS_INF, inf, 0x7C), (0, Flag.NEG_INF, inf, 0xFC), (0, Flag.NAN, inf, 0x7E),
             (0, Flag.FINITE, inf, 0x7E), (-1, Flag.FINITE, inf, 0xFC), (5, 0, nan, 0x7E),
             (5, Flag.POS_INF, zero, 0x7E), (5, Flag.FINITE, zero, 0x80), (-5, 0, zero, 0),
             (0, Flag.FINITE, zero, 0x80), (0, 0, 0xBF800000, 0x80), (7, Flag.NEG_INF, 1, 0xFC)]
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


@pytest.mark.parametrize(("scale", "message"), [
    (1 << 32, "Scale must be codes of fp32 from 0 to 4294967295, not 4294967296"),
    (-1, "Scale must be codes of fp32 from 0 to 4294967295, not -1"),
    (0.5, "Scale dtype must be an integer type, not 'float64'"),
    ([1, 2, 3], "Scale shape must be one that broadcasts to (2,), not (3,)"),
])
def test_scale_wrong(scale, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.output([1, 2], "e4m3,from=int32,scale=fp32", scale=scale)
