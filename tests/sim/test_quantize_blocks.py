# SPDX-License-Identifier: Apache-2.0
"""OCP MX blocks against gfloat and ml_dtypes; what is saved as JSON is loaded the same."""

import json
import re
from pathlib import Path

import gfloat
import gfloat.formats
import ml_dtypes
import numpy as np
import pytest

from hw.spec import CATALOG, SpecError
from sim.quantize import (
    BLOCK,
    MX,
    calibrate,
    decode_blocks,
    encode_blocks,
    load_quantizers,
    parse_scheme,
    save_quantizers,
)

SEED = 3
ORACLES = {name: getattr(gfloat.formats, f"format_info_{oracle}") for name, oracle in {
    "mxfp8_e4m3": "mxfp8_e4m3", "mxfp8_e5m2": "mxfp8_e5m2", "mxfp6_e2m3": "mxfp6_e2m3",
    "mxfp6_e3m2": "mxfp6_e3m2", "mxfp4": "mxfp4_e2m1", "mxint8": "mxint8"}.items()}
#: ml_dtypes has the elements of these.
ELEMENTS = {"mxfp8_e4m3": ml_dtypes.float8_e4m3fn, "mxfp8_e5m2": ml_dtypes.float8_e5m2,
            "mxfp6_e2m3": ml_dtypes.float6_e2m3fn, "mxfp6_e3m2": ml_dtypes.float6_e3m2fn,
            "mxfp4": ml_dtypes.float4_e2m1fn}


def blocks(count: int) -> np.ndarray:
    """Blocks of all sizes, some of zeros, of equal numbers, of powers of two, and tiny ones."""
    rng = np.random.default_rng(SEED)
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
    elements = np.clip(x / 2.0**exponent[:, None], -fmt.max, fmt.max).astype(np.float32)
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


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    x = np.random.default_rng(SEED).normal(size=(6, 50))
    path = tmp_path / "new" / "q.json"
    saved = {"a": calibrate(x, "int8,zero_point=yes"), "w": parse_scheme("e2m1,per=block"),
             "b": calibrate(x, "e4m3,per=channel,range=mse", axis=0)}
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


@pytest.mark.parametrize(("text", "reason"), [
    (None, "No such file or directory"),
    ('{"quantizers": {"a"', "Expecting ':' delimiter: line 1 column 20 (char 19)"),
    ("[]", "no object of quantizers"),
    ('{"quantizers": []}', "no object of quantizers"),
    (GOOD | {"more": 1}, "no object of axis, scale, scheme, zero_point"),
    (GOOD | {"scheme": "int99"}, (f"Format name must be one of {', '.join(CATALOG)}, or "
                                  "eXmY:policy, not 'int99'")),
    (GOOD | {"scale": [-1.0]}, "Quantizer scale must be positive and finite, not [-1.0]"),
    (GOOD | {"zero_point": [0.5]}, "no whole zero points"),
    (GOOD | {"axis": "0"}, "no axis"),
    (GOOD | {"axis": 0}, "Quantizer axis must be given per channel, and only then, not 0"),
])
def test_wrong_file(tmp_path: Path, text: object, reason: str) -> None:
    path = tmp_path / "q.json"
    if text is not None:
        path.write_text(text if isinstance(text, str) else json.dumps({"quantizers": {"a": text}}))
    message = f"Quantizers file must be one that was saved, not {str(path)!r} ({reason})"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        load_quantizers(path)
