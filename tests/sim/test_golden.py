# SPDX-License-Identifier: Apache-2.0
"""The golden MAC against Python integers, fractions and cases worked out by hand."""

from fractions import Fraction
from functools import cache
from random import Random

import pytest

from hw.spec import CATALOG, Flag, Kind, Rounding, parse_mac
from sim.golden import Mac


def value(fmt, code):
    """Exact value of a finite code."""
    kind, _, sig, exp = fmt.unpack(code)
    assert kind is Kind.FINITE
    return sig * Fraction(2) ** (exp + fmt.lsb_exp)


@cache
def finite_codes(fmt):
    """All finite codes."""
    return [c for c in range(1 << fmt.width) if fmt.unpack(c).kind is Kind.FINITE]


@pytest.mark.parametrize(
    "pair",
    ["int8", "int4xuint8", "e4m3", "e5m2", "e2m5xe3m4", "e2m1", "e4m3xint8", "binary8p3xe4m3fnuz"],
)
def test_exact_sum_of_every_product(pair):
    spec = parse_mac(pair, acc="exact:65536")
    mac, total, steps = Mac(spec), Fraction(0), 0
    values_b = [(b, value(spec.b, b)) for b in finite_codes(spec.b)]
    for a in finite_codes(spec.a):
        value_a = value(spec.a, a)
        for b, value_b in values_b[::5]:
            total += value_a * value_b
            mac.step([a], [b])
            steps += 1
        assert mac.acc * Fraction(2) ** spec.acc.lsb_exp == total
    assert steps == spec.a.num_finite * len(values_b[::5])
    assert mac.flags is Flag.FINITE


def test_sum_wraps_or_saturates_in_order():
    codes = [127, 127, 127, 0x80]  # The last one is -128.
    wrapped, kept = Mac(parse_mac("int8,acc=int16")), Mac(parse_mac("int8,acc=int16-sat"))
    sums = [(wrapped.step([code], [127]), kept.step([code], [127])) for code in codes]
    assert sums == [
        (16129, 16129),
        (32258, 32258),
        (48387 - 65536, 32767),
        (48387 - 16256, 32767 - 16256),
    ]
    assert kept.step([1], [2], first=True) == 2


def test_lanes_overflow_once():
    # One after the other saturates at the top; together the middle overflow is not seen.
    spec = parse_mac("int8,acc=int18-sat,lanes=3")
    mac = Mac(spec, acc=spec.acc.max - 10)
    assert mac.step([127, 0x80, 1], [127, 127, 0]) == spec.acc.max - 10 + 127 * (127 - 128)


@pytest.mark.parametrize(
    ("spelling", "sums"),
    [
        # Products 1.5, 2.5, -1.5, -2.5, 0.25 in units of the accumulator; each is rounded alone.
        ("fx20m16", [2, 4, 2, 0, 0]),
        ("fx20m16t", [1, 3, 2, 0, 0]),
    ],
)
def test_coarse_accumulator_rounds_every_product(spelling, sums):
    mac = Mac(parse_mac("e3m4:fn", acc=spelling.replace("m16", "m8")))
    fmt = mac.spec.a
    unit = Fraction(2) ** mac.spec.acc.lsb_exp
    one = next(c for c in finite_codes(fmt) if value(fmt, c) == Fraction(1, 16))
    factors = [
        next(c for c in finite_codes(fmt) if value(fmt, c) == x * unit * 16)
        for x in map(Fraction, ("1.5", "2.5", "-1.5", "-2.5", "0.25"))
    ]
    assert [mac.step([one], [factor]) for factor in factors] == sums


INF, NINF, NAN, ZERO, ONE, MINUS = 0x7C, 0xFC, 0x7E, 0x00, 0x3C, 0xBC  # Codes of e5m2.


@pytest.mark.parametrize(
    ("pairs", "flags", "code"),
    [
        ([(INF, ONE)], Flag.POS_INF, 0x7F800000),
        ([(MINUS, INF)], Flag.NEG_INF, 0xFF800000),
        ([(NINF, NINF)], Flag.POS_INF, 0x7F800000),
        ([(INF, ONE), (ONE, MINUS)], Flag.POS_INF, 0x7F800000),
        ([(INF, ONE), (NINF, ONE)], Flag.NAN, 0x7FC00000),
        ([(INF, ZERO)], Flag.NAN, 0x7FC00000),
        ([(ZERO, NINF)], Flag.NAN, 0x7FC00000),
        ([(NAN, ZERO)], Flag.NAN, 0x7FC00000),
        ([(0xFF, INF)], Flag.NAN, 0x7FC00000),
        ([(NAN, ONE), (INF, ONE)], Flag.NAN, 0x7FC00000),
        ([(ONE, ONE), (INF, ONE)], Flag.POS_INF, 0x7F800000),
    ],
)
def test_special_operands(pairs, flags, code):
    fixed, floating = Mac(parse_mac("e5m2")), Mac(parse_mac("e5m2,acc=fp32"))
    for a, b in pairs:
        fixed.step([a], [b])
        floating.step([a], [b])
    finite = sum(
        value(CATALOG["e5m2"], a) * value(CATALOG["e5m2"], b)
        for a, b in pairs
        if {a, b} <= {ZERO, ONE, MINUS}
    )
    assert (fixed.flags, fixed.acc) == (flags, finite * 2**32)
    assert (floating.acc, floating.flags) == (code, Flag.FINITE)
    lanes = Mac(parse_mac("e5m2", acc="fp32", lanes=len(pairs)))
    assert lanes.step(*zip(*pairs, strict=True)) == code
    assert fixed.step([ONE], [ONE], first=True) == 1 << 32
    assert (fixed.flags, floating.step([ONE], [ONE], first=True)) == (Flag.FINITE, 0x3F800000)


TINY, MINUS_TINY = 0x01, 0x81


@pytest.mark.parametrize(
    ("acc", "pairs", "code"),
    [
        # The sum starts at +0, which a minus zero product leaves; an underflow may make it -0.
        ("fp16", [(0x80, ONE)], 0x0000),
        ("fp16", [(TINY, MINUS_TINY)], 0x8000),
        ("fp16", [(TINY, MINUS_TINY), (0x80, ONE)], 0x8000),
        ("fp16", [(TINY, MINUS_TINY), (ZERO, ONE)], 0x0000),
        ("fp16", [(TINY, MINUS_TINY), (TINY, TINY)], 0x0000),
        ("fp16", [(ONE, ONE), (MINUS, ONE)], 0x0000),
        ("fp16-rtz", [(ONE, ONE), (MINUS, ONE)], 0x0000),
        ("fp16-rtz", [(TINY, MINUS_TINY)], 0x8000),
        # 2**-15 is subnormal in binary16.
        ("fp16", [(0x04, 0x38)], 0x0200),
        ("fp16-ftz", [(0x04, 0x38)], 0x0000),
        ("fp16-ftz", [(0x84, 0x38)], 0x8000),
        # 57344**2 overflows binary16.
        ("fp16", [(0x7B, 0x7B)], 0x7C00),
        ("fp16", [(0x7B, 0xFB), (0x7B, 0x7B)], 0xFC00),
        ("fp16-sat", [(0x7B, 0x7B)], 0x7BFF),
        ("fp16-sat", [(0x7B, 0xFB)], 0xFBFF),
        ("fp16-sat", [(NINF, ONE)], 0xFC00),
        ("fp16-rtz", [(0x7B, 0x7B)], 0x7BFF),
        ("fp16-rtz", [(INF, ONE)], 0x7C00),
    ],
)
def test_zeros_underflow_and_overflow(acc, pairs, code):
    mac = Mac(parse_mac("e5m2", acc=acc))
    for a, b in pairs:
        mac.step([a], [b])
    assert mac.acc == code, f"{mac.acc:#06x}"


def _round(fmt, x, rounding):
    """Code of ``x`` in a format with ieee specials, found by halving the list of all codes."""
    low, high = 0, fmt.inf_code  # Infinity is treated as the next value after the largest.
    step = Fraction(2) ** (fmt.unpack(fmt.max_code).exp + fmt.lsb_exp)
    values = {fmt.inf_code: Fraction(fmt.max_units) * Fraction(2) ** fmt.lsb_exp + step}
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if value(fmt, middle) <= abs(x) else (low, middle)
    below, above = value(fmt, low), values.get(high) or value(fmt, high)
    rest, room = abs(x) - below, above - abs(x)
    up = rounding is Rounding.RNE and (rest > room or (rest == room and low % 2 == 1))
    return (high if up else low) | (fmt.sign_code if x < 0 else 0)


@pytest.mark.parametrize("lanes", [1, 3])
@pytest.mark.parametrize("rounding", ["", "-rtz"])
@pytest.mark.parametrize("acc", ["fp32", "fp16", "bf16", "e5m2", "e3m4"])
@pytest.mark.parametrize("pair", ["e4m3", "e5m2", "int8xe4m3", "fp16", "bf16xe2m1"])
def test_float_step_is_one_rounding_of_the_exact_sum(pair, acc, rounding, lanes):
    spec = parse_mac(pair, acc=acc + rounding, lanes=lanes)
    fmt, random = spec.acc.fmt, Random(f"{spec}")
    codes_a, codes_b = finite_codes(spec.a), finite_codes(spec.b)
    for _ in range(60):
        start = random.randrange(fmt.max_code + 1) | random.choice((0, fmt.sign_code))
        a, b = (random.choices(codes, k=lanes) for codes in (codes_a, codes_b))
        exact = value(fmt, start) + sum(
            value(spec.a, x) * value(spec.b, y) for x, y in zip(a, b, strict=True)
        )
        if exact:
            got = Mac(spec, acc=start).step(a, b)
            assert got == _round(fmt, exact, spec.acc.rounding), f"{start:#x} {a} {b}"
