# SPDX-License-Identifier: Apache-2.0
"""Convolutions and products as matrix products: FP32 results equal onnx's reference."""

import re

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from hw.progress import Progress
from hw.spec import SpecError
from sim.network import load
from sim.network.walk import Pair, walk
from tests.support.network_models import SEED, node, save, small_network


def whole(rng, shape):
    """Whole numbers, whose sums are exact in any order."""
    return rng.integers(-4, 5, shape).astype(np.float32)


CONVOLUTIONS = [
    ((2, 3, 7, 6), (4, 3, 3, 3), {}),
    ((1, 3, 7, 6), (4, 3, 3, 2), {"pads": [1, 0, 2, 1], "strides": [2, 3]}),
    ((2, 4, 8, 8), (6, 2, 3, 3), {"group": 2, "dilations": [2, 1], "pads": [2, 1, 2, 1]}),
    ((1, 5, 6, 6), (5, 1, 3, 3), {"group": 5, "auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    ((1, 2, 6, 6), (2, 2, 4, 4), {"auto_pad": "SAME_LOWER"}),
    ((1, 2, 6, 6), (2, 2, 4, 4), {"auto_pad": "VALID", "strides": [2, 1]}),
    ((3, 2, 11), (4, 2, 3), {"pads": [1, 1], "strides": [2], "dilations": [3]}),
    ((1, 2, 4, 5, 3), (2, 1, 2, 2, 2), {"group": 2, "strides": [1, 2, 1]}),
    ((1, 8, 1, 1), (3, 8, 1, 1), {}),
]


@pytest.mark.parametrize(("x", "w", "attributes"), CONVOLUTIONS)
@pytest.mark.parametrize("bias", [False, True])
def test_convolution_is_that_of_the_reference(tmp_path, x, w, attributes, bias):
    rng = np.random.default_rng(SEED)
    constants = {"w": whole(rng, w)} | ({"b": whole(rng, w[:1])} if bias else {})
    path = save(
        tmp_path / "m.onnx",
        [node("Conv", " ".join(["x", *constants]), "y", **attributes)],
        {"x": x},
        ["y"],
        constants,
    )
    compare(path, {"x": whole(rng, x)})


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((4, 5), (5, 3)),
        ((5,), (5, 3)),
        ((4, 5), (5,)),
        ((5,), (5,)),
        ((2, 3, 4, 5), (5, 3)),
        ((2, 3, 4, 5), (2, 3, 5, 2)),
        ((2, 1, 4, 5), (3, 5, 2)),
        ((4, 5), (2, 5, 3)),
        ((5,), (2, 5, 3)),
        ((2, 4, 5), (5,)),
        ((2, 4, 5), (1, 1, 5, 3)),
    ],
)
@pytest.mark.parametrize("fixed", ["", "a", "b"])
def test_product_is_that_of_the_reference(tmp_path, a, b, fixed):
    """Both operands data, or either one the weights."""
    rng = np.random.default_rng(SEED)
    arrays = {"a": whole(rng, a), "b": whole(rng, b)}
    data = {name: array for name, array in arrays.items() if name != fixed}
    path = save(
        tmp_path / "m.onnx",
        [node("MatMul", "a b", "y")],
        {name: array.shape for name, array in data.items()},
        ["y"],
        {name: array for name, array in arrays.items() if name == fixed},
    )
    (found,) = compare(path, data)
    assert found.is_constant == bool(fixed)
    if fixed:
        assert found.w is not found.x
        assert found.w.shape == arrays[fixed].shape


@pytest.mark.parametrize(
    "attributes",
    [{}, {"transA": 1}, {"transB": 1}, {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}],
)
@pytest.mark.parametrize("fixed", ["", "a", "b"])
@pytest.mark.parametrize("c", [None, (3,), (4, 1), (4, 3)])
def test_gemm_is_that_of_the_reference(tmp_path, attributes, fixed, c):
    rng = np.random.default_rng(SEED)
    arrays = {
        "a": whole(rng, (5, 4) if attributes.get("transA") else (4, 5)),
        "b": whole(rng, (3, 5) if attributes.get("transB") else (5, 3)),
    }
    if c:
        arrays["c"] = whole(rng, c)
    data = {name: array for name, array in arrays.items() if name not in (fixed, "c")}
    path = save(
        tmp_path / "m.onnx",
        [node("Gemm", " ".join(arrays), "y", **attributes)],
        {name: array.shape for name, array in data.items()},
        ["y"],
        {name: array for name, array in arrays.items() if name not in data},
    )
    compare(path, data)


def test_networks_run_as_the_reference_runs_them(tmp_path):
    """All steps, batch normalisation of several versions among them."""
    path = small_network(tmp_path / "m.onnx")
    x = np.random.default_rng(SEED).normal(size=(3, 2, 6, 5)).astype(np.float32)
    compare(path, {"x": x}, tolerance=1e-5)
    rng = np.random.default_rng(SEED)
    constants = {name: abs(rng.normal(size=2)).astype(np.float32) for name in "sbmv"}
    for opset in (7, 9, 13, 15):
        path = save(
            tmp_path / "n.onnx",
            [node("BatchNormalization", "x s b m v", "y")],
            {"x": x.shape},
            ["y"],
            constants,
            opset=opset,
        )
        (got,) = run_exact(path, {"x": x}).values()
        s, b, m, v = (each[:, None, None] for each in constants.values())
        assert got == pytest.approx(s * (x - m) / np.sqrt(v + 1e-5) + b, rel=1e-4, abs=1e-5)


def run_exact(path, feed, seen=None):
    network = load(path)

    def multiply(exact, coded):
        assert exact is coded
        if seen is not None:
            seen.append(exact)
        y = exact.exact()
        return Pair(y, y)

    return {
        name: pair.exact for name, pair in walk(network, feed, multiply, Progress(), "").items()
    }


def compare(path, feed, tolerance=0.0):
    """Compare outputs with the reference; return the layers."""
    seen = []
    got = run_exact(path, feed, seen)
    wanted = ReferenceEvaluator(onnx.load(path)).run(None, feed)
    assert len(got) == len(wanted) > 0
    for x, y in zip(got.values(), wanted, strict=True):
        assert x.shape == y.shape
        assert x.dtype == y.dtype
        assert abs(x - y).max() <= tolerance
    for each in seen:
        p, m, k, n = each.lowering.size
        assert each.lowering.left(each.x, np.float32(0)).shape == (p, m, k)
        assert each.lowering.right(each.w).shape == (p, k, n)
    return seen


@pytest.mark.parametrize(
    ("nodes", "x", "constants", "message"),
    [
        (
            [node("Conv", "x w", "y", "c")],
            (1, 3, 5, 5),
            {"w": (4, 2, 3, 3)},
            (
                "Node 'c' (Conv) weights shape must be one for 3 channels and group=1, "
                "not (4, 2, 3, 3)"
            ),
        ),
        (
            [node("Conv", "x w", "y", "c")],
            (1, 3, 5, 5),
            {"w": (4, 3, 3)},
            (
                "Node 'c' (Conv) weights shape must be one of 4 dimensions, as many as the images "
                "have, not (4, 3, 3)"
            ),
        ),
        (
            [node("Conv", "x w", "y", "c")],
            (1, 3, 2, 5),
            {"w": (4, 3, 3, 3)},
            (
                "Node 'c' (Conv) image shape must be at least the kernel's extent (3, 3), "
                "not (1, 3, 2, 5)"
            ),
        ),
        (
            [node("Conv", "x w b", "y", "c")],
            (1, 3, 5, 5),
            {"w": (4, 3, 3, 3), "b": (3,)},
            "Node 'c' (Conv) bias shape must be (4,), not (3,)",
        ),
        (
            [node("MatMul", "x w", "y", "m")],
            (4, 5),
            {"w": (4, 5)},
            (
                "Node 'm' (MatMul) shapes must be those with equal inner dimensions, "
                "not ((4, 5), (4, 5))"
            ),
        ),
        (
            [node("MatMul", "x w", "y", "m")],
            (2, 4, 5),
            {"w": (3, 5, 2)},
            (
                "Node 'm' (MatMul) shapes must be those with batch dimensions that broadcast, "
                "not ((2, 4, 5), (3, 5, 2))"
            ),
        ),
    ],
)
def test_shapes_that_do_not_fit_are_reported_in_one_line(tmp_path, nodes, x, constants, message):
    network = load_unchecked(tmp_path, nodes, x, constants)
    step = network.layers[0]
    arrays = {"x": np.ones(x, np.float32)} | network.constants
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        network.layer(step, [arrays[name] for name in step.inputs])


def load_unchecked(tmp_path, nodes, x, constants):
    """Model whose shapes are unknown when it is loaded."""
    return load(
        save(
            tmp_path / "m.onnx",
            nodes,
            {"x": [None] * len(x)},
            ["y"],
            {name: np.ones(shape, np.float32) for name, shape in constants.items()},
        )
    )
