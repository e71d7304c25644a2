# SPDX-License-Identifier: Apache-2.0
"""`sim.encode` and `sim.decode` against ml_dtypes, gfloat and numpy, in every rounding case."""

import gfloat
import ml_dtypes
import numpy as np
import pytest

import sim
from hw.spec import CATALOG, parse_format
from tests.support.rounding_cases import ML_DTYPES, all_codes, around, gfloat_info, same_values

FLOATS = [name for name, fmt in CATALOG.items() if fmt.exp_bits]


def oracle_points(name):
    """Rounding cases that ml_dtypes rounds once."""
    points = around(sim.decode(all_codes(name), name))
    if name != "bf16":
        return points
    # bfloat16 is made from a float32, even one scalar at a time.
    with np.errstate(over="ignore"):
        points = points.astype(np.float32)
        points = np.concatenate([points, *(np.nextafter(points, np.float32(end))
                                           for end in (-np.inf, np.inf))])
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
        # gfloat refuses what such a format cannot say; here it saturates in both modes.
        points = np.clip(points, fmt.min, fmt.max)
    theirs = gfloat.round_ndarray(info, points, gfloat.RoundMode.TiesToEven, sat=saturate)
    assert points.size >= 6 * min(fmt.num_finite // 2, 1 << 12)
    assert same_values(sim.decode(sim.encode(points, name, saturate), name), theirs)
