# SPDX-License-Identifier: Apache-2.0
"""Quantisers per tensor, channel and block: codes equal exact encoders', ranges, files."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest

import sim
from hw.spec import CATALOG, SpecError, parse_format
from reports.studies.theory.measure import DISTRIBUTIONS, best_scale
from reports.studies.theory.measure import values_of as magnitudes
from sim.quantize import (
    BLOCK,
    MX,
    Quantizer,
    calibrate,
    decode_blocks,
    encode_blocks,
    load_quantizers,
    parse_scheme,
    save_quantizers,
)
from sim.quantize.nearest import codes_of, nearest, values_of

SEED = 7
SHORT = [name for name, fmt in CATALOG.items() if fmt.width <= 8] + [
    "e4m3:ieee",
    "e4m3:fn-daz",
    "e3m2:p3109e",
    "fp16",
]


def numbers(count: int = 4096) -> np.ndarray:
    """Numbers of all sizes and both signs."""
    rng = np.random.default_rng(SEED)
    return rng.normal(size=count) * 2.0 ** rng.uniform(-20, 12, count)


@pytest.mark.parametrize("name", SHORT)
def test_short_formats_encode_as_the_exact_encoder(name: str) -> None:
    """Every value, every midpoint, their neighbours, zeros, and numbers that are too large."""
    fmt = parse_format(name)
    values = np.unique(sim.decode(np.arange(1 << fmt.width, dtype=np.uint32), fmt))
    values = values[np.isfinite(values)]
    middle = (values[1:] + values[:-1]) / 2
    x = np.concatenate([values, middle, [-0.0, 0.0, 1e30, -1e30, np.inf, -np.inf, 1e-40, -1e-40]])
    x = np.concatenate([x, np.nextafter(x, np.inf), np.nextafter(x, -np.inf)])
    codes, wanted = codes_of(x, fmt), sim.encode(x, fmt)
    wrong = codes != wanted
    assert not wrong.any(), f"{name}: {x[wrong][0]!r} gives {codes[wrong][0]}, {wanted[wrong][0]}"
    assert codes.dtype == wanted.dtype
    assert len(x) >= 3 * (2 * len(values) - 1)
    assert (values_of(codes, fmt) == sim.decode(codes, fmt)).all()
    finite = x[np.isfinite(x)]
    assert (nearest(finite, fmt) == sim.decode(sim.encode(finite, fmt), fmt)).all()


def test_nan_is_nan_or_zero() -> None:
    x = np.array([np.nan, 1.0])
    assert codes_of(x, CATALOG["e4m3"]).tolist() == [0x7F, 0x38]
    assert codes_of(x, CATALOG["binary8p4"]).tolist() == [0x80, 0x40]
    assert codes_of(x, CATALOG["int8"]).tolist() == [0, 1]


@pytest.mark.parametrize("name", ["e4m3", "e5m2", "int8", "e2m1"])
def test_largest_magnitude_becomes_that_of_the_format(name: str) -> None:
    x, fmt = numbers(), CATALOG[name]
    quantizer = calibrate(x, name)
    assert quantizer.scale.tolist() == [np.float32(abs(x).max() / fmt.max)]
    codes = quantizer.encode(x)
    assert abs(sim.decode(codes, fmt)).max() == fmt.max
    assert (codes == sim.encode(np.clip(x / quantizer.scale, -fmt.max, fmt.max), fmt)).all()
    assert (quantizer(x) == sim.decode(codes, fmt) * quantizer.scale).all()


def test_channels_have_scales_of_their_own() -> None:
    x = numbers(96).reshape(4, 8, 3)
    for axis in (0, 1, -1):
        each = calibrate(x, "int8,per=channel", axis=axis)
        for channel, part in enumerate(np.moveaxis(x, axis, 0)):
            alone = calibrate(part, "int8")
            assert each.scale[channel] == alone.scale[0]
            assert (np.take(each.encode(x), channel, axis) == alone.encode(part)).all()


def test_powers_of_two_never_saturate_and_are_never_twice_too_wide() -> None:
    for largest in (1.0, 447.9, 448, 448.1, 3e-5):
        (scale,) = calibrate([largest], "e4m3,scale=pow2").scale
        assert math.frexp(scale)[0] == 0.5
        assert scale * 448 >= largest > scale * 224


def test_zero_point_uses_all_codes() -> None:
    rng = np.random.default_rng(SEED)
    x = rng.uniform(-0.5, 3, 10_000)
    for name, low, high in (("int8", -128, 127), ("uint8", 0, 255)):
        quantizer = calibrate(x, f"{name},zero_point=yes")
        units = np.rint(sim.decode(quantizer.encode(x), name))
        assert (units.min(), units.max()) == (low, high)
        assert quantizer(np.zeros(1))[0] == 0
        assert abs(quantizer(x) - x).max() <= quantizer.scale[0] * 0.5001
    assert abs(calibrate(x, "int8")(x) - x).max() > quantizer.scale[0] * 0.8


def test_numbers_of_one_sign_keep_zero() -> None:
    for x in (np.array([3.0, 5.0]), np.array([-3.0, -5.0])):
        quantizer = calibrate(x, "int8,zero_point=yes")
        assert quantizer(np.array([0.0]))[0] == 0
        assert quantizer(x) == pytest.approx(x, abs=quantizer.scale[0] / 2)


def test_percentile_leaves_outliers_out() -> None:
    x = np.concatenate([np.linspace(-1, 1, 9_999), [1000.0]])
    assert calibrate(x, "int8,range=percentile,percentile=99.9").scale[0] == pytest.approx(
        1 / 127, rel=2e-3
    )
    assert calibrate(x, "int8").scale[0] == pytest.approx(1000 / 127)
    half = calibrate(abs(x), "int8,range=percentile,percentile=99.9,zero_point=yes")
    assert half.scale[0] == pytest.approx(1 / 255, rel=5e-3)


@pytest.mark.parametrize("name", ["int8", "e4m3", "e2m1", "int4"])
def test_mse_range_is_near_the_best_in_theory(name: str) -> None:
    """Normal numbers: bits of accuracy of the range found on a sample, against integration."""
    x = np.random.default_rng(SEED).normal(size=100_000)
    left = calibrate(x, f"{name},range=mse")(x) - x
    best = best_scale(CATALOG[name], DISTRIBUTIONS["normal"]).bits
    assert -math.log2(math.sqrt((left**2).mean())) == pytest.approx(best, abs=0.06)
    # With a power of two the best range may be up to half an octave off.
    coarse = calibrate(x, f"{name},range=mse,scale=pow2")
    assert math.frexp(coarse.scale[0])[0] == 0.5
    assert ((coarse(x) - x) ** 2).mean() >= 0.99 * (left**2).mean()


def test_mse_range_is_better_than_all_others_by_channel() -> None:
    x = np.random.default_rng(SEED).standard_t(3, (5, 4096))
    errors = {
        kind: ((calibrate(x, f"int4,per=channel,range={kind}", axis=0)(x) - x) ** 2).mean(1)
        for kind in ("mse", "minmax", "percentile")
    }
    assert (errors["mse"] < errors["minmax"]).all()
    assert (errors["mse"] < errors["percentile"]).all()


def test_rare_outliers_count_in_long_rows() -> None:
    """One number in 60,000 that holds nearly all of the energy is not cut off."""
    x = np.random.default_rng(SEED).normal(size=(3, 60_000))
    x[:, 12_345] = 400
    errors = {
        kind: ((calibrate(x, f"e4m3,per=channel,range={kind}", axis=0)(x) - x) ** 2).sum(1)
        for kind in ("mse", "minmax")
    }
    assert (errors["mse"] <= errors["minmax"]).all()


def test_symmetric_integers_do_not_use_the_lowest_code() -> None:
    quantizer = Quantizer(parse_scheme("int8"), np.array([1.0]), np.array([0]))
    assert sim.decode(quantizer.encode([-1000.0, 1000.0]), "int8").tolist() == [-127, 127]
    assert magnitudes(CATALOG["int8"])[-1] == 127


def test_zeros_and_lists_and_tiny_numbers() -> None:
    assert calibrate(np.zeros(5), "e4m3").scale.tolist() == [1.0]
    joined = calibrate([np.array([1.0, 2.0]), np.array([[-8.0]])], "e4m3")
    assert joined.scale.tolist() == [np.float32(8 / 448)]
    assert calibrate([1e-44], "e4m3").scale[0] == np.finfo(np.float32).tiny


@pytest.mark.parametrize(
    "text",
    [
        "e4m3",
        "int8,per=channel,range=mse,scale=pow2,zero_point=yes",
        "e2m1,per=block",
        "int8,range=percentile,percentile=99.5",
        "int4,range=percentile",
    ],
)
def test_scheme_is_spelled_back(text: str) -> None:
    assert str(parse_scheme(text)) == text
    assert parse_scheme(parse_scheme(text)) == parse_scheme(text)
    name, _, settings = text.partition(",")
    assert parse_scheme(settings, fmt=name) == parse_scheme(text)


SETTINGS = "per=..., range=..., percentile=..., scale=..., zero_point=..."


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: parse_scheme(""), "Scheme must be a spelling such as e4m3,per=channel, not ''"),
        (lambda: parse_scheme(3), "Scheme must be a spelling such as e4m3,per=channel, not 3"),
        (
            lambda: parse_scheme("e4m3,per=row"),
            "Scheme per must be one of tensor, channel, block, not 'row'",
        ),
        (
            lambda: parse_scheme("e4m3,per=block,per=block"),
            f"Scheme settings must be some of {SETTINGS}, once each, not 'per=block,per=block'",
        ),
        (
            lambda: parse_scheme("e4m3,bits=8"),
            f"Scheme settings must be some of {SETTINGS}, once each, not 'bits=8'",
        ),
        (
            lambda: parse_scheme("e4m3,zero_point=yes"),
            "Scheme zero_point needs an integer format, not e4m3",
        ),
        (lambda: parse_scheme("int8,zero_point=1"), "Scheme zero_point must be yes or no, not '1'"),
        (
            lambda: parse_scheme("e4m3,per=block,range=mse"),
            "Scheme range must be minmax with per=block, not 'mse'",
        ),
        (
            lambda: parse_scheme("e4m3,per=block,scale=fp32"),
            "Scheme scale must be pow2 with per=block, not 'fp32'",
        ),
        (
            lambda: parse_scheme("int8,per=block,zero_point=yes"),
            "Scheme zero_point must be no with per=block, not 'yes'",
        ),
        (
            lambda: parse_scheme("e4m3,percentile=99"),
            "Scheme percentile needs range=percentile, not minmax",
        ),
        (
            lambda: parse_scheme("e4m3,range=percentile,percentile=50"),
            "Scheme percentile must be above 50 and at most 100, not 50.0",
        ),
        (
            lambda: parse_scheme("e4m3,range=percentile,percentile=most"),
            "Scheme percentile must be a number, not 'most'",
        ),
        (
            lambda: calibrate([1.0], "e4m3", axis=0),
            "Quantizer axis must be None without per=channel, not 0",
        ),
        (
            lambda: calibrate([1.0], "e4m3,per=channel"),
            "Quantizer axis must be an integer with per=channel, not None",
        ),
        (lambda: calibrate([1.0, np.nan], "e4m3"), "Calibration data must be finite, not nan"),
        (lambda: calibrate([np.inf], "e4m3"), "Calibration data must be finite, not inf"),
        (lambda: calibrate([], "e4m3"), "Calibration data must have at least one number"),
        (
            lambda: calibrate(np.array(["a"]), "e4m3"),
            "Calibration data dtype must be a real number type, not '<U1'",
        ),
        (
            lambda: calibrate(np.ones(1), "e4m3,per=channel", axis=1),
            "Calibration axis must be an axis of data of shape (1,), not 1",
        ),
        (
            lambda: calibrate(np.ones((2, 3)), "e4m3,per=channel", axis=0).encode(np.ones((3, 2))),
            "Values shape must be 2 along axis 0, not (3, 2)",
        ),
        (
            lambda: Quantizer(parse_scheme("e4m3"), np.array([0.0]), np.array([0])),
            "Quantizer scale must be positive and finite, not [0.0]",
        ),
        (
            lambda: Quantizer(parse_scheme("e4m3"), np.array([1.0, 1.0]), np.array([0])),
            "Quantizer scale shape must be one scale and zero point per channel, not ((2,), (1,))",
        ),
        (
            lambda: Quantizer(parse_scheme("e4m3,per=block"), np.array([1.0]), np.array([0])),
            "Quantizer scheme must be one with per=tensor or per=channel, not 'e4m3,per=block'",
        ),
    ],
)
def test_quantize_wrong(make: Callable[[], object], message: str) -> None:
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        make()


BLOCK_SEED = 3
ORACLES = {
    name: getattr(gfloat.formats, f"format_info_{oracle}")
    for name, oracle in {
        "mxfp8_e4m3": "mxfp8_e4m3",
        "mxfp8_e5m2": "mxfp8_e5m2",
        "mxfp6_e2m3": "mxfp6_e2m3",
        "mxfp6_e3m2": "mxfp6_e3m2",
        "mxfp4": "mxfp4_e2m1",
        "mxint8": "mxint8",
    }.items()
}
#: ml_dtypes has the elements of these.
ELEMENTS = {
    "mxfp8_e4m3": ml_dtypes.float8_e4m3fn,
    "mxfp8_e5m2": ml_dtypes.float8_e5m2,
    "mxfp6_e2m3": ml_dtypes.float6_e2m3fn,
    "mxfp6_e3m2": ml_dtypes.float6_e3m2fn,
    "mxfp4": ml_dtypes.float4_e2m1fn,
}


def blocks(count: int) -> np.ndarray:
    """Blocks of all sizes, some of zeros, of equal numbers, of powers of two, and tiny ones."""
    rng = np.random.default_rng(BLOCK_SEED)
    x = rng.normal(size=(count, BLOCK)) * 2.0 ** rng.uniform(-30, 30, (count, 1))
    x[0], x[1], x[2] = 0, 1, 2.0 ** rng.integers(-9, 9, BLOCK)
    x[3], x[4, 1:] = x[3] * 2.0**-140, 0
    return x.astype(np.float32).astype(np.float64)


@pytest.mark.parametrize("name", MX)
def test_blocks_are_those_of_gfloat(name: str) -> None:
    """Codes of scale and elements, each block; where -1 would be the lowest integer, the next."""
    info, x = ORACLES[name], blocks(24)
    got = encode_blocks(x, name)
    assert got.scales.shape == (len(x), 1)
    compared = 0
    for row, values in enumerate(x):
        scale = gfloat.compute_scale_amax(info.etype.emax, values)
        scaled = np.clip(values / scale, -info.etype.max, info.etype.max)
        wanted = list(gfloat.encode_block(info, scale, scaled))
        assert [got.scales[row, 0], *got.codes[row]] == wanted, f"{name} row {row}"
        assert (decode_blocks(got)[row] == list(gfloat.decode_block(info, wanted))).all()
        compared += len(wanted)
    assert compared == len(x) * (BLOCK + 1)


@pytest.mark.parametrize("name", ELEMENTS)
def test_blocks_are_those_of_ml_dtypes(name: str) -> None:
    """E8M0 scales and elements, which saturate."""
    x, fmt = blocks(24), CATALOG[MX[name]]
    largest = abs(x).max(axis=1)
    exponent = np.floor(np.log2(np.where(largest > 0, largest, 1))) - np.floor(np.log2(fmt.max))
    exponent = np.where(largest > 0, np.maximum(exponent, -127), -127)
    got = encode_blocks(x, fmt)
    scales = (2.0**exponent).astype(ml_dtypes.float8_e8m0fnu)
    assert (got.scales[:, 0] == scales.view(np.uint8)).all()
    elements = np.clip(x / 2.0 ** exponent[:, None], -fmt.max, fmt.max).astype(np.float32)
    wanted = elements.astype(ELEMENTS[name]).view(np.uint8).astype(int)
    assert (got.codes == wanted & (1 << fmt.width) - 1).all()


def test_blocks_go_along_any_axis_and_may_be_short() -> None:
    x = blocks(40)[:, :20]
    assert encode_blocks(x, "mxfp8_e4m3").scales.shape == (40, 1)
    along = encode_blocks(x, "mxfp8_e4m3", axis=0)
    assert along.scales.shape == (2, 20)
    turned = encode_blocks(x.T, "mxfp8_e4m3")
    assert (along.codes == turned.codes.T).all()
    assert (along.scales == turned.scales.T).all()
    assert (decode_blocks(along) == decode_blocks(turned).T).all()
    filled = encode_blocks(np.pad(x, ((0, 0), (0, 12))), "mxfp8_e4m3")
    assert (filled.codes[:, :20] == encode_blocks(x, "mxfp8_e4m3").codes).all()


def test_a_broken_block_is_nan() -> None:
    x = np.ones((2, 64))
    x[0, 3], x[1, 40] = np.nan, np.inf
    got = encode_blocks(x, "mxfp4")
    assert (got.scales == [[0xFF, 125], [125, 0xFF]]).all()
    assert np.isnan(decode_blocks(got)).sum() == 64


def test_empty_blocks_wrong() -> None:
    message = "Values shape must be at least 1 along axis -1, not (3, 0)"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        encode_blocks(np.ones((3, 0)), "mxfp4")


def test_saved_results_are_loaded(tmp_path: Path) -> None:
    x = np.random.default_rng(BLOCK_SEED).normal(size=(6, 50))
    path = tmp_path / "new" / "q.json"
    saved = {
        "a": calibrate(x, "int8,zero_point=yes"),
        "w": parse_scheme("e2m1,per=block"),
        "b": calibrate(x, "e4m3,per=channel,range=mse", axis=0),
    }
    assert save_quantizers(path, saved) == path
    loaded = load_quantizers(path)
    assert list(loaded) == sorted(saved)
    assert loaded["w"] == saved["w"]
    for name in "ab":
        assert str(loaded[name].scheme) == str(saved[name].scheme)
        assert (loaded[name].encode(x) == saved[name].encode(x)).all()
        assert (loaded[name].scale == saved[name].scale).all()
    before = path.read_bytes()
    save_quantizers(path, loaded)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["q.json"]


GOOD = {"scheme": "int8", "axis": None, "scale": [0.5], "zero_point": [0]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "No such file or directory"),
        ('{"quantizers": {"a"', "Expecting ':' delimiter: line 1 column 20 (char 19)"),
        ("[]", 'it must be an object with the key "quantizers"'),
        ('{"quantizers": []}', 'it must be an object with the key "quantizers"'),
        (GOOD | {"more": 1}, "each quantizer must have the fields axis, scale, scheme, zero_point"),
        (
            GOOD | {"scheme": "int99"},
            (f"Format name must be one of {', '.join(CATALOG)}, or eXmY:policy, not 'int99'"),
        ),
        (GOOD | {"scale": [-1.0]}, "Quantizer scale must be positive and finite, not [-1.0]"),
        (GOOD | {"zero_point": [0.5]}, "zero points must be integers"),
        (GOOD | {"axis": "0"}, "an axis must be an integer"),
        (
            GOOD | {"axis": 0},
            "Quantizer axis must be None without per=channel, not 0",
        ),
    ],
)
def test_wrong_file(tmp_path: Path, text: object, reason: str) -> None:
    path = tmp_path / "q.json"
    if text is not None:
        path.write_text(text if isinstance(text, str) else json.dumps({"quantizers": {"a": text}}))
    message = f"Quantizers file {str(path)!r} cannot be used: {reason}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        load_quantizers(path)
