# SPDX-License-Identifier: Apache-2.0
"""Arrays whose dtype is the format: ml_dtypes as the oracle, torch, DLPack, and .npy files."""

import json

import ml_dtypes
import numpy as np
import pytest

import sim
from hw.spec import CATALOG, SpecError, parse_format
from sim.files import read_array
from sim.quantize import calibrate, encode_blocks
from sim.run.__main__ import main
from sim.run.operands import load

#: Formats by the dtype that has the same codes.
DTYPES = {
    "float8_e4m3fn": "e4m3",
    "float8_e5m2": "e5m2",
    "float8_e3m4": "e3m4",
    "float8_e4m3": "e4m3:ieee",
    "float8_e4m3fnuz": "e4m3fnuz",
    "float8_e5m2fnuz": "binary8p3",  # Another name for the same codes.
    "float4_e2m1fn": "e2m1",
    "float6_e2m3fn": "e2m3",
    "float6_e3m2fn": "e3m2",
    "int4": "int4",
    "bfloat16": "bf16",
    "float16": "fp16",
    "float32": "fp32",
}


def drawn(name, shape=(6, 9), seed=1):
    """Random array of a dtype, and its codes, computed independently."""
    dtype = np.dtype(getattr(ml_dtypes, name, name))
    x = (2 * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)
    bits = x.view(f"u{dtype.itemsize}")
    return x, bits & 15 if name == "int4" else bits


class Exporter:
    """Array that can be read only through DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


@pytest.mark.parametrize(("name", "fmt"), DTYPES.items())
def test_dtype_of_the_format_is_codes(name, fmt):
    x, bits = drawn(name)
    assert (sim.encode(x, fmt) == bits).all()
    assert (sim.decode(x, fmt) == x.astype(np.float64)).all()
    assert (sim.matmul(x, x.T, fmt) == sim.matmul(bits, bits.T, fmt)).all()
    assert sim.dot(x[0], bits[0], fmt) == sim.dot(bits[0], bits[0], fmt)


@pytest.mark.parametrize("name", DTYPES)
def test_every_dtype_is_numbers_to_encode(name):
    x, _ = drawn(name)
    wanted = sim.encode(x.astype(np.float64), "e5m2")
    assert (sim.encode(x, "e5m2") == wanted).all()
    quantizer = calibrate(x, "e4m3")
    assert quantizer.scale == calibrate(x.astype(np.float64), "e4m3").scale
    assert (quantizer.encode(x) == quantizer.encode(x.astype(np.float64))).all()
    assert (encode_blocks(x, "e4m3").codes == encode_blocks(x.astype(float), "e4m3").codes).all()
    assert sim.encode(x[0, 0], "e5m2") == wanted[0, 0]


def test_dtypes_without_a_format_are_numbers_too():
    x = np.array([0.5, -2, 4], ml_dtypes.float8_e4m3b11fnuz)
    assert sim.decode(sim.encode(x, "bf16"), "bf16").tolist() == [0.5, -2, 4]


@pytest.mark.parametrize("name", ["float16", "float32"])
def test_byte_order_does_not_matter(name):
    x, bits = drawn(name)
    fmt = DTYPES[name]
    swapped = x.astype(x.dtype.newbyteorder())
    assert (sim.matmul(swapped, swapped.T, fmt) == sim.matmul(bits, bits.T, fmt)).all()


@pytest.mark.parametrize(("name", "fmt"), DTYPES.items())
def test_saved_arrays_are_codes(tmp_path, name, fmt):
    (x, bits), path = drawn(name), tmp_path / "x.npy"
    np.save(path, x)
    raw = read_array(path, "Operand a")
    assert (load(path, parse_format(fmt), "Operand a") == bits).all()
    assert (sim.matmul(raw, raw.T, fmt) == sim.matmul(bits, bits.T, fmt)).all()


@pytest.mark.parametrize("name", ["float8_e4m3fn", "float8_e5m2", "int4"])
def test_run_takes_saved_arrays(capsys, tmp_path, name):
    sums = set()
    for kind in (0, 1):
        files = [str(tmp_path / f"{side}{kind}.npy") for side in "ab"]
        for file, shape, seed in zip(files, ((4, 5), (5, 3)), (1, 2), strict=True):
            np.save(file, drawn(name, shape, seed)[kind])
        options = ["--mac", DTYPES[name], "--array", "2x2", "--a", files[0], "--b", files[1]]
        assert main([*options, "--json"]) == 0
        sums.add(json.loads(capsys.readouterr().out)["checksum"])
    assert len(sums) == 1


def test_dlpack_is_enough():
    numbers, codes = np.array([[1.0, -2.0]]), np.array([[0x38, 0xC0]], np.uint8)
    assert (sim.encode(Exporter(numbers), "e4m3") == codes).all()
    assert sim.matmul(Exporter(codes), Exporter(codes.T.copy()), "e4m3,acc=fp32") == 0x40A00000
    with pytest.raises(SpecError, match=r"^numpy cannot read this DLPack array \(.*as unsigned"):
        sim.encode(Exporter(np.ones(2, ml_dtypes.float8_e4m3fn)), "e4m3")


def test_torch_tensors():
    torch = pytest.importorskip("torch")
    # torch converts nothing to its int4 and packs two float4 in a byte.
    names = [name for name in DTYPES if hasattr(torch, name) and name != "int4"]
    assert "float8_e4m3fn" in names
    for name in names:
        x, bits = drawn(name)
        tensor = torch.from_numpy(x.astype(np.float32)).to(getattr(torch, name))
        assert (sim.encode(tensor, DTYPES[name]) == bits).all(), name
        got = sim.matmul(tensor, tensor.T, DTYPES[name])
        assert (got == sim.matmul(bits, bits.T, DTYPES[name])).all(), name
    assert sim.encode(torch.ones(2, requires_grad=True), "e4m3").tolist() == [0x38, 0x38]


REMEDY = "; sim.encode(x, 'e4m3') turns numbers into codes"
REFUSED = [
    (
        lambda: sim.matmul(drawn("float8_e5m2")[0], np.ones((9, 1), int), "e4m3"),
        f"Operand a dtype must be e4m3 or an integer type, not 'float8_e5m2'{REMEDY}",
    ),
    (
        lambda: sim.matmul(np.ones((1, 1), "V2"), np.ones((1, 1), int), "e4m3"),
        f"Operand a dtype must be e4m3 or an integer type, not '|V2'{REMEDY}",
    ),
    (
        lambda: sim.matmul(np.full((1, 1), b"\x1f", "V1"), np.ones((1, 1), int), "e2m1"),
        "Operand a must be codes of e2m1 from 0 to 15, not 31",
    ),
    (
        lambda: sim.encode(np.zeros(2, "V1"), "e4m3"),
        (
            "Values dtype must be a real number type, not '|V1'; if ml_dtypes saved the array, "
            "restore its dtype, for instance with x.view(ml_dtypes.float8_e4m3fn)"
        ),
    ),
]


@pytest.mark.parametrize(("call", "message"), REFUSED)
def test_wrong_dtypes_name_the_remedy(call, message):
    with pytest.raises(SpecError) as error:
        call()
    assert str(error.value) == message


@pytest.mark.parametrize("place", range(12, 70, 3))
def test_damaged_headers_are_one_line(tmp_path, place):
    path = tmp_path / "x.npy"
    np.save(path, np.ones((2, 2), np.uint8))
    data = bytearray(path.read_bytes())
    data[place] ^= 0x40
    path.write_bytes(data)
    told = ""
    try:
        load(path, CATALOG["e4m3"], "Operand a")
    except SpecError as error:
        told = str(error)
    assert told == "" or (told.startswith("Operand a ") and "\n" not in told)


def test_file_is_read_by_name_only(tmp_path):
    """A file that merely holds the text of the header is not changed."""
    path = tmp_path / "x.npy"
    text = np.frombuffer(b"'descr': '<f1'" * 3, np.uint8)
    np.save(path, text)
    assert (read_array(path, "Operand a") == text).all()
