# SPDX-License-Identifier: Apache-2.0
"""``python -m sim.network``: what it prints and writes, and its errors."""

import json
import os
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import helper

from hw.spec import SpecError, parse_mac
from hw.spec.folders import RECORDS
from sim.network.__main__ import main
from sim.network.graph import SUPPORTED, load
from sim.network.results import recorded_energy
from tests.support.network_models import SEED, node, save, small_network

ARRAY = ["--mac", "e4m3", "--acc", "fp32", "--array", "4x4"]


@pytest.fixture
def files(tmp_path):
    """Model and data by name."""
    x = np.random.default_rng(SEED).normal(size=(4, 2, 6, 5)).astype(np.float32)
    paths = {"model": small_network(tmp_path / "small.onnx"), "folder": tmp_path}
    for name, array in {
        "x": x,
        "wide": x[:, :, :, :4],
        "word": x > 0,
        "huge": x.astype(float) * 1e300,
        "odd": np.full(x.shape, (1 << 24) + 1, np.int32),
        "empty": x[:0],
        "flat": np.float32(3),
    }.items():
        paths[name] = tmp_path / f"{name}.npy"
        np.save(paths[name], array)
    paths["npz"], paths["other"] = tmp_path / "x.npz", tmp_path / "other.npz"
    np.savez(paths["npz"], x=x)
    np.savez(paths["other"], images=x)
    paths["cut"] = tmp_path / "cut.npz"
    paths["cut"].write_bytes(paths["npz"].read_bytes()[:-40])
    paths["half"] = tmp_path / "half.onnx"
    paths["half"].write_bytes(paths["model"].read_bytes()[:100])
    paths["none"], paths["pipe"] = tmp_path / "none", tmp_path / "pipe"
    os.mkfifo(paths["pipe"])
    return paths


def shown(capsys, files, *words):
    assert main([word.format(**files) for word in words]) == 0
    return capsys.readouterr().out


def test_table_and_json_agree(capsys, files):
    words = ["{model}", "--data", "{x}", *ARRAY, "--energy", "0.5"]
    facts = json.loads(shown(capsys, files, *words, "--json"))
    text = shown(capsys, files, *words).splitlines()
    assert text[0] == facts["array"] == "array_4x4_os_e4m3_fp32"
    assert text[1].split() == [
        "layer",
        "operator",
        "product",
        "MACs",
        "cycles",
        "utilisation",
        "own",
        "SQNR",
        "[dB]",
        "SQNR",
        "[dB]",
        "energy",
        "[nJ]",
    ]
    assert [line.split()[0] for line in text[2:-2]] == [
        *(layer["name"] for layer in facts["layers"]),
        "total",
    ]
    total = facts["total"]
    assert f"{total['macs']:,}" in text[-3]
    assert total["macs"] == sum(layer["macs"] for layer in facts["layers"])
    assert total["energy_nj"] == pytest.approx(total["macs"] / 2000)
    assert text[-2] == (f"output y (4, 3), runs 1: SQNR {facts['outputs']['y']['sqnr_db']:.1f} dB")
    assert text[-1] == "energy: 0.5 pJ per multiply-accumulate, as given"
    # There is no record with the energy of the unit.
    assert "energy" not in shown(capsys, files, *words[:-2])


def test_energy_is_recorded_of_the_papers_units(capsys, files):
    words = ["{model}", "--data", "{x}", "--mac", "int8", "--acc", "int27", "--array", "4x4"]
    facts = json.loads(shown(capsys, files, *words, "--json"))
    [record] = [
        each
        for each in json.loads((RECORDS / "paper.json").read_text())["records"]
        if each["subject"] == "mac_int8_fx27" and "energy_gaussian" in each["metrics"]
    ]
    wanted = sum(record["metrics"][f"energy_gaussian{part}"]["value"] for part in ("", "_glitches"))
    assert facts["energy_pj"] == pytest.approx(wanted / 1000)
    assert facts["energy_source"] == "from the record of mac_int8_fx27 in osu018_stdcells"
    assert facts["total"]["energy_nj"] == pytest.approx(facts["total"]["macs"] * wanted / 1e6)


def test_energy_without_records(tmp_path):
    bare = {"subject": "mac_e4m3_fp32", "metrics": {}}
    (tmp_path / "units.json").write_text(json.dumps({"records": [bare]}))
    assert recorded_energy(parse_mac("e4m3,acc=fp32"), tmp_path) is None


def test_samples_batches_and_files(capsys, files):
    """Outputs and scales are written, and scales that are read give the same outputs."""
    first, second = files["folder"] / "new" / "y.npz", files["folder"] / "z.npz"
    scales = files["folder"] / "scales.json"
    words = ["{model}", "--data", "{npz}", *ARRAY, "--weights", "per=channel", "--json"]
    facts = json.loads(
        shown(
            capsys,
            files,
            *words,
            "--samples",
            "2",
            "--batch",
            "1",
            "--out",
            str(first),
            "--calibration",
            "{x}",
            "--save-quantizers",
            str(scales),
        )
    )
    assert facts["outputs"]["y"]["runs"] == 2
    shown(
        capsys,
        files,
        *words,
        "--samples",
        "2",
        "--out",
        str(second),
        "--quantizers",
        str(scales),
        "--backend",
        "vector",
    )
    with np.load(first) as ours, np.load(second) as theirs:
        assert ours["y"].shape == (2, 3)
        assert ours["y"] == pytest.approx(theirs["y"], abs=1e-6)


def test_list_is_what_load_takes(capsys, files):
    """The groups of operators are disjoint, and models with FP32 operators can be loaded."""
    facts = json.loads(shown(capsys, files, "--list", "--json"))
    text = shown(capsys, files, "--list")
    assert text.startswith("Operators on the array: Conv, Gemm, MatMul\n")
    names = [name for group in ("on_array", "in_fp32", "refused") for name in facts[group]]
    assert len(names) == len(set(names)) > 150
    assert {"Relu", "Softmax", "Erf", "Gelu"} <= set(facts["in_fp32"])
    assert not {"If", "Loop", "Scan", "MaxRoiPool"} & set(facts["in_fp32"])
    assert set(names) <= {word.strip(",") for word in text.split()}
    assert "e4m3" in facts["formats"]
    assert facts["backends"] == ["fast", "vector", "golden", "cycle", "rtl"]
    loaded = 0
    for name in ("Relu", "Gelu", "HardSwish", "Mish", "Sqrt"):
        assert name in facts["in_fp32"]
        path = save(
            files["folder"] / f"{name}.onnx",
            [node(name, "x", "y")],
            {"x": [2, 3]},
            ["y"],
            {},
            opset=20,
        )
        loaded += len(load(path).steps)
    assert loaded == 5


def test_operator_without_an_implementation_is_named(files):
    """The operator is named, and not the previous one, which is a function of others."""
    path = save(
        files["folder"] / "pool.onnx",
        [node("HardSwish", "x", "h"), node("GlobalLpPool", "h", "y", "pool")],
        {"x": [1, 2, 3, 3]},
        ["y"],
        {},
        opset=20,
    )
    with pytest.raises(SpecError) as wrong:
        load(path)
    assert str(wrong.value) == f"Node 'pool' operator must be {SUPPORTED}, not 'GlobalLpPool'"


REFUSED = [
    (
        ["{model}", "--data", "{x}", "--mac", "e4m3"],
        "No array size is given; add --array ROWSxCOLS, for instance --array 16x16",
    ),
    (
        ["{model}", "--data", "{x}", *ARRAY, "--energy", "-1"],
        "Energy must be 0 pJ or more, not -1.0",
    ),
    (
        ["{model}", "--data", "{x}", *ARRAY, "--weights", "bits=4"],
        (
            "Scheme settings must be some of per=..., range=..., percentile=..., scale=..., "
            "zero_point=..., once each, not 'bits=4'"
        ),
    ),
    (
        ["{model}", "--data", "{wide}", *ARRAY],
        "Data 'x' shape must be (any, 2, 6, 5), not (4, 2, 6, 4)",
    ),
    (["{model}", "--data", "{word}", *ARRAY], "Data 'x' dtype must be float32, not 'bool'"),
    (["{model}", "--data", "{huge}", *ARRAY], "Data 'x' dtype must be float32, not 'float64'"),
    (["{model}", "--data", "{odd}", *ARRAY], "Data 'x' dtype must be float32, not 'int32'"),
    (["{model}", "--data", "{empty}", *ARRAY], "Data samples must be 1 or more, not 0"),
    (
        ["{model}", "--data", "{x}", *ARRAY, "--calibration", "{empty}"],
        "Data samples must be 1 or more, not 0",
    ),
    (
        ["{model}", "--data", "{pipe}", *ARRAY],
        "Data file '{pipe}' cannot be read: not a regular file",
    ),
    (
        ["{model}", "--data", "{x}", *ARRAY, "--quantizers", "{pipe}"],
        "Quantizers file '{pipe}' cannot be used: not a regular file",
    ),
    (
        ["{model}", "--data", "{flat}", *ARRAY],
        "Data must be arrays with the same number of samples, not []",
    ),
    (["{model}", "--data", "{other}", *ARRAY], "Data must be arrays named x, not 'images'"),
    (
        ["{model}", "--data", "{none}", *ARRAY],
        "Data file '{none}' cannot be read: no such file or directory",
    ),
    (
        ["{model}", "--data", "{cut}", *ARRAY],
        "Data file '{cut}' cannot be read: not a .npz or .npy file of numbers",
    ),
    (["{model}", "--data", "{x}", *ARRAY, "--samples", "5"], "Samples must be from 1 to 4, not 5"),
    (
        ["{model}", "--data", "{x}", *ARRAY, "--batch", "3"],
        "Batch must be a divisor of the number of samples, 4, not 3",
    ),
    (
        ["{none}", "--data", "{x}", *ARRAY],
        "Model file '{none}' cannot be read as ONNX: No such file or directory",
    ),
    (
        ["{model}", "--data", "{x}", *ARRAY, "--quantizers", "{x}", "--calibration", "{x}"],
        "--calibration chooses scales, but --quantizers already gives them; use only one",
    ),
    (
        ["{model}", "--data", "{x}", *ARRAY, "--quantizers", "{x}", "--headroom"],
        "--headroom chooses scales, but --quantizers already gives them; use only one",
    ),
    (
        ["{model}", "--data", "{x}", *ARRAY, "--out", "{folder}"],
        "Output file '{folder}' cannot be written: is a directory",
    ),
]


def refusal(capsys, words):
    with pytest.raises(SystemExit) as ended:
        main(words)
    found = capsys.readouterr()
    assert ended.value.code == 2
    assert found.out == ""
    start = "python -m sim.network: error: "
    assert found.err.startswith(start)
    assert found.err.count("\n") == 1
    return found.err[len(start) : -1]


@pytest.mark.parametrize(("words", "message"), REFUSED)
def test_wrong_arguments_are_reported_in_one_line(capsys, files, words, message):
    before = sorted(files["folder"].iterdir())
    got = refusal(capsys, [word.format(**files) for word in words])
    assert got == message.format(**files)
    assert sorted(files["folder"].iterdir()) == before


@pytest.mark.parametrize("name", ["half", "x"])
def test_broken_models_are_reported_in_one_line(capsys, files, name):
    got = refusal(capsys, [str(files[name]), "--data", str(files["x"]), *ARRAY])
    assert got.startswith(f"Model file {str(files[name])!r} cannot be read as ONNX: ")


def branch():
    """If, whose branches give x as it is."""
    inner = helper.make_graph(
        [node("Identity", "x", "z")],
        "inner",
        [],
        [helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, None)],
    )
    return node("If", "c", "y", "choice", then_branch=inner, else_branch=inner)


UNSUPPORTED = [
    (
        [node("Conv", "x w", "t"), node("ConvTranspose", "t w", "y", "up")],
        f"Node 'up' operator must be {SUPPORTED}, not 'ConvTranspose'",
    ),
    (
        [node("Einsum", "x w", "y", equation="abcd,ebcd->ae")],
        f"Node 'y' operator must be {SUPPORTED}, not 'Einsum'",
    ),
    ([branch()], f"Node 'choice' operator must be {SUPPORTED}, and without a subgraph, not 'If'"),
    (
        [helper.make_node("FusedConv", ["x", "w"], ["y"], name="f", domain="com.microsoft")],
        f"Node 'f' operator must be {SUPPORTED}, not 'com.microsoft.FusedConv'",
    ),
    (
        [
            node("Cast", "x", "h", "cast", to=onnx.TensorProto.DOUBLE),
            node("Cast", "w", "v", to=onnx.TensorProto.DOUBLE),
            node("Conv", "h v", "y", "layer"),
        ],
        "Node 'layer' (Conv) inputs must be float32, float16 or bfloat16, not 'float64'",
    ),
    *(
        (
            [node("Conv", "x w", "y", "c", **{name: numbers})],
            f"Node 'c' (Conv) {name} must be {wanted}, not {numbers}",
        )
        for name, numbers, wanted in [
            ("strides", [0, 0], "2 numbers of 1 or more"),
            ("strides", [1], "2 numbers of 1 or more"),
            ("dilations", [0, 1], "2 numbers of 1 or more"),
            ("dilations", [1, -1], "2 numbers of 1 or more"),
            ("pads", [10**9] * 4, "those of images with at most 4,294,967,296 numbers"),
            ("pads", [0, 0, 0, -1], "4 numbers of 0 or more"),
            ("pads", [1, 1], "4 numbers of 0 or more"),
        ]
    ),
    (
        [node("Conv", "x w", "y", "c", kernel_shape=[2, 2])],
        "Node 'c' (Conv) kernel_shape must be (3, 3), not (2, 2)",
    ),
    (
        [node("Conv", "x w", "y", "c", group=0)],
        "Node 'c' (Conv) group must be 1 or more, not 0",
    ),
    (
        [node("Relu", "x", "y")],
        "The model has no layer that runs on the array: it has no Conv, Gemm or MatMul",
    ),
    (
        [node("MatMul", "w w", "v", "fixed"), node("Mul", "x c", "y"), node("Relu", "v", "u")],
        "The model has no layer that runs on the array: 'fixed' multiplies constants only",
    ),
    (
        [node("Conv", "x w", "h"), node("Reshape", "h shape", "y", "again")],
        (
            "Node 'again' (Reshape) cannot be evaluated on the inputs float32 (4, 3, 4, 3), "
            "int64 (2,): cannot reshape array of size 144 into shape (7,7)"
        ),
    ),
]


@pytest.mark.parametrize(("nodes", "message"), UNSUPPORTED)
def test_unsupported_models_name_the_node(capsys, files, nodes, message):
    constants = {
        "w": np.ones((3, 2, 3, 3), np.float32),
        "shape": np.array([7, 7]),
        "c": np.array(True) if nodes[0].op_type == "If" else np.float32(2),
    }
    path = Path(files["folder"], "unsupported.onnx")
    save(path, nodes, {"x": ["n", 2, 6, 5]}, ["y"], constants)
    assert refusal(capsys, [str(path), "--data", str(files["x"]), *ARRAY]) == message


def linear(path, dtype, sides, weights):
    """Model of one MatMul with another dtype, whose output has no shape."""
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    graph = helper.make_graph(
        [node("MatMul", "x w", "y", "m"), node("Add", "y y", "z")],
        "model",
        [helper.make_tensor_value_info("x", kind, sides)],
        [onnx.ValueInfoProto(name="z")],
        [onnx.numpy_helper.from_array(weights.astype(dtype), "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("given", ["float64", "float32", "float16", "bfloat16", "int32", "uint8"])
@pytest.mark.parametrize("batch", [1, 2, None])
def test_dtypes_and_batches(capsys, tmp_path, dtype, given, batch):
    """Whole numbers are exact in INT8 if the largest is 127: the outputs are numpy's."""
    own = {name: np.dtype(getattr(ml_dtypes, name, None) or name) for name in (dtype, given)}
    rng = np.random.default_rng(SEED)
    x, w = rng.integers(0, 3, (6, 4)), rng.integers(-2, 3, (4, 3))
    x[0, 0] = w[0, 0] = 127
    np.save(tmp_path / "x.npy", x.astype(own[given]))
    model = linear(tmp_path / "m.onnx", own[dtype], [batch, 4], w)
    words = ["--data", str(tmp_path / "x.npy"), "--mac", "int8", "--acc", "int32", "--array", "4x4"]
    out = tmp_path / "y.npz"
    assert main([str(model), *words, "--json", "--out", str(out)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["outputs"]["z"]["runs"] == (6 // batch if batch else 1)
    with np.load(out) as outputs:
        got = outputs["z"].view(own[dtype]).astype(np.float64)
    wanted = (2 * (x @ w)).astype(np.float32).astype(own[dtype]).astype(np.float64)
    assert (got.shape, got.tolist()) == ((6, 3), wanted.tolist())
