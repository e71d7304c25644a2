# SPDX-License-Identifier: Apache-2.0
"""The model of output stages against `sim.encode`, against ml_dtypes, and its borders."""

import re
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import sim
from hw.spec import CATALOG, Flag, SpecError, parse_output
from tests.support.rounding_cases import ML_DTYPES, all_codes, around, same_values

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
@pytest.mark.parametrize(("to", "dtype"), [
    ("e4m3", ml_dtypes.float8_e4m3fn), ("e5m2", ml_dtypes.float8_e5m2),
    ("e3m4", ml_dtypes.float8_e3m4), ("e4m3fnuz", ml_dtypes.float8_e4m3fnuz),
    ("e5m2fnuz", ml_dtypes.float8_e5m2fnuz)])
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
    """At every rounding case of the target and two steps beside it, and at random codes."""
    dtype = np.dtype(ML_DTYPES[to])
    with np.errstate(over="ignore"):
        cases = around(sim.decode(all_codes(to), to)).astype(np.float32).view(np.uint32)
    near = np.concatenate([cases.astype(np.int64) + step for step in range(-2, 3)])
    sums = np.concatenate([near[(near >= 0) & (near < 1 << 32)],
                           np.random.default_rng(SEED).integers(0, 1 << 32, size=300_000)])
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
    wanted = {"e4m3": [0xC0, 0x7E, 0xFE, 0x7F], "e4m3,saturate=no": [0xC0, 0x7F, 0x7F, 0x7F],
              "e5m2": [0xC0, 0x7B, 0xFB, 0x7E], "e5m2,saturate=no": [0xC0, 0x7C, 0xFC, 0x7E],
              "e2m1": [0xC, 0x7, 0xF, 0x0], "int8": [0xFE, 0x7F, 0x80, 0x00],
              "uint8": [0, 0xFF, 0, 0]}
    for text, codes in wanted.items():
        to, _, mode = text.partition(",")
        spec = parse_output(f"{to},from=int32,flags=2{mode and ',' + mode}")
        for backend in ("vector", "golden"):
            got = sim.output(np.full(4, -2), spec, flags=flags, backend=backend)
            assert got.tolist() == codes, spec


def test_output_adds_the_zero_point_behind_the_rounding():
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


@pytest.mark.parametrize(("arguments", "message"), [
    (((1 << 31,), "e4m3,from=int32"),
     "Sums must be from -2147483648 to 2147483647, not 2147483648"),
    (((1.5,), "e4m3,from=int32"), "Sums dtype must be an integer type, not 'float64'"),
    (((70000,), "e4m3,from=fp16"), "Sums must be codes of fp16 from 0 to 65535, not 70000"),
])
def test_output_sums_wrong(arguments, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.output(*arguments)


@pytest.mark.parametrize(("keywords", "message"), [
    ({"scale": 1}, "Scale must be from 0 to 0, not 1"),
    ({"zero_point": 1}, "Zero point must be from 0 to 0, not 1"),
    ({"flags": [3, 2]}, "Flags must be FINITE or NAN for one bit, not 2"),
    ({"flags": [0, 0, 3]}, "Flags shape must be one that broadcasts to (2,), not (3,)"),
    ({"backend": "gpu"}, "Backend must be one of vector, fast, golden, not 'gpu'"),
])
def test_output_keywords_wrong(keywords, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.output([1, 2], "e4m3,from=int32,flags=1", **keywords)
