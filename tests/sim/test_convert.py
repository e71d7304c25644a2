# SPDX-License-Identifier: Apache-2.0
"""`sim.encode` and `sim.decode` against the plain integer model and the rules of the formats.

Then against ml_dtypes, gfloat and numpy, in every rounding case.
"""

import re
from fractions import Fraction

import gfloat
import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sim
from hw.spec import CATALOG, Format, SpecError, Specials, integer, parse_format
from sim import integers
from tests.support.rounding_cases import ML_DTYPES, all_codes, around, gfloat_info, same_values

NAMES = [
    *CATALOG,
    "e4m3:ieee",
    "e2m5:p3109",
    "e3m2:p3109e",
    "e1m2:fn",
    "e2m0:fnuz",
    "e5m10:p3109e",
    "e8m23:fn",
]


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_encode_equals_the_plain_model(name, saturate):
    fmt = parse_format(name)
    points = around(sim.decode(all_codes(name), name))
    points = [*points[:: max(1, points.size // 2000)].tolist(), 0.0, -0.0, np.inf, -np.inf]
    plain = [integers.encode(x, fmt, saturate=saturate) for x in points]
    assert sim.encode(points, fmt, saturate).tolist() == plain
    dtype = sim.encode(points, fmt, saturate).dtype
    assert dtype == f"uint{next(bits for bits in (8, 16, 32) if fmt.width <= bits)}"


@pytest.mark.parametrize("name", NAMES)
def test_encode_undoes_decode(name):
    fmt, codes = parse_format(name), all_codes(name)
    values = sim.decode(codes, name)
    back = sim.encode(values, name, saturate=False)
    nan = np.isnan(values)
    assert (back == np.where(nan, fmt.nan_code or 0, codes)).all()
    finite = np.isfinite(values)
    assert (sim.encode(values[finite], name) == codes[finite]).all()


# value, then what not saturating gives: OFP8 rev. 1.0, table 3, at the upper end of each format.
OVERFLOW = [
    ("e4m3", 464.0, 448.0),
    ("e4m3", np.nextafter(464.0, 1e9), np.nan),
    ("e4m3", np.inf, np.nan),
    ("e5m2", np.nextafter(61440.0, 0), 57344.0),
    ("e5m2", 61440.0, np.inf),
    ("e5m2", np.inf, np.inf),
    ("e4m3fnuz", np.nextafter(248.0, 0), 240.0),
    ("e4m3fnuz", 248.0, np.nan),
    ("binary8p4", 248.0, np.nan),
    ("e5m2fnuz", 61440.0, np.nan),
    ("binary8p3", 61440.0, np.nan),
    ("binary8p4e", 232.0, 224.0),
    ("binary8p4e", np.nextafter(232.0, 1e9), np.inf),
    ("binary8p3e", 53248.0, 49152.0),
    ("binary8p3e", np.nextafter(53248.0, 1e9), np.inf),
    ("e2m1", 1e9, 6.0),
    ("e2m3", np.inf, 7.5),
    ("e3m2", -np.inf, -28.0),
    ("int8", 127.5, 127),
    ("int8", -128.5, -128),
    ("int8", -np.inf, -128),
    ("uint8", -3.0, 0),
    ("int4", 1e300, 7),
    ("int16", -1e300, -32768),
]


@pytest.mark.parametrize(("name", "value", "open_ended"), OVERFLOW)
def test_encode_overflow(name, value, open_ended):
    fmt = parse_format(name)
    assert same_values(
        sim.decode(sim.encode(value, name, saturate=False), name), np.float64(open_ended)
    )
    nearest = fmt.min if value < 0 else fmt.max
    assert sim.decode(sim.encode(value, name), name) == nearest


def test_encode_nan_is_canonical_and_sign_of_zero_is_kept():
    for name, fmt in CATALOG.items():
        tiny = [-0.0, -fmt.min_subnormal / 2, -1e-300]
        zero = fmt.sign_code if fmt.has_minus_zero else 0
        assert sim.encode(tiny, name).tolist() == [zero] * 3, name
        if fmt.has_nan:
            assert sim.encode([np.nan, -np.nan], name).tolist() == [fmt.nan_code] * 2, name


@pytest.mark.parametrize("name", ["int4", "int8", "int16", "uint8"])
def test_encode_integers_round_to_even_then_clamp(name):
    fmt = CATALOG[name]
    for x in np.arange(4 * fmt.min_units - 8, 4 * fmt.max_units + 9, max(1, fmt.max_units // 50)):
        wanted = min(max(round(Fraction(int(x), 4)), fmt.min_units), fmt.max_units)
        assert sim.encode(x / 4, name) == wanted % (1 << fmt.width), x / 4


def test_encode_takes_subnormal_numbers():
    # Units of 2**-1070: a float64 below 2**-1022 has no hidden bit either.
    numbers = np.ldexp(np.arange(-40, 41), -1074)
    codes = sim.encode(numbers, "e11m48:ieee")
    wanted = [round(Fraction(k, 16)) for k in range(41)]
    assert codes[40:].tolist() == wanted
    assert codes[:41].tolist() == [wanted[k] | 1 << 59 for k in range(40, 0, -1)] + [0]


@pytest.mark.parametrize("specials", [Specials.NONE, Specials.P3109, Specials.P3109E])
def test_encode_unsigned_floats_end_at_zero(specials):
    fmt = Format(name="unsigned", exp_bits=4, man_bits=4, bias=8, signed=False, specials=specials)
    codes = np.arange(fmt.max_code + 1, dtype=np.uint8)
    values = sim.decode(codes, fmt)
    assert (np.diff(values) > 0).all()
    for saturate in (True, False):
        assert (sim.encode(values, fmt, saturate) == codes).all()
        for below in (-np.inf, -1.0, -1e-300, -0.0, Fraction(-1, 3), -5):
            assert sim.encode(below, fmt, saturate) == 0
            assert integers.encode(below, fmt, saturate=saturate) == 0
    assert sim.encode([1e9, np.inf], fmt, False).tolist() == 2 * [
        next(c for c in (fmt.inf_code, fmt.nan_code, fmt.max_code) if c is not None)
    ]


def test_encode_takes_every_kind_of_real_number():
    wanted = [sim.encode(x, "fp16").item() for x in (0.1, -3.0, 7.0)]
    assert sim.encode([0.1, -3, Fraction(7)], "fp16").tolist() == wanted
    exact = np.array([-3, 7])
    for dtype in (np.int8, np.int64, np.float16, np.float32, np.float64, np.longdouble, object):
        assert sim.encode(exact.astype(dtype), "fp16").tolist() == wanted[1:], dtype
    assert sim.encode(np.array([[7]], dtype=np.uint64), "fp16").tolist() == [wanted[2:]]


def test_encode_loses_nothing_of_long_numbers():
    # Just above the midpoint of 2**24 and 2**24 + 2; a float64 would lose the last bit.
    above = (1 << 24) + 1 + Fraction(1, 1 << 60)
    assert sim.encode(above, "fp32") == sim.encode((1 << 24) + 2, "fp32")
    assert sim.encode([(1 << 24) + 1, above], "fp32").tolist() == [0x4B800000, 0x4B800001]
    long = (1 << 63) + (1 << 39) + 1
    assert sim.encode(np.array([long], np.uint64), "fp32").tolist() == [0x5F000001]
    assert sim.encode([long, 0.5], "fp32").tolist() == [0x5F000001, 0x3F000000]
    assert sim.encode(-(1 << 2000), "e4m3") == 0xFE
    assert sim.encode([np.iinfo(np.int64).min], "int16").tolist() == [0x8000]


def test_encode_rounds_a_fraction_once():
    # One third of the smallest unit above a tie, which no binary fraction can represent.
    for sign in (1, -1):
        tie = Fraction(17, 16)
        codes = [sim.encode(sign * (tie + Fraction(k, 3 << 40)), "e4m3") for k in (-1, 0, 1)]
        assert [sim.decode(code, "e4m3") for code in codes] == [sign, sign, sign * 1.125]


def _value(code, name):
    """Value of a code, which is marked as a code by its dtype."""
    return float(sim.decode(np.uint32(code), name))


@given(st.fractions(max_denominator=10**6), st.sampled_from(sorted(CATALOG)))
def test_encode_gives_a_nearest_value(x, name):
    fmt = CATALOG[name]
    code = int(sim.encode(x, name))
    clipped = min(max(x, Fraction(fmt.min)), Fraction(fmt.max))
    error = abs(Fraction(_value(code, name)) - clipped)
    for other in (code - 1, code + 1):
        if 0 <= other < 1 << fmt.width and np.isfinite(value := _value(other, name)):
            assert error <= abs(Fraction(value) - clipped)


def test_convert_keeps_shape_and_wide_formats():
    codes = sim.encode(np.zeros((2, 0, 3)), "e4m3")
    assert (codes.shape, codes.dtype) == ((2, 0, 3), np.uint8)
    assert sim.decode(codes, "e4m3").shape == (2, 0, 3)
    assert sim.encode(1.0, "e4m3").shape == () == sim.decode(0, "e4m3").shape
    wide = parse_format("e11m60:ieee")
    assert sim.encode([1.5, -np.inf], wide, False).tolist() == [
        (1023 << 60) + (1 << 59),
        (1 << 71) + (2047 << 60),
    ]
    assert sim.decode(sim.encode([1.5, -np.inf, np.nan], wide, False), wide).tolist()[:2] == [
        1.5,
        -np.inf,
    ]
    int80 = integer("int65", 65)
    assert sim.decode(sim.encode([-(1 << 70), 3], int80), int80).tolist() == [-(2.0**64), 3]


WRONG = [
    (
        lambda: sim.encode(1.0, "e9m9"),
        (f"Format name must be one of {', '.join(CATALOG)}, or eXmY:policy, not 'e9m9'"),
    ),
    (lambda: sim.encode(1.0, 8), "Format name must be a string, not 8"),
    (lambda: sim.encode([0.0, np.nan], "int8"), "Value for int8 must be a number, not nan"),
    (lambda: sim.encode(Fraction(1), None), "Format name must be a string, not None"),
    (lambda: sim.encode(["1"], "e4m3"), "Value must be a real number, not '1'"),
    (lambda: sim.encode([[1], [1, 2]], "e4m3"), "Value must be a real number, not [1]"),
    (lambda: sim.encode([True], "e4m3"), "Value must be a real number, not True"),
    (lambda: sim.encode([None, 1.0], "e4m3"), "Value must be a real number, not None"),
    (
        lambda: sim.encode(np.array([1j]), "e4m3"),
        "Values dtype must be a real number type, not 'complex128'",
    ),
    (
        lambda: sim.encode(np.array([True]), "e4m3"),
        "Values dtype must be a real number type, not 'bool'",
    ),
    (lambda: sim.decode([256], "e4m3"), "Codes must be codes of e4m3 from 0 to 255, not 256"),
    (lambda: sim.decode(-1, "e4m3"), "Codes must be codes of e4m3 from 0 to 255, not -1"),
    (lambda: sim.decode([-9], "int4"), "Codes must be values of int4 from -8 to 7, not -9"),
    (
        lambda: sim.decode(np.uint8([16]), "int4"),
        "Codes must be codes of int4 from 0 to 15, not 16",
    ),
    (
        lambda: sim.decode([1.0], "e4m3"),
        (
            "Codes dtype must be e4m3 or an integer type, not 'float64'; "
            "sim.encode(x, 'e4m3') turns numbers into codes"
        ),
    ),
    (
        lambda: sim.decode([True], "e4m3"),
        (
            "Codes dtype must be e4m3 or an integer type, not 'bool'; "
            "sim.encode(x, 'e4m3') turns numbers into codes"
        ),
    ),
    (
        lambda: sim.decode([[1], [1, 2]], "e4m3"),
        "Codes must be a rectangular array, not [[1], [1, 2]]",
    ),
    (
        lambda: sim.decode([0], "fp64"),
        (
            f"Format name must be one of {', '.join(CATALOG)}, or "
            "eXmY:policy, not 'fp64'; did you mean fp16?"
        ),
    ),
]


@pytest.mark.parametrize(("call", "message"), WRONG)
def test_convert_wrong(call, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        call()


FLOATS = [name for name, fmt in CATALOG.items() if fmt.exp_bits]


def oracle_points(name):
    """Rounding cases that ml_dtypes rounds once."""
    points = around(sim.decode(all_codes(name), name))
    if name != "bf16":
        return points
    # bfloat16 is made from a float32, even one scalar at a time.
    with np.errstate(over="ignore"):
        points = points.astype(np.float32)
        points = np.concatenate(
            [points, *(np.nextafter(points, np.float32(end)) for end in (-np.inf, np.inf))]
        )
    return points.astype(np.float64)


@pytest.mark.parametrize("name", ML_DTYPES)
def test_decode_equals_ml_dtypes_on_every_code(name):
    codes = all_codes(name)
    dtype = np.dtype(ML_DTYPES[name])
    with np.errstate(invalid="ignore"):
        theirs = codes.astype(f"uint{8 * dtype.itemsize}").view(dtype).astype(np.float64)
    assert same_values(sim.decode(codes, name), theirs)


def test_decode_equals_numpy_on_float32():
    codes = all_codes("fp32").astype(np.uint32)
    with np.errstate(invalid="ignore"):
        theirs = codes.view(np.float32).astype(np.float64)
    assert same_values(sim.decode(codes, "fp32"), theirs)


def test_decode_int4_equals_ml_dtypes():
    codes = np.arange(16, dtype=np.uint8)
    assert (sim.decode(codes, "int4") == codes.astype(ml_dtypes.int4).astype(np.float64)).all()


@pytest.mark.parametrize("name", ML_DTYPES)
def test_encode_equals_ml_dtypes_on_every_rounding_case(name):
    dtype = np.dtype(ML_DTYPES[name])
    points = oracle_points(name)
    # One scalar at a time: arrays of float64 are rounded twice there, through float32.
    with np.errstate(over="ignore"):
        theirs = np.array([dtype.type(x) for x in points.tolist()], dtype=dtype)
    ours = sim.decode(sim.encode(points, name, saturate=False), name)
    assert points.size >= 6 * (1 << parse_format(name).width - 1)
    assert same_values(ours, theirs.astype(np.float64))


@pytest.mark.parametrize("name", ML_DTYPES)
def test_encode_saturating_equals_clipped_ml_dtypes(name):
    dtype, fmt = np.dtype(ML_DTYPES[name]), parse_format(name)
    points = oracle_points(name)
    theirs = np.array([dtype.type(x) for x in np.clip(points, fmt.min, fmt.max).tolist()], dtype)
    assert same_values(sim.decode(sim.encode(points, name), name), theirs.astype(np.float64))


def test_encode_equals_numpy_on_float32():
    points = around(sim.decode(all_codes("fp32"), "fp32"))
    with np.errstate(over="ignore"):
        theirs = points.astype(np.float32)
    assert points.size > 100_000
    assert (sim.encode(points, "fp32", saturate=False) == theirs.view(np.uint32)).all()


@pytest.mark.parametrize("name", [*FLOATS, "e4m3:ieee", "e2m5:fnuz", "e2m3:p3109e", "e3m4:fn"])
def test_decode_equals_gfloat(name):
    codes, info = all_codes(name), gfloat_info(name)
    codes = codes[:: 1 + codes.size // (1 << 16)]
    assert same_values(sim.decode(codes, name), gfloat.decode_ndarray(info, codes.astype(np.int64)))


@pytest.mark.parametrize("saturate", [True, False])
@pytest.mark.parametrize("name", [*FLOATS, "e4m3:ieee", "e2m5:fnuz", "e2m3:p3109e", "e3m4:fn"])
def test_encode_equals_gfloat_in_every_rounding_case(name, saturate):
    fmt, info = parse_format(name), gfloat_info(name)
    points = around(sim.decode(all_codes(name), name))
    if not saturate and not fmt.has_nan:
        # gfloat refuses numbers beyond such a format; here they saturate in both modes.
        points = np.clip(points, fmt.min, fmt.max)
    theirs = gfloat.round_ndarray(info, points, gfloat.RoundMode.TiesToEven, sat=saturate)
    assert points.size >= 6 * min(fmt.num_finite // 2, 1 << 12)
    assert same_values(sim.decode(sim.encode(points, name, saturate), name), theirs)
