# SPDX-License-Identifier: Apache-2.0
"""Matrix products on compiled RTL: bits in their places, and equal to the model with stalls."""

import json
import re

import numpy as np
import pytest

import sim
import sim.rtl
from hw.build import generate
from hw.spec import SpecError, parse_array
from sim.rtl import RtlError
from sim.tiling import A, B, C, pack, unpack


def small_array(tmp_path, mac, size, change=lambda text: text, out=None):
    spec = parse_array(size, mac, out=out)
    manifest = json.loads(generate(spec, tmp_path).read_text())
    source = tmp_path / f"{spec.name}.v"
    source.write_text(change(source.read_text()))
    model = sim.rtl.compile([source], spec.name, manifest["ports"], shared=["pe_*"], optimize="-O0")
    model.reset()
    return spec, model


@pytest.mark.parametrize("width", [1, 8, 13, 49, 64, 77])
def test_pack_and_unpack_are_inverse(width):
    rng = np.random.default_rng(width)
    codes = np.array(
        [[int.from_bytes(rng.bytes(16), "little") % 2**width for _ in range(5)] for _ in range(20)],
        dtype=object,
    )
    words = pack(codes, width)
    assert words.shape == (20, -(-5 * width // 64))
    row = sum(int(code) << width * place for place, code in enumerate(codes[7]))
    assert sum(int(word) << 64 * place for place, word in enumerate(words[7])) == row
    assert (unpack(words, width, 5).astype(object) == codes).all()
    if width <= 64:
        assert (pack(codes.astype(np.uint64), width) == words).all()


@pytest.mark.parametrize(("mac", "size"), [("e5m2", "3x5"), ("e2m1,lanes=3", "4x2")])
def test_matmul_equals_the_model(tmp_path, mac, size):
    spec, model = small_array(tmp_path, mac, size)
    rng = np.random.default_rng(5)
    for shape in ((1, 1, 1), (5, 7, 3), (9, 40, 11)):
        for stall in ({}, {A: 0.3, C: 0.4}, {B: 0.6}):
            m, k, n = shape
            a = rng.integers(0, 1 << spec.mac.a.width, (m, k))
            b = rng.integers(0, 1 << spec.mac.b.width, (k, n))
            got = sim.rtl.matmul(model, spec, a, b, stall=stall, seed=6)
            sums, flags = sim.matmul_with_flags(a, b, spec.mac)
            wanted = sums.astype(object) % (1 << spec.mac.acc.width)
            assert got.codes.shape == (m, n)
            assert (got.codes.astype(object) == wanted).all(), (shape, stall)
            assert (got.flags == flags).all(), (shape, stall)
            if stall:
                assert got.cycles >= spec.cycles(m, k, n)
            else:
                assert got.cycles == spec.cycles(m, k, n)
            assert model.read("error") == 0


def _settings(rng, spec, shape):
    """Scales and zero points that differ from element to element."""
    out, given = spec.out, {}
    if out.zero_point:
        given["zero_point"] = rng.integers(out.to.min_units, out.to.max_units + 1, shape)
    if out.scale_bits:
        fmt = out.scale_format
        given["scale"] = (
            rng.integers(-12, 3, shape)
            if fmt.is_integer
            else sim.encode(rng.normal(size=shape) / 16, fmt)
        )
    return given


@pytest.mark.parametrize(
    ("mac", "size", "out"),
    [
        pytest.param("e4m3", "3x2", "e4m3,scale=fp32", marks=pytest.mark.slow),
        ("int8,acc=int20", "2x3", "int8,scale=pow2,zero_point=yes"),
        ("e5m2,acc=fp16", "2x2", "e2m1,saturate=no"),
        ("e5m2", "1x2", "int4,zero_point=yes"),
    ],
)
def test_matmul_with_an_output_stage_equals_the_model(tmp_path, mac, size, out):
    spec, model = small_array(tmp_path, mac, size, out=out)
    rng, seen = np.random.default_rng(7), set()
    for m, k, n in ((1, 1, 1), (5, 7, 5), (7, 40, 6)):
        a = rng.integers(0, 256, (m, k), dtype=np.uint8)
        b = rng.integers(0, 256, (k, n), dtype=np.uint8)
        if not spec.mac.a.is_integer:
            # No special codes here, which would make NaN of nearly every sum.
            a, b = a & 0xBF, b & 0xBF
        given = _settings(rng, spec, (m, n))
        sums, flags = sim.matmul_with_flags(a, b, spec.mac)
        wanted = sim.output(sums, spec.out, flags=flags, **given)
        for stall in ({}, {A: 0.3, C: 0.4}, {C: 0.9}):
            got = sim.rtl.matmul(model, spec, a, b, stall=stall, seed=8, **given)
            assert (got.codes == wanted).all(), (m, k, n, stall)
            assert not got.flags.any()
            if not stall:
                assert got.cycles == spec.cycles(m, k, n)
        seen |= set(wanted.ravel().tolist())
    assert len(seen) > 8


def test_settings_are_broadcast(tmp_path):
    spec, model = small_array(tmp_path, "int4", "2x2", out="int8,scale=pow2,zero_point=yes")
    rng = np.random.default_rng(9)
    a, b = rng.integers(0, 16, (5, 6)), rng.integers(0, 16, (6, 3))
    sums = sim.matmul(a.astype(np.uint8), b.astype(np.uint8), spec.mac)
    for given in (
        {},
        {"scale": -2, "zero_point": -5},
        {"scale": [0, -1, 1]},
        {"zero_point": np.arange(5)[:, None]},
    ):
        got = sim.rtl.matmul(model, spec, a, b, **given)
        assert (got.codes == sim.output(sums, spec.out, **given)).all(), given
    message = "Scale shape must be one that broadcasts to (5, 3), not (5,)"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.rtl.matmul(model, spec, a, b, scale=[0] * 5)


@pytest.fixture
def tiny_array(tmp_path):
    return small_array(tmp_path, "int4,acc=int20", "2x2")


@pytest.mark.parametrize(
    ("bit", "message"),
    [
        (19, "m_axis_c_tdata does not extend each result to its slot"),
        (23, "m_axis_c_tdata does not extend each result to its slot"),
        (18, None),
    ],
)
def test_matmul_sees_a_wrong_bit(tiny_array, monkeypatch, bit, message):
    spec, model = tiny_array
    stream = model.stream

    def faulty(*arguments, **options):
        ran = stream(*arguments, **options)
        ran.received[C].data[1] ^= np.uint64(1 << bit)
        return ran

    operands = np.ones((2, 2), int), np.ones((2, 2), int)
    assert sim.rtl.matmul(model, spec, *operands).codes.tolist() == [[2, 2], [2, 2]]
    monkeypatch.setattr(model, "stream", faulty)
    if message:
        with pytest.raises(RtlError, match=f"^{re.escape(message)}$"):
            sim.rtl.matmul(model, spec, *operands)
    else:
        codes = sim.rtl.matmul(model, spec, *operands).codes
        assert codes.tolist() == [[2, 2], [2 + (1 << bit), 2]]


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (
            np.ones((2, 3), int),
            np.ones((2, 3), int),
            "Operand shapes must be (M, K) and (K, N), not ((2, 3), (2, 3))",
        ),
        (np.full((1, 1), 16), np.ones((1, 1), int), "Operand a must be codes from 0 to 15, not 16"),
        (np.ones((1, 1), int), np.full((1, 1), -1), "Operand b must be codes from 0 to 15, not -1"),
        (
            np.ones((1, 1)),
            np.ones((1, 1), int),
            "Operand a dtype must be an integer type, not 'float64'",
        ),
    ],
)
def test_matmul_wrong(tiny_array, a, b, message):
    spec, model = tiny_array
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.rtl.matmul(model, spec, a, b)


@pytest.mark.parametrize("given", [{"scale": 1}, {"zero_point": 2}])
def test_settings_without_an_output_stage_wrong(tiny_array, given):
    spec, model = tiny_array
    message = "Scale and zero point need an array with an output stage"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        sim.rtl.matmul(model, spec, [[1]], [[1]], **given)
