# SPDX-License-Identifier: Apache-2.0
"""Sums in blocks: recorded GPU results, a rational oracle, and all models against each other."""

import re
from fractions import Fraction

import ml_dtypes
import numpy as np
import pytest

import sim
from hw.spec import BLOCK_SCALES, Flag, Kind, SpecError, parse_mac, parse_spec
from hw.spec.grammar import BLOCK_FORMATS
from sim import fast, golden
from sim.vector.blocks import scale_values
from tests.support.stored import BLOCK_NAMES, recorded_blocks

#: Units of all kinds of inner, outer and scale, with sums that need more than 53 bits among them.
UNITS = (
    *BLOCK_FORMATS,
    "mxfp4,lanes=4",
    "nvfp4,lanes=8",
    "e4m3,acc=fp32,inner=hopper,block=64",
    "e4m3xe5m2,acc=fp32,inner=hopper,block=32,block-scale=fp32",
    "e5m2,acc=fp32,inner=hopper,block=32,block-scale=fp32-ab",
    "int8,acc=int32,block=16",
    "int8,acc=fx20s,inner=fx17s,block=16",
    "e4m3,acc=fp16,inner=fp16,block=8",
    "e4m3,acc=bf16-rtz,inner=fx24m4t,block=8,block-scale=e8m0",
    "e3m4,acc=fp32-ftz,inner=bf16,block=8,block-scale=fp32",
    "e4m3,acc=fp16-sat,block=4,block-scale=ue4m3",
    "e4m3,acc=fx60m20,inner=fx24m4s,block=8",
    "e5m2,acc=fx90m20,inner=fx44m8t,block=8",
    "e4m3,acc=fp32,inner=fx34m10,block=32,lanes=2,block-scale=fp32-ab",
    "e4m3,acc=fp16-ftz,block=1",
    "e4m3,acc=int100,inner=int64,block=8",
    "e4m3,acc=e5m2,inner=fx26m6s,block=4",
)


def operands(spec, rng, kind, shape):
    """Codes of a, b and the scales of their blocks, as arguments of `sim.matmul`."""
    rows, depth, cols = shape
    sides = ((spec.a, (rows, depth)), (spec.b, (depth, cols)))
    if kind == "bits":
        a, b = (rng.integers(0, 1 << f.width, size).astype(np.uint16) for f, size in sides)
    else:
        spread = 2.0**-spec.a.lsb_exp if spec.a.is_integer else 1.0
        a, b = (sim.encode(rng.normal(0, spread * 0.3, size), f) for f, size in sides)
    scale = spec.blocks.scale
    if scale is None:
        return a, b, {}
    blocks = -(-depth // spec.block)
    made = {}
    for name, size in (("a_scale", (rows, blocks)), ("b_scale", (blocks, cols))):
        if kind == "bits":
            made[name] = rng.integers(0, 1 << scale.width, size, dtype=np.uint32)
        elif scale.width == 32:
            made[name] = (rng.normal(size=size) * 2.0 ** rng.integers(-9, 9, size)).astype("f4")
        else:
            made[name] = scale.one + rng.integers(-3, 4, size)
    return a, b, made


@pytest.mark.parametrize("name", BLOCK_NAMES)
def test_recorded_products_of_a_gpu(name):
    spec, a, b, scales, expected = recorded_blocks(name)
    sums = sim.matmul(a, b, spec, **scales)
    wrong = np.argwhere(sums != expected)
    assert not len(wrong), f"{name}: {len(wrong)} of {sums.size} differ, the first at {wrong[0]}"
    assert sums.size >= 64 * 64


def test_all_recorded_sets_are_here():
    assert len(BLOCK_NAMES) == 79
    assert len({name for name in BLOCK_NAMES if "promote" in name}) == 36


@pytest.mark.parametrize("kind", ["bits", "normal"])
@pytest.mark.parametrize("spelling", UNITS)
def test_models_agree(spelling, kind):
    seed = 18
    spec = parse_mac(spelling)
    rng = np.random.default_rng(seed)
    checks = 0
    for depth in (spec.block, 2 * spec.block + spec.lanes, 3 * spec.block - 1, 1):
        a, b, scales = operands(spec, rng, kind, (3, depth, 5))
        want = sim.matmul_with_flags(a, b, spec, backend="golden", **scales)
        for backend in ("vector", "fast"):
            got = sim.matmul_with_flags(a, b, spec, backend=backend, **scales)
            where = f"{spelling}, {backend}, K = {depth}, seed {seed}"
            assert got.sums.dtype == want.sums.dtype, where
            np.testing.assert_array_equal(got.sums, want.sums, where)
            np.testing.assert_array_equal(got.flags, want.flags, where)
            checks += got.sums.size
        with fast.numpy_only():
            plain = sim.matmul(a, b, spec, **scales)
        np.testing.assert_array_equal(plain, want.sums, f"{spelling}, numpy, seed {seed}")
    assert checks == 4 * 2 * 15


def nearest32(x: Fraction, negative_zero: bool = False) -> np.float32:
    """``x`` rounded to binary32 by looking at the neighbours; nothing of `sim` is used."""
    largest = Fraction(float(np.finfo(np.float32).max))
    half_ulp = Fraction(2) ** 103
    if abs(x) >= largest + half_ulp:
        return np.float32("inf") if x > 0 else np.float32("-inf")
    if abs(x) > largest:
        return np.float32(float(largest) if x > 0 else -float(largest))
    if x == 0:
        return np.float32(-0.0 if negative_zero else 0.0)
    start = np.float32(float(x)) if abs(x) <= largest else np.float32(float(largest))
    around = [
        start,
        np.nextafter(start, np.float32(np.inf)),
        np.nextafter(start, -np.float32("inf")),
    ]
    around = [c for c in around if np.isfinite(c)]
    best = min(
        around,
        key=lambda c: (abs(Fraction(float(c)) - x), int(np.float32(c).view(np.uint32)) & 1),
    )
    return np.float32(-0.0) if best == 0 and x < 0 else best


def values_of(codes, fmt):
    """Exact values of codes as Fractions, from ml_dtypes; NaN stays a float."""
    dtype = {
        "e4m3": ml_dtypes.float8_e4m3fn,
        "e5m2": ml_dtypes.float8_e5m2,
        "e2m3": ml_dtypes.float6_e2m3fn,
        "e3m2": ml_dtypes.float6_e3m2fn,
        "e2m1": ml_dtypes.float4_e2m1fn,
        "e8m0": ml_dtypes.float8_e8m0fnu,
        "ue4m3": ml_dtypes.float8_e4m3fn,
    }
    codes = np.asarray(codes, np.uint8)
    if fmt == "int8m6":
        numbers = codes.view(np.int8).astype(np.float64) / 64
    else:
        # The sign bit of ue4m3 is not used.
        numbers = (codes & (0x7F if fmt == "ue4m3" else 0xFF)).view(dtype[fmt]).astype(np.float64)
    return np.array(
        [Fraction(x) if np.isfinite(x) else x for x in numbers.ravel().tolist()], object
    ).reshape(codes.shape)


def finite(codes, name):
    """``codes`` with those that mean NaN or infinity replaced by zero."""
    table = values_of(np.arange(256 if name in ("e4m3", "e5m2") else 2), name)
    wrong = [code for code, value in enumerate(table) if isinstance(value, float)]
    return np.where(np.isin(codes, wrong), 0, codes)


def rational_products(spec, a, b, a_scale, b_scale):
    """Bits of the sums by the definition: exact block sums, times scales, rounded once a block."""
    x, y = values_of(a, spec.a.name), values_of(b, spec.b.name)
    sa, sb = values_of(a_scale, spec.block_scale), values_of(b_scale, spec.block_scale)
    result = np.empty((a.shape[0], b.shape[1]), np.float32)
    exact = [
        x[:, k : k + spec.block] @ y[k : k + spec.block] for k in range(0, a.shape[1], spec.block)
    ]
    for m, n in np.ndindex(result.shape):
        total = np.float32(0)
        for index, block in enumerate(exact):
            factors = (block[m, n], sa[m, index], sb[index, n])
            if any(isinstance(f, float) for f in factors) or not np.isfinite(total):
                nan = any(isinstance(f, float) for f in factors) or np.isnan(total)
                total = np.float32("nan") if nan else total
                continue
            term = factors[0] * factors[1] * factors[2]
            total = (
                nearest32(Fraction(float(total)) + term, bool(np.signbit(total)) and term == 0)
                if term or total
                else total
            )
        result[m, n] = total
    return result


def check_rational(name, shape, seed):
    """Compare one format with the rational oracle; returns the number of sums."""
    spec = parse_mac(name)
    rng = np.random.default_rng(seed)
    rows, depth, cols = shape
    sides = ((spec.a, (rows, depth)), (spec.b, (depth, cols)))
    a, b = (
        finite(rng.integers(0, 1 << f.width, size, dtype=np.uint8), f.name) for f, size in sides
    )
    blocks = -(-depth // spec.block)
    a_scale, b_scale = (
        rng.integers(0, 256, size, dtype=np.uint8) for size in ((rows, blocks), (blocks, cols))
    )
    got = sim.matmul(a, b, spec, a_scale=a_scale, b_scale=b_scale).view(np.float32)
    want = rational_products(spec, a, b, a_scale, b_scale)
    np.testing.assert_array_equal(got, want, f"{name}, seed {seed}")
    numbers = ~np.isnan(want) & (want != 0)
    np.testing.assert_array_equal(np.signbit(got[numbers]), np.signbit(want[numbers]))
    assert numbers.mean() > 0.5, f"{name}: too few numbers to compare, seed {seed}"
    return got.size


@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_rational_oracle(name):
    block = parse_mac(name).block
    assert check_rational(name, (9, 2 * block + 3, 11), seed=1) == 99


@pytest.mark.slow
def test_rational_oracle_of_a_million_sums():
    checks = 0
    for seed, name in enumerate(BLOCK_FORMATS, start=100):
        checks += check_rational(name, (380, 2 * parse_mac(name).block, 380), seed)
    assert checks == 7 * 144_400 >= 1_000_000


def test_scales_are_those_of_ml_dtypes():
    codes = np.arange(256, dtype=np.uint8)
    for name, dtype, mask in (
        ("e8m0", ml_dtypes.float8_e8m0fnu, 0xFF),
        ("ue4m3", ml_dtypes.float8_e4m3fn, 0x7F),
    ):
        want = (codes & mask).view(dtype).astype(np.float64)
        np.testing.assert_array_equal(scale_values(codes, BLOCK_SCALES[name]), want)
        for code in codes.tolist():
            kind, negative, sig, exp = BLOCK_SCALES[name].unpack(code)
            assert not negative
            value = sig * 2.0 ** (exp + BLOCK_SCALES[name].lsb_exp)
            assert (kind is Kind.NAN and np.isnan(want[code])) or value == want[code]
    for scale in BLOCK_SCALES.values():
        one = scale.unpack(scale.one)
        assert Fraction(one.sig) * Fraction(2) ** (one.exp + scale.lsb_exp) == 1
        assert scale.unpack(scale.nan_code).kind is Kind.NAN


def test_scales_beyond_binary32():
    """Two e8m0 scales span 2**-254 to 2**254; only the outer sum rounds and overflows."""
    one, small, huge = 0x38, 0x00, 0xFE
    spec = "mxfp8"
    kwargs = {"a_scale": [huge, small], "b_scale": [huge, small]}
    inf = sim.dot([one] * 64, [one] * 64, spec, **kwargs)
    assert inf == 0x7F800000
    zero = sim.dot([one] * 32, [one] * 32, spec, a_scale=[small], b_scale=[small])
    assert zero == 0
    minus = sim.dot([one | 0x80] * 32, [one] * 32, spec, a_scale=[small], b_scale=[small])
    assert minus == 0x80000000
    # A product of scales that binary32 does not hold, but whose sum it does: 2**-250 * 2**200.
    assert sim.dot([one], [one], spec, a_scale=[0], b_scale=[254]) == 0x3F800000


def test_special_scales_and_sums():
    one, nan = 0x38, 0x7F
    assert sim.dot([one], [one], "mxfp8", a_scale=[255], b_scale=[127]) == 0x7FC00000
    # A NaN scale counts even if all products of the block are zero.
    assert sim.dot([0], [0], "mxfp8", a_scale=[255], b_scale=[127]) == 0x7FC00000
    assert sim.dot([2], [2], "nvfp4", a_scale=[0], b_scale=[0x38]) == 0
    assert sim.dot([2], [2], "nvfp4", a_scale=[0x7F], b_scale=[0x38]) == 0x7FC00000
    # The sign bit of ue4m3 is ignored, that of NaN too.
    assert sim.dot([2], [2], "nvfp4", a_scale=[0xB8], b_scale=[0x38]) == 0x3F800000
    assert sim.dot([2], [2], "nvfp4", a_scale=[0xFF], b_scale=[0x38]) == 0x7FC00000
    assert sim.dot([nan], [one], "mxfp8", a_scale=[127], b_scale=[127]) == 0x7FC00000
    # An infinite inner sum times a zero scale is NaN.
    e5m2_inf = 0x7C
    spec = "e5m2,acc=fp32,block=16,block-scale=ue4m3"
    assert sim.dot([e5m2_inf], [0x3C], spec, a_scale=[0x38], b_scale=[0x38]) == 0x7F800000
    assert sim.dot([e5m2_inf], [0x3C], spec, a_scale=[0], b_scale=[0x38]) == 0x7FC00000
    # The tensor core's NaN stays one.
    assert sim.dot([nan], [one], "e4m3,acc=fp32,inner=hopper,block=128") == 0x7FFFFFFF


def test_flags_of_fixed_sums_stay_separate():
    spec = "e5m2,acc=fx80m32,block=4"
    inf, one = 0x7C, 0x3C
    result = sim.dot_with_flags([one, one, one, one, inf], [one] * 5, spec)
    assert (result.sums, result.flags) == (4 << 32, Flag.POS_INF)
    both = sim.dot_with_flags([inf, one, one, one, inf | 0x80], [one] * 5, spec)
    assert both.flags == Flag.NAN


def test_block_ends_where_the_sum_does():
    """Blocks restart with every sum; a short last block is added too."""
    spec = parse_mac("e4m3,acc=fp16,inner=fp16,block=4")
    mac = golden.BlockMac(spec)
    one = 0x38
    sums = [mac.step([one], [one], first=k == 0, last=k == 5) for k in range(6)]
    assert [int(np.uint16(code).view(np.float16)) for code in sums] == [0, 0, 0, 4, 4, 6]
    assert mac.step([one], [one], first=True, last=True) == 0x3C00


def test_the_order_of_two_scales_is_observable():
    rng = np.random.default_rng(3)
    a, b = (sim.encode(rng.normal(size=s), "e4m3") for s in ((16, 64), (64, 16)))
    scales = {
        "a_scale": rng.normal(size=(16, 1)).astype(np.float32),
        "b_scale": rng.normal(size=(1, 16)).astype(np.float32),
    }
    one, other = (
        sim.matmul(a, b, f"e4m3,acc=fp32,inner=hopper,block=64,block-scale={name}", **scales)
        for name in ("fp32", "fp32-ab")
    )
    assert 20 < (one != other).sum() < 250


@pytest.mark.parametrize("spelling", UNITS)
def test_spelling(spelling):
    spec = parse_spec(spelling)
    assert parse_spec(str(spec)) == spec
    assert re.fullmatch(r"[a-z][a-z0-9_]*", spec.name)
    assert spec.blocks.description
    again = parse_mac(spec, lanes=spec.lanes)
    assert again == spec


def test_options_of_blocks():
    spec = parse_mac("e4m3", acc="fp32", inner="hopper", block=128, block_scale=None)
    assert str(spec) == "e4m3,acc=fp32,inner=aligned:13,block=128,lanes=32"
    assert str(parse_mac("MXFP8", lanes=32)) == (
        "e4m3,acc=fp32,inner=fx42m18,block=32,block-scale=e8m0,lanes=32"
    )
    assert parse_mac("mxfp8", block=64).block == 64


WRONG = {
    "e4m3,inner=exact": "--inner needs sums in blocks; add --block N",
    "e4m3,acc=fp32,block-scale=e8m0": "--block-scale needs sums in blocks; add --block N",
    "e4m3,acc=fp32,block=48,lanes=32": "Accumulator block must be a multiple of 32 lanes, not 48",
    "e4m3,acc=int32,inner=hopper,block=128": "Accumulator outer must be floating point, or fixed "
    "point with a fixed-point inner accumulator, not 'fx32m18'",
    "e4m3,acc=hopper,block=128": "Accumulator outer must be floating point, or fixed point with a "
    "fixed-point inner accumulator, not 'aligned:13'",
    "mxfp8,block-scale=e3m4": "Block scale must be one of e8m0, ue4m3, fp32, fp32-ab, not 'e3m4'",
    "mxfp8,acc=int32": "Accumulator of scaled blocks must be floating point, not 'fx32m18'",
    "e4m3,block=0": "Accumulator block must be an integer from 1 to 65536, not 0",
    "e4m3,acc=fp32,inner=hopper,block=32,lanes=4": "MAC lanes must be 32 for inner hopper, not 4",
}


@pytest.mark.parametrize("spelling", WRONG)
def test_spelling_wrong(spelling):
    with pytest.raises(SpecError, match=f"^{re.escape(WRONG[spelling])}$"):
        parse_spec(spelling)


def test_scales_wrong():
    mx, plain = parse_mac("mxfp8"), parse_mac("e4m3")
    one = np.full((2, 40), 0x38, np.uint8)
    good = np.full((2, 2), 127)
    cases = (
        (
            plain,
            {"a_scale": good},
            f"{plain} has no block scales; leave out a_scale, or give the unit a block_scale",
        ),
        (mx, {"a_scale": good}, f"{mx} has e8m0 block scales; give both a_scale and b_scale"),
        (
            mx,
            {"a_scale": good[:, :1], "b_scale": good},
            "Scale of a shape must be (2, 2), not (2, 1)",
        ),
        (
            mx,
            {"a_scale": good + 200, "b_scale": good},
            "Scale of a must be codes of e8m0 from 0 to 255, not 327",
        ),
        (
            mx,
            {"a_scale": good * 1.0, "b_scale": good},
            (
                "Scale of a dtype must be e8m0 or an integer type, not 'float64'; sim.quantize "
                "makes scales of numbers"
            ),
        ),
    )
    for spec, scales, message in cases:
        with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
            sim.matmul(one, one.T, spec, **scales)


def test_scales_of_ml_dtypes():
    one = np.full((2, 40), 0x38, np.uint8)
    numbers = np.array([[2.0, 4.0], [0.5, 1.0]])
    made = numbers.astype(ml_dtypes.float8_e8m0fnu)
    codes = made.view(np.uint8)
    want = sim.matmul(one, one.T, "mxfp8", a_scale=codes, b_scale=codes)
    np.testing.assert_array_equal(sim.matmul(one, one.T, "mxfp8", a_scale=made, b_scale=made), want)
    assert want.view(np.float32).tolist() == [[32 * 4 + 8 * 2, 32 * 8 + 8 * 4], [32 + 4, 64 + 8]]
    fours = np.full((2, 1), 2.0).astype(ml_dtypes.float8_e4m3fn)
    two = sim.dot([2], [2], "nvfp4", a_scale=fours[0], b_scale=[0x38])
    assert two == np.float32(2).view(np.uint32)
