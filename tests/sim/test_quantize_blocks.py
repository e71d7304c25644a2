# SPDX-License-Identifier: Apache-2.0
"""Scales of blocks: the rules for powers of two, NVFP4, binary32 and tiles; codes for products."""

import re
from fractions import Fraction
from math import ceil, floor, log2

import numpy as np
import pytest

import sim
from hw.spec import CATALOG, SpecError, parse_mac
from sim.quantize import BLOCK, RULES, decode_blocks, encode_blocks

FORMATS = ("e4m3", "e5m2", "e2m3", "e3m2", "e2m1", "int8m6")


def numbers(seed, rows=60, block=BLOCK):
    """Blocks whose largest magnitudes are everywhere in a binade, at its ends too."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, block)) * 2.0 ** rng.integers(-20, 20, (rows, 1))
    x[:20] = np.sign(x[:20]) * 2.0 ** rng.integers(-3, 3, (20, 1)) * 1.75
    x[20] = 0
    return x


def floor_log2(x):
    exact = floor(log2(x))
    return (
        exact - (Fraction(2) ** exact > Fraction(x)) + (Fraction(2) ** (exact + 1) <= Fraction(x))
    )


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("rule", RULES)
def test_exponent_of_a_power_of_two(name, rule):
    seed = 7
    fmt, x = CATALOG[name], numbers(seed)
    got = encode_blocks(x, fmt, rule=rule)
    checks = 0
    for row, code in zip(x, got.scales[:, 0].tolist(), strict=True):
        largest = float(abs(row).max())
        if largest == 0:
            assert code == 0
            continue
        exponent = code - 127
        top = floor_log2(fmt.max)
        if rule == "floor":
            assert exponent == floor_log2(largest) - top
        elif rule == "ceil":
            wanted = ceil(log2(largest / fmt.max))
            assert exponent == wanted, (largest, seed)
            assert largest <= fmt.max * 2.0**exponent
        elif rule == "double":
            assert exponent == floor_log2(largest) - top + 1
        else:
            places = fmt.precision - 1 - floor_log2(largest)
            rounded = round(Fraction(largest) * Fraction(2) ** places)
            assert exponent == floor_log2(float(rounded / Fraction(2) ** places)) - top
        checks += 1
    assert checks == len(x) - 1
    unclipped = abs(decode_blocks(got)) >= 0.93 * abs(x)
    tops = abs(x) == abs(x).max(axis=1, keepdims=True)
    if rule in ("ceil", "double"):
        assert unclipped[tops & (x != 0)].mean() > 0.9


def test_scales_of_nvfp4():
    """Encoded as in common use: a factor a tensor, E4M3 scales of blocks of 16."""
    x = numbers(seed=3, rows=40, block=16) % 50
    got = encode_blocks(x, "e2m1", block=16, scale="ue4m3")
    whole = abs(x).max()
    assert got.factor == np.float32(whole / (448 * 6))
    wanted = sim.encode(abs(x).max(axis=1) / (6 * got.factor), "e4m3")
    assert got.scales[:, 0].tolist() == wanted.tolist()
    assert got.scales.max() == 0x7E
    divisor = sim.decode(wanted, "e4m3") * got.factor
    elements = x / np.where(divisor, divisor, np.inf)[:, None]
    assert (got.codes == sim.encode(elements, "e2m1")).all()
    assert abs(decode_blocks(got) - x).max() <= whole / 5


@pytest.mark.parametrize(
    ("mac", "fmt", "arguments"),
    [
        ("mxfp8", "e4m3", {}),
        ("mxfp4,lanes=32", "e2m1", {"rule": "ceil"}),
        ("nvfp4", "e2m1", {"block": 16, "scale": "ue4m3"}),
        ("e4m3,acc=fp32,block=128,block-scale=fp32", "e4m3", {"block": 128, "scale": "fp32"}),
    ],
)
def test_codes_and_scales_are_operands_of_a_product(mac, fmt, arguments):
    """One block: the product is the exact one of the decoded numbers, rounded once."""
    rng = np.random.default_rng(9)
    spec = parse_mac(mac)
    a, b = rng.normal(size=(6, spec.block)), rng.normal(size=(spec.block, 5))
    x, y = encode_blocks(a, fmt, **arguments), encode_blocks(b, fmt, axis=0, **arguments)
    assert x.scales.shape == (6, 1)
    assert y.scales.shape == (1, 5)
    sums = sim.matmul(x.codes, y.codes, spec, a_scale=x.scales, b_scale=y.scales)
    exact = (decode_blocks(x) / x.factor) @ (decode_blocks(y) / y.factor)
    np.testing.assert_allclose(sim.values(sums, spec), exact, rtol=2.0**-22)
    error = sim.values(sums, spec) * x.factor * y.factor - a @ b
    assert abs(error).max() < 0.3 * abs(a @ b).max()


def test_tiles_share_a_scale():
    rng = np.random.default_rng(2)
    w = rng.normal(size=(300, 200))
    got = encode_blocks(w, "e4m3", axis=0, block=128, scale="fp32", tile=128)
    assert got.scales.shape == (3, 200)
    assert got.scales.dtype == np.uint32
    values = got.scales.view(np.float32)
    for k in range(3):
        for n in range(2):
            part = w[128 * k : 128 * k + 128, 128 * n : 128 * n + 128]
            assert (values[k, 128 * n : 128 * n + 128] == np.float32(abs(part).max() / 448)).all()
    assert abs(decode_blocks(got) - w).max() < 0.07 * abs(w).max()
    a = encode_blocks(rng.normal(size=(4, 300)), "e4m3", block=128, scale="fp32")
    spec = "e4m3,acc=fp32,block=128,block-scale=fp32"
    sums = sim.matmul(a.codes, got.codes, spec, a_scale=a.scales, b_scale=got.scales)
    exact = decode_blocks(a) @ decode_blocks(got)
    assert abs(sums.view(np.float32) - exact).max() < 1e-5 * abs(exact).max()


@pytest.mark.parametrize("scale", ["e8m0", "ue4m3", "fp32"])
def test_blocks_without_a_finite_number(scale):
    x = np.ones((3, 32))
    x[0, 3], x[1, 5] = np.nan, np.inf
    got = encode_blocks(x, "e4m3", scale=scale)
    assert np.isnan(decode_blocks(got)).all(axis=1).tolist() == [True, True, False]
    assert (got.codes[:2] == 0).all()
    zeros = encode_blocks(np.zeros((2, 32)), "e4m3", scale=scale)
    assert (decode_blocks(zeros) == 0).all()


WRONG = {
    "Block rule must be one of floor, ceil, even, double, not 'up'": {"rule": "up"},
    "Block rule ceil is for e8m0 scales; leave it out with fp32": {"rule": "ceil", "scale": "fp32"},
    "Block scale must be one of e8m0, ue4m3, fp32, fp32-ab, not 'e5m2'": {"scale": "e5m2"},
    "Block size must be an integer from 1 to 65536, not 0": {"block": 0},
    "Block tile must be an integer from 1 to 65536, not 0": {"tile": 0},
    "Values shape must be a matrix with tiles, not (4, 4, 4)": {"tile": 2},
}


@pytest.mark.parametrize("message", WRONG)
def test_blocks_wrong(message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        encode_blocks(np.ones((4, 4, 4)), "e4m3", **WRONG[message])
