# SPDX-License-Identifier: Apache-2.0
"""Real networks and their data: in FP32 they solve the task that they were trained for.

Their layers on the compiled RTL of an array: codes of real weights and data.
"""

import importlib
import pickle
import re
import struct
from pathlib import Path

import numpy as np
import pytest

import sim
from hw.progress import Progress
from hw.spec import ArraySpec, SpecError, parse_array, parse_mac
from reports.studies.networks import photographs, text
from reports.studies.networks.measure import TASKS
from reports.studies.networks.models import MAGIC, read_torch
from reports.studies.networks.task import MissingPackage, alike, package_file, relative_error, share
from sim.digits import accuracy, forward, load_digits, train
from sim.network import Plan, calibrate_network, load
from sim.network.operators import Layer
from sim.network.run import activations, weights
from sim.network.walk import Pair, walk
from sim.run.engines import ENGINES
from sim.run.sums import as_bits


def task(name: str, folder: Path, samples: int):
    """Task of that name; the test is skipped where its package is missing."""
    for module in ("onnx", "onnxruntime"):
        try:
            importlib.import_module(module)
        except ImportError:
            pytest.skip(f"{module} is not installed (make models)")
    try:
        return TASKS[name](folder, samples)
    except MissingPackage as error:
        pytest.skip(str(error))


def outputs(found) -> list[np.ndarray]:
    """First output of every run, by onnxruntime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(found.model), options)
    return [session.run(None, feed)[0] for feed in found.feeds]


def test_digits_model_computes_what_the_network_does(tmp_path: Path) -> None:
    found = task("digits", tmp_path, 100)
    digits = load_digits()
    wanted = forward(digits.test_images[:100], train(digits))
    [got] = outputs(found)
    assert got.shape == wanted.shape == (100, 10)
    assert np.abs(got - wanted).max() < 1e-4
    assert found.score([got], [wanted])["accuracy"] == 100 * accuracy(
        wanted, digits.test_labels[:100]
    )
    # Another run writes the same bytes.
    first = found.model.read_bytes()
    assert task("digits", tmp_path / "again", 100).model.read_bytes() == first


def test_recogniser_reads_lines(tmp_path: Path) -> None:
    """The first lines, the second and third of them spoiled, but for a space."""
    found = task("recogniser", tmp_path, 3)
    scores = outputs(found)
    known = text.characters(found.model)
    assert len(known) == scores[0].shape[2] == 6625
    assert [text.read(each[0], known).strip() for each in scores] == [
        "Invoice No",
        "16 columns",
        "Total 1,249",
    ]
    assert found.score(scores, scores)["character_accuracy"] > 95


@pytest.mark.slow
def test_direction_is_reported(tmp_path: Path) -> None:
    found = task("direction", tmp_path, 40)
    assert found.score(outputs(found), outputs(found)) == {"accuracy": 80.0}


@pytest.mark.slow
def test_questions_find_answers(tmp_path: Path) -> None:
    """Without the network, one in forty would be right."""
    found = task("sentences", tmp_path, 40)
    vectors = outputs(found)
    assert sum(map(len, vectors)) == 80
    assert np.allclose(np.linalg.norm(np.concatenate(vectors), axis=1), 1, atol=1e-5)
    measures = found.score(vectors, vectors)
    assert measures["retrieval_top1"] > 80
    assert measures["mean_cosine"] == pytest.approx(1, abs=1e-5)


def test_photographs_are_named(tmp_path: Path) -> None:
    """The classes of ImageNet: daisy, Egyptian cat, espresso, missile, tripod."""
    found = task("photographs", tmp_path, 7)
    best = np.concatenate(outputs(found)).argmax(axis=1)
    assert best[[1, 3, 4, 5, 6]].tolist() == [985, 285, 967, 657, 872]


def test_padding_is_tensorflows() -> None:
    """An even number of rows leaves one to the end: 224 rows by 3 with a stride of 2."""
    pytest.importorskip("onnx", reason="onnx is not installed")
    weights = {
        "c.weight": np.ones((1, 3, 3, 3), np.float32),
        **{
            f"n.{part}": np.ones(1, np.float32)
            for part in ("weight", "bias", "running_mean", "running_var")
        },
    }
    builder = photographs._Builder(weights)
    builder.conv(builder.graph.input("x", ["n", 3, 224, 224]), "c", "n", 2)
    [pads] = [
        list(attribute.ints)
        for attribute in builder.graph._nodes[0].attribute
        if attribute.name == "pads"
    ]
    assert pads == [0, 0, 1, 1]
    assert builder.side == 112


def test_lines_upside_down() -> None:
    """Lines of equal index differ by a turn of 180 degrees, and by noise."""
    up, down = (text.picture("A line", 0, upside_down=turned) for turned in (False, True))
    assert up.shape == down.shape == (3, text.HEIGHT, up.shape[2])
    assert np.abs(up[:, ::-1, ::-1] - down).mean() < 0.15 < np.abs(up - down).mean()
    assert (text.picture("A line", 0, width=20) == up[:, :, :20]).all()


@pytest.mark.parametrize(
    ("got", "wanted", "count"),
    [
        ("", "", 0),
        ("abc", "abc", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("kitten", "sitting", 3),
        ("ab", "ba", 2),
    ],
)
def test_distance(got: str, wanted: str, count: int) -> None:
    assert text.distance(got, wanted) == count


def test_characters_that_repeat_are_read_once() -> None:
    scores = np.eye(4)[[0, 1, 1, 0, 1, 2, 2, 3]]
    assert text.read(scores, ["", "a", "b", " "]) == "aab "


def test_measures() -> None:
    reference = [np.array([[0.0, 3.0], [4.0, 0.0]])]
    outputs = [np.array([[0, 1], [0, 1]])]
    assert alike(outputs, reference).tolist() == [1, 0]
    assert share("agreement", alike)(outputs, reference) == {"agreement": 50}
    assert relative_error([np.array([[0.0, 3.0], [4.0, 5.0]])], reference) == 100


def test_missing_package() -> None:
    with pytest.raises(
        MissingPackage,
        match=r"^Package no_such_package is not installed: run `make models`$",
    ):
        package_file("no_such_package", "x")
    with pytest.raises(MissingPackage, match=r"^Package numpy has no file no/such: install "):
        package_file("numpy", "no/such")


def legacy(path: Path, key: str = "0", count: int = 6, call: bytes = b"torch._utils\n") -> Path:
    """File of a tensor "w" of (2, 2) from the second element on, its columns 2 apart."""
    module, name = call.rstrip().decode(), "_rebuild_tensor_v2"
    body = (
        b"\x80\x02}X\x01\x00\x00\x00w"
        + f"c{module}\n{name}\n".encode()
        + b"((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00"
        b"cpuK\x06NtQK\x01K\x02K\x02\x86K\x02K\x01\x86\x89}tRs."
    )
    path.write_bytes(
        b"".join(
            [
                pickle.dumps(MAGIC, 2),
                pickle.dumps(1001, 2),
                pickle.dumps({}, 2),
                body,
                pickle.dumps([key], 2),
                struct.pack("<q", count),
                np.arange(count, dtype="<f4").tobytes(),
            ]
        )
    )
    return path


def test_weights_of_pytorch_are_read(tmp_path: Path) -> None:
    found = read_torch(legacy(tmp_path / "w.pth"))
    assert list(found) == ["w"]
    assert found["w"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("fault", [{"call": b"os\n"}, {"key": "1"}, {"count": 4}, None])
def test_weights_wrong(tmp_path: Path, fault: dict | None) -> None:
    """A pickle that calls something else, a storage that is missing or short, another file."""
    path = tmp_path / "w.pth"
    if fault is None:
        path.write_bytes(b"PK\3\4")
    else:
        legacy(path, **fault)
    with pytest.raises(
        SpecError,
        match="^"
        + re.escape(f"Weights file must be of PyTorch's format before 1.6, not {str(path)!r}")
        + "$",
    ):
        read_torch(path)


#: First rows and columns of a product, all of K: several tiles, and some that are not full.
ROWS, COLS = 5, 7
#: FP32 sums of short rows are exact; BF16 rounds nearly every one, so that their order shows.
QUICK, THOROUGH = (parse_array("2x2", parse_mac("e4m3", acc=acc)) for acc in ("fp32", "bf16"))


def chosen(layers: list[Layer]) -> dict[str, Layer]:
    """First and last layer, those with the longest sums and the most products, and one of each
    operator.
    """
    found = {each.node.operator: each for each in layers}
    found |= {
        "first": layers[0],
        "last": layers[-1],
        "deepest": max(layers, key=lambda each: each.lowering.size[2]),
        "grouped": max(layers, key=lambda each: each.lowering.size[0]),
    }
    return {each.node.name: each for each in found.values()}


@pytest.mark.parametrize(
    ("name", "array"),
    [("digits", QUICK), *(pytest.param(name, THOROUGH, marks=pytest.mark.slow) for name in TASKS)],
)
def test_layers_on_compiled_rtl_have_the_models_bits(
    tmp_path: Path, name: str, array: ArraySpec
) -> None:
    found = task(name, tmp_path, 8)
    network = load(found.model)
    plan = Plan(array=array, weights="per=channel")
    feed = found.feeds[0]
    layers: list[Layer] = []

    def keep(layer: Layer, _: Layer) -> Pair:
        layers.append(layer)
        result = layer.exact()
        return Pair(result, result)

    walk(network, feed, keep, Progress(), "")
    assert [layer.node.name for layer in layers] == [step.name for step in network.layers]
    quantizers = calibrate_network(network, [feed], plan)
    on_rtl, compared = ENGINES["rtl"](array, Progress()), 0
    for layer_name, layer in chosen(layers).items():
        a, b = (
            made(layer, by).codes[-1]
            for made, by in zip((activations, weights), quantizers[layer_name], strict=True)
        )
        a, b = a[:ROWS], b[:, :COLS]
        got = on_rtl(a, b, Progress())
        wanted = as_bits(sim.matmul(a, b, array.mac), array.mac.acc.width)
        wrong = np.argwhere(as_bits(got.codes, array.mac.acc.width) != wanted)
        assert not len(wrong), f"{name}, {layer_name}: {len(wrong)} sums differ, at {wrong[:1]}"
        assert got.cycles == array.cycles(a.shape[0], a.shape[1], b.shape[1]), layer_name
        assert (wanted != 0).any(), layer_name
        compared += wanted.size
    assert compared >= 2 * ROWS * COLS
