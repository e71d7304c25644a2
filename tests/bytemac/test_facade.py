# SPDX-License-Identifier: Apache-2.0
"""``import bytemac as bm``: numbers and codes in, numbers out; arrays, Verilog, measurements."""

import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest

import bytemac as bm
import sim
from bytemac.facade import Unit
from hw.build import build
from hw.spec import CATALOG, parse_array, parse_mac
from sim.quantize import calibrate, encode_blocks, parse_scheme
from sim.tiling import ArrayProduct


def drawn(seed=0, shape=(7, 30, 5), spread=1.0):
    """Random matrices."""
    (m, k, n), rng = shape, np.random.default_rng(seed)
    return spread * rng.standard_normal((m, k)), spread * rng.standard_normal((k, n))


def error(got, wanted):
    """Relative root mean square error."""
    return np.linalg.norm(got - wanted) / np.linalg.norm(wanted)


def test_ten_lines_from_numbers_to_verilog(tmp_path):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((64, 128)), rng.standard_normal((128, 32))

    unit = bm.mac("e4m3", acc="fp32")
    result = unit.matmul(a, b)
    assert abs(result.values - a @ b).max() < 2

    array = unit.array(16, 16)
    assert (array.matmul(a, b).codes == result.codes).all()
    assert array.matmul(a, b).cycles == 1071
    assert "module array_16x16_os_e4m3_fp32" in array.verilog()
    assert array.save(tmp_path).name == "array_16x16_os_e4m3_fp32.json"
    assert str(bm.formats()["e4m3"].max) == "448.0"


@pytest.mark.parametrize(
    ("spelling", "limit"),
    [
        ("e4m3,acc=fp32", 0.05),
        ("e4m3", 0.05),
        ("e5m2,acc=hopper", 0.11),
        ("int8", 0.012),
        ("int8m6", 0.012),
        ("e2m1", 0.2),
        ("e4m3xint8", 0.03),
        ("fp16,acc=fp32", 5e-4),
        ("bf16,acc=fp32", 4e-3),
        ("fp32,acc=fp32", 1e-6),
    ],
)
@pytest.mark.parametrize("spread", [1.0, 1e-6, 1e9])
def test_numbers_are_scaled_and_encoded(spelling, limit, spread):
    a, b = drawn(spread=spread)
    result = bm.mac(spelling).matmul(a, b)
    assert 0 < error(result.values, a @ b) < limit
    assert result.values.dtype == np.float64


def test_default_scale_takes_the_largest_magnitude_to_that_of_the_format():
    a, b = drawn()
    result = bm.mac("e4m3").matmul(a, b)
    scales = [abs(x).max() / 448 for x in (a, b)]
    codes = [sim.encode(x / scale, "e4m3") for x, scale in zip((a, b), scales, strict=True)]
    sums = sim.matmul(*codes, "e4m3")
    assert (result.codes == sums).all()
    wanted = sim.values(sums, parse_mac("e4m3")) * scales[0] * scales[1]
    np.testing.assert_allclose(result.values, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "spelling",
    ["e4m3,acc=fp16", "e5m2,acc=fp16", "int8,acc=int18", "bf16,acc=fp32", "e4m3,acc=fx29m9"],
)
def test_scales_prevent_overflow_of_the_accumulator(spelling):
    """Products of the formats' largest numbers would overflow each of these accumulators."""
    a, b = np.ones((3, 200)), np.full((200, 4), -3.0)
    result = bm.mac(spelling).matmul(a, b)
    np.testing.assert_allclose(result.values, a @ b, rtol=0.02)
    a, b = drawn(shape=(9, 400, 6))
    for scheme in ("", "per=channel", "scale=pow2"):
        result = bm.mac(spelling).matmul(a, b, scheme=scheme)
        assert error(result.values, a @ b) < 0.25, scheme


def test_schemes():
    a, b = drawn(seed=3, shape=(9, 60, 8))
    a *= np.exp2(np.arange(9))[:, None]
    unit = bm.mac("int8")
    plain, rows = unit.matmul(a, b), unit.matmul(a, b, scheme=("per=channel", ""))
    assert error(rows.values[0], (a @ b)[0]) < error(plain.values[0], (a @ b)[0]) / 10
    both = unit.matmul(a, b, scheme="per=channel,range=mse,scale=pow2")
    assert error(both.values, a @ b) < 0.03
    kept = calibrate(np.array([4.0]), "int8")
    given = unit.matmul(a[:1], b, scheme=(kept, "per=channel"))
    assert error(given.values, a[:1] @ b) < 0.03
    codes = kept.encode(a[:1]).view(np.int8)
    assert (given.codes == unit.matmul(codes, b, scheme="per=channel").codes).all()


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "int4", "bfloat16", "float16"])
def test_arrays_of_the_format_are_codes(name):
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    a, b = (x.astype(dtype) for x in drawn())
    fmt = {"float8_e4m3fn": "e4m3", "float8_e5m2": "e5m2", "bfloat16": "bf16", "float16": "fp16"}
    unit = bm.mac(fmt.get(name, name))
    result = unit.matmul(a, b)
    wanted = a.astype(np.float64) @ b.astype(np.float64)
    np.testing.assert_allclose(result.values, wanted, rtol=1e-9, atol=1e-9)
    assert (result.codes == sim.matmul(a, b, unit.spec)).all()


def test_torch_tensors():
    torch = pytest.importorskip("torch")
    a, b = (torch.from_numpy(x) for x in drawn())
    unit = bm.mac("e4m3", acc="fp32")
    assert error(unit.matmul(a, b).values, (a @ b).numpy()) < 0.05
    a, b = a.to(torch.float8_e4m3fn), b.to(torch.float8_e4m3fn)
    wanted = (a.to(torch.float32) @ b.to(torch.float32)).numpy()
    np.testing.assert_allclose(unit.matmul(a, b).values, wanted, rtol=1e-5, atol=1e-5)


def test_codes_and_integers():
    codes = np.array([[0x38, 0xC0]], np.uint8)
    result = bm.mac("e4m3", acc="fp32").matmul(codes, codes.T, codes=True)
    assert result.values.tolist() == [[5.0]]
    assert result.codes.tolist() == [[0x40A00000]]
    assert bm.mac("int8").matmul([[1, -2]], [[3], [4]]).values.tolist() == [[-5.0]]
    # One of each: codes of A, numbers of B.
    mixed = bm.mac("e4m3").matmul(codes.view(ml_dtypes.float8_e4m3fn), [[1.0], [-1.0]])
    assert mixed.values == pytest.approx(3, rel=1e-6)


def test_flags_become_infinities():
    inf = np.array([[0x7C, 0x3C]], np.uint8)
    result = bm.mac("e5m2").matmul(inf, inf.T, codes=True)
    assert result.values.tolist() == [[np.inf]]
    assert result.flags.tolist() == [[1]]


@pytest.mark.parametrize("flow", ["os", "ws"])
@pytest.mark.parametrize("spelling", ["e4m3,acc=fp32", "int8", "e5m2,acc=fx70m32"])
def test_arrays_give_what_the_unit_gives(spelling, flow):
    a, b = drawn()
    unit = bm.mac(spelling)
    array, alone = unit.array(4, 3, dataflow=flow), unit.matmul(a, b)
    assert array.unit == unit
    for backend in ("fast", "golden", "cycle"):
        result = array.matmul(a, b, backend=backend)
        assert (result.codes == alone.codes).all()
        assert result.codes.dtype == alone.codes.dtype
        assert (result.values == alone.values).all()
        assert result.cycles == array.spec.cycles(7, 30, 5)


def test_cycles_of_a_unit_alone():
    a, b = drawn()
    assert bm.mac("e4m3").matmul(a, b).cycles == 7 * 5 * 30 + 1
    assert bm.mac("e4m3", lanes=4, pipeline=2).matmul(a, b).cycles == 7 * 5 * 8 + 3


def test_output_stages():
    unit = bm.mac("int8")
    plain = unit.array(4, 4, out="int8,scale=fp32,zero_point=yes")
    result = plain.matmul([[1, 2]], [[3, -3], [4, -4]], scale=0.5, zero_point=2)
    assert result.codes.tolist() == [[8, -4]]  # 5.5 and -5.5 go to the even neighbour.
    assert result.values.tolist() == [[12, -12]]
    a, b = drawn()
    narrow = bm.mac("e4m3").array(4, 4, out="bf16,scale=pow2").matmul(a, b, scale=-3)
    assert error(narrow.values, a @ b) < 0.05


def test_verilog_and_files(tmp_path):
    unit = bm.mac("e4m3", acc="fp32")
    manifest = unit.save(tmp_path / "new")
    assert (manifest.parent / f"{unit.name}.v").read_text() == unit.verilog()


@pytest.mark.synth
def test_measure_counts_gates():
    record = bm.mac("int4").measure(metrics=["gate_counts"])
    assert record.subject == "mac_int4_fx20"
    assert repr(record) == f"Record('mac_int4_fx20', {len(record.metrics)} metrics)"
    assert record.metrics["two_input_gates_default"].value > 50
    assert record.provenance.command == (
        "python -m synth.run --spec int4,acc=fx20 --recipe keep --metrics gate_counts"
    )


def test_reprs_are_short():
    unit = bm.mac("e4m3", acc="fp32")
    assert repr(unit) == "Unit('e4m3,acc=fp32')"
    assert repr(unit.array(4, 8)) == "Array('e4m3,acc=fp32,array=4x8,dataflow=os')"
    assert repr(unit.matmul(*drawn())) == "Result(7x5 uint32, 1,051 cycles)"
    assert repr(bm.formats()).startswith("Formats(e4m3, e5m2, ")
    assert str(bm.formats()).startswith("format")
    assert bm.formats() == CATALOG
    assert unit == Unit(parse_mac("e4m3,acc=fp32"))
    assert {unit.array(2, 2).spec} == {parse_array("2x2", "e4m3,acc=fp32")}


def test_reprs_of_what_it_returns_are_short():
    scheme = parse_scheme("int8,per=channel,range=mse")
    assert repr(scheme) == "Scheme('int8,per=channel,range=mse')"
    assert repr(calibrate(np.eye(2), scheme, axis=0)) == (
        "Quantizer('int8,per=channel,range=mse', 2 scales)"
    )
    assert repr(calibrate([448.0, -896.0], "e4m3")) == "Quantizer('e4m3', scale=2)"
    assert repr(encode_blocks(np.ones((2, 40)), "e4m3")) == (
        "Blocks('e4m3', 2x40, axis=-1, scale='e8m0')"
    )
    assert repr(ArrayProduct(np.ones((2, 3), int), np.zeros((2, 3)), 1234)) == (
        "ArrayProduct(2x3 int64, 1,234 cycles)"
    )
    assert repr(build(parse_mac("int4"))) == "Hardware('mac_int4_fx20', 9 ports)"


REFUSED = [
    (
        lambda: bm.mac("e4m3").matmul(np.ones((1, 2), np.uint8), np.ones((2, 1))),
        (
            "Operand a of dtype uint8 may hold codes or numbers; pass codes=True, or convert "
            "numbers with x.astype(float)"
        ),
    ),
    (
        lambda: bm.mac("int8").matmul([[1]], np.array([[200]], np.uint8)),
        (
            "Operand b of dtype uint8 may hold codes or numbers; pass codes=True, or convert "
            "numbers with x.astype(float)"
        ),
    ),
    (
        lambda: bm.mac("e4m3").matmul(np.ones((1, 2)), np.ones((2, 1)), codes=True),
        (
            "Operand a dtype must be e4m3 or an integer type, not 'float64'; sim.encode(x, 'e4m3') "
            "turns numbers into codes"
        ),
    ),
    (
        lambda: bm.mac("e4m3").matmul([[np.nan]], [[1.0]]),
        (
            "Operand a has NaN or Inf, which cannot be scaled; encode it with sim.encode(x, "
            "'e4m3', saturate=False) and pass codes=True"
        ),
    ),
    (
        lambda: bm.mac("uint8").matmul([[1.0]], [[-1.0]]),
        "Operand b has negative numbers, but uint8 is unsigned; use a signed format for it",
    ),
    (
        lambda: bm.mac("int8").matmul([[300]], [[1]]),
        "Operand a must be values of int8 from -128 to 127, not 300",
    ),
    (
        lambda: bm.mac("e4m3").matmul(np.ones((2, 3)), np.ones((2, 3))),
        "Operand b shape must be (3, N) to match the K of operand a, not (2, 3)",
    ),
    (
        lambda: bm.mac("e4m3").matmul(np.ones(3), np.ones((3, 1))),
        "Operand a shape must be two sides of at least 1, not (3,)",
    ),
    (
        lambda: bm.mac("e4m3").matmul([["1"]], [[1.0]]),
        "Operand a dtype must be a real number type, not '<U1'",
    ),
    (
        lambda: bm.mac("e4m3").matmul([[1.0]], [[1.0]], scheme="per=block"),
        (
            "Scheme 'e4m3,per=block' needs several products; use python -m sim.network for "
            "per=block and zero points"
        ),
    ),
    (
        lambda: bm.mac("e4m3").array(2, 2).matmul([[1.0]], [[1.0]], backend="gpu"),
        "Backend must be one of fast, vector, golden, cycle, rtl, not 'gpu'",
    ),
    (
        lambda: bm.mac("e4m3").array(2, 2).matmul([[1.0]], [[1.0]], scale=2),
        "The array has no output stage with a scale; leave out scale",
    ),
    (
        lambda: (
            bm.mac("e4m3").array(2, 2, out="int8,scale=fp32").matmul([[1.0]], [[1.0]], scale=np.nan)
        ),
        "Scale must be finite and not 0, not nan",
    ),
    (
        lambda: bm.mac("e4m3").matmul([[1.0]], [[1.0]], backend="rtl"),
        (
            "Backend 'rtl' needs an array; call unit.array(16, 16).matmul(...), "
            "or choose one of fast, vector, golden"
        ),
    ),
    (
        lambda: bm.mac("e4m3").matmul([[1.0]], [[1.0]], scheme=3),
        (
            "Scheme must be a spelling such as per=channel,range=mse, a Scheme or a Quantizer, "
            "or a pair for A and B, not 3"
        ),
    ),
    (
        lambda: bm.mac("e4m3").matmul([[1.0]], [[1.0]], scheme=("", "", "")),
        (
            "Scheme must be a spelling such as per=channel,range=mse, a Scheme or a Quantizer, "
            "or a pair for A and B, not ('', '', '')"
        ),
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_refusals_name_the_remedy(call, message):
    with pytest.raises(bm.SpecError) as raised:
        call()
    assert str(raised.value) == message


def test_import_loads_next_to_nothing():
    code = (
        "import sys, bytemac; assert not {'numpy', 'sim', 'amaranth'} & set(sys.modules);"
        "bytemac.mac('e4m3').array(2, 2).matmul([[1.0]], [[1.0]]);"
        "assert not {'amaranth', 'pyosys', 'torch', 'ml_dtypes'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
