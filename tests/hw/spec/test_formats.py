# SPDX-License-Identifier: Apache-2.0
"""Facts that `hw.spec.formats` derives, against the published tables."""

import re
import sys

import pytest

from hw.spec import CATALOG, Format, Kind, SpecError, Specials, integer, parse_format

# name, bias, NaN codes, codes of plus and minus infinity, largest finite value, smallest normal,
# smallest subnormal, finite codes. Typed from the documents that head each group.
PUBLISHED = [
    # OCP OFP8 rev. 1.0, tables 1 and 2.
    ("e4m3", 7, {0x7F, 0xFF}, set(), 448, 2**-6, 2**-9, 254),
    (
        "e5m2",
        15,
        {*range(0x7D, 0x80), *range(0xFD, 0x100)},
        {0x7C, 0xFC},
        57344,
        2**-14,
        2**-16,
        248,
    ),
    # ml_dtypes 0.6.0, comments of float8_e4m3, float8_e3m4, float8_e4m3fnuz, float8_e5m2fnuz.
    (
        "e4m3:ieee",
        7,
        {*range(0x79, 0x80), *range(0xF9, 0x100)},
        {0x78, 0xF8},
        240,
        2**-6,
        2**-9,
        240,
    ),
    ("e3m4", 3, {*range(0x71, 0x80), *range(0xF1, 0x100)}, {0x70, 0xF0}, 15.5, 2**-2, 2**-6, 224),
    ("e4m3fnuz", 8, {0x80}, set(), 240, 2**-7, 2**-10, 255),
    ("e5m2fnuz", 16, {0x80}, set(), 57344, 2**-15, 2**-17, 255),
    # IEEE P3109 interim report, tables of Binary8p{3,4,5,6}s{f,e}.
    ("binary8p6", 2, {0x80}, set(), 3.9375, 2**-1, 2**-6, 255),
    ("binary8p5", 4, {0x80}, set(), 15.5, 2**-3, 2**-7, 255),
    ("binary8p4", 8, {0x80}, set(), 240, 2**-7, 2**-10, 255),
    ("binary8p3", 16, {0x80}, set(), 57344, 2**-15, 2**-17, 255),
    ("binary8p6e", 2, {0x80}, {0x7F, 0xFF}, 3.875, 2**-1, 2**-6, 253),
    ("binary8p5e", 4, {0x80}, {0x7F, 0xFF}, 15.0, 2**-3, 2**-7, 253),
    ("binary8p4e", 8, {0x80}, {0x7F, 0xFF}, 224, 2**-7, 2**-10, 253),
    ("binary8p3e", 16, {0x80}, {0x7F, 0xFF}, 49152, 2**-15, 2**-17, 253),
    # OCP MX v1.0, tables 4 to 6.
    ("e2m3", 1, set(), set(), 7.5, 1, 0.125, 64),
    ("e3m2", 3, set(), set(), 28, 0.25, 0.0625, 64),
    ("e2m1", 1, set(), set(), 6, 1, 0.5, 16),
    # IEEE 754-2019, table 3.5; bfloat16 is the upper half of binary32.
    (
        "fp16",
        15,
        {*range(0x7C01, 0x8000), *range(0xFC01, 0x10000)},
        {0x7C00, 0xFC00},
        65504,
        2**-14,
        2**-24,
        63488,
    ),
    (
        "bf16",
        127,
        {*range(0x7F81, 0x8000), *range(0xFF81, 0x10000)},
        {0x7F80, 0xFF80},
        (2 - 2**-7) * 2.0**127,
        2**-126,
        2**-133,
        65280,
    ),
]


@pytest.mark.parametrize(
    ("name", "bias", "nans", "infs", "largest", "normal", "subnormal", "finite"),
    PUBLISHED,
    ids=[row[0] for row in PUBLISHED],
)
def test_format_has_published_extremes(name, bias, nans, infs, largest, normal, subnormal, finite):
    fmt = parse_format(name)
    kinds = [fmt.unpack(code).kind for code in range(1 << fmt.width)]
    assert {code for code, kind in enumerate(kinds) if kind is Kind.NAN} == nans
    assert {code for code, kind in enumerate(kinds) if kind is Kind.INF} == infs
    assert kinds.count(Kind.FINITE) == finite == fmt.num_finite
    assert (fmt.bias, fmt.max, fmt.min, fmt.min_normal, fmt.min_subnormal) == (
        bias,
        largest,
        -largest,
        normal,
        subnormal,
    )
    assert fmt.nan_code in nans or (fmt.nan_code is None and not nans)
    assert fmt.inf_code == (min(infs) if infs else None)
    assert (fmt.has_nan, fmt.has_inf) == (bool(nans), bool(infs))


def test_format_has_published_canonical_nan():
    # IEEE 754-2019, 6.2.1: quiet is the leading fraction bit.
    assert [CATALOG[name].nan_code for name in ("fp32", "fp16", "bf16", "e5m2", "e4m3")] == [
        0x7FC00000,
        0x7E00,
        0x7FC0,
        0x7E,
        0x7F,
    ]


def test_format_fp32_has_published_extremes():
    fp32 = CATALOG["fp32"]
    assert (fp32.bias, fp32.max_code, fp32.inf_code) == (127, 0x7F7FFFFF, 0x7F800000)
    assert (fp32.max, fp32.min_normal, fp32.min_subnormal) == (
        (2 - 2.0**-23) * 2.0**127,
        2.0**-126,
        2.0**-149,
    )
    assert fp32.num_finite == 2 * (255 << 23)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("int4", -8, 7), ("int8", -128, 127), ("int16", -32768, 32767), ("uint8", 0, 255)],
)
def test_integer_holds_every_value(name, low, high):
    fmt = CATALOG[name]
    values = [fmt.unpack(code) for code in range(1 << fmt.width)]
    assert sorted(value.sig for value in values) == list(range(low, high + 1))
    assert all(value.exp == 0 and value.negative == (value.sig < 0) for value in values)
    assert (fmt.min, fmt.max, fmt.lsb_exp, fmt.num_finite) == (low, high, 0, high - low + 1)
    assert (fmt.nan_code, fmt.inf_code, fmt.has_minus_zero) == (None, None, False)


def test_integer_places_its_binary_point():
    # MXINT8 of OCP MX v1.0, 5.3.4: implicit scale 2**-6.
    fmt = integer("mxint8", 8, lsb=-6)
    assert (fmt.max, fmt.min, fmt.min_subnormal) == (1.984375, -2.0, 2**-6)


@pytest.mark.parametrize(
    "name",
    [
        *(n for n in CATALOG if CATALOG[n].width <= 16 and CATALOG[n].exp_bits),
        "e4m3:none",
        "e3m2:p3109e",
        "e1m2:fn",
        "e2m0:fnuz",
    ],
)
def test_unpack_follows_the_textbook_formula(name):
    fmt = parse_format(name)
    finite = 0
    for code in range(1 << fmt.width):
        kind, negative, sig, exp = fmt.unpack(code)
        if kind is not Kind.FINITE:
            assert (sig, exp) == (0, 0)
            continue
        finite += 1
        bits = f"{code:0{fmt.width}b}"
        sign, field, man = bits[0], int(bits[1 : 1 + fmt.exp_bits], 2), bits[1 + fmt.exp_bits :]
        # Exact in binary64 for all formats here.
        fraction = int(man or "0", 2) / (1 << fmt.man_bits) + (field > 0)
        value = (-1) ** int(sign) * fraction * 2.0 ** (max(field, 1) - fmt.bias)
        assert sig * 2.0 ** (exp + fmt.lsb_exp) == value, f"code {code:#x}"
        assert negative == (sign == "1")
    assert finite == fmt.num_finite


@pytest.mark.parametrize("fmt", CATALOG.values(), ids=CATALOG)
def test_format_derived_facts_agree(fmt):
    assert fmt.width == fmt.magnitude_bits + fmt.signed
    assert fmt.max == fmt.max_units * 2.0**fmt.lsb_exp
    assert fmt.unpack(fmt.max_code).kind is Kind.FINITE
    above = range(fmt.max_code + 1, min(1 << fmt.magnitude_bits, fmt.max_code + 3))
    assert all(fmt.unpack(code).kind is not Kind.FINITE for code in above)


def test_format_extremes_of_more_bits_than_a_float_are_truncated():
    wide = parse_format("e11m60:ieee")
    assert (wide.max, wide.min) == (sys.float_info.max, -sys.float_info.max)


def _float(**fields):
    """Fields of a sound format, some of them replaced."""
    return {"name": "e4m3", "exp_bits": 4, "man_bits": 3, "bias": 7} | fields


WRONG = [
    (
        _float(name="E4M3"),
        ("Format name must be lower-case letters and digits, with an optional :policy, not 'E4M3'"),
    ),
    (_float(exp_bits=12), "Format exp_bits must be an integer from 0 to 11, not 12"),
    (_float(exp_bits=True), "Format exp_bits must be an integer from 0 to 11, not True"),
    (_float(man_bits=-1), "Format man_bits must be an integer from 0 to 1024, not -1"),
    (_float(bias=5000), "Format bias must be an integer from -4096 to 4096, not 5000"),
    (_float(specials="fn"), "Format specials must be a Specials, not 'fn'"),
    (_float(signed=1), "Format signed must be a bool, not 1"),
    (_float(exp_bits=1, man_bits=0, signed=False), "Format width must be at least 2 bits, not 1"),
    (
        _float(exp_bits=0, specials=Specials.FN),
        "Format specials must be none without exponent bits, not 'fn'",
    ),
    (
        _float(exp_bits=1, specials=Specials.IEEE),
        (
            "Format fields must be at least 2 exponent bits "
            "and 1 mantissa bit for ieee specials, not (1, 3)"
        ),
    ),
    (
        _float(signed=False, specials=Specials.FNUZ),
        "Format signed must be True for fnuz specials, not False",
    ),
    (
        _float(name="e11m2:none", exp_bits=11, man_bits=2, bias=1023),
        "Format values must be below 2**1024, not 'up to 2**1025'",
    ),
]


@pytest.mark.parametrize(("fields", "message"), WRONG)
def test_format_wrong(fields, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        Format(**fields)


@pytest.mark.parametrize("code", [-1, 256, 1.0, True, None])
def test_unpack_wrong(code):
    message = f"Code of e4m3 must be an integer from 0 to 255, not {code!r}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        CATALOG["e4m3"].unpack(code)
