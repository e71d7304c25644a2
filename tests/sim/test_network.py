# SPDX-License-Identifier: Apache-2.0
"""Networks on the array: bits against loops over single dot products and against compiled RTL."""

import itertools
import re

import numpy as np
import pytest

import sim
from hw.progress import Progress
from hw.spec import SpecError, parse_mac
from sim.network import (
    Energy,
    calibrate_network,
    load,
    load_calibration,
    run,
    save_calibration,
)
from sim.quantize import BLOCK, calibrate, decode_blocks, encode_blocks
from tests.support.network_models import data, node, one_layer, plan, result, save, small_network

MAC = parse_mac("e4m3", acc="bf16")


@pytest.mark.parametrize(("groups", "scheme"), [(1, "per=channel"), (2, ""), (4, "per=channel")])
def test_convolution_is_a_dot_product_for_each_place(tmp_path, groups, scheme):
    """Codes gathered by plain loops, in order of channel and kernel; BF16 sums show the order."""
    x = data(2, 4, 6, 5)
    network, w = one_layer(
        tmp_path,
        "Conv",
        x.shape,
        (4, 4 // groups, 3, 2),
        group=groups,
        pads=[1, 0, 1, 0],
        strides=[2, 1],
        dilations=[1, 2],
    )
    got, _, _ = result(network, x, plan(weights=scheme))
    by_x = calibrate(x, "e4m3")
    by_w = calibrate(w, "e4m3,per=channel", axis=0) if scheme else calibrate(w, "e4m3")
    codes_x = np.pad(by_x.encode(x), ((0, 0), (0, 0), (1, 1), (0, 0)))
    codes_w = by_w.encode(w)
    assert got.shape == (2, 4, 3, 3)
    for image, channel, row, col in itertools.product(*map(range, got.shape)):
        first = channel // (4 // groups) * (4 // groups)
        taken = [
            (codes_x[image, first + c, 2 * row + i, col + 2 * j], codes_w[channel, c, i, j])
            for c in range(4 // groups)
            for i in range(3)
            for j in range(2)
        ]
        a, b = (np.array(side) for side in zip(*taken, strict=True))
        scale = by_x.scale[0] * by_w.scale[channel if scheme else 0]
        wanted = np.float32(sim.decode(sim.dot(a, b, MAC, backend="golden"), "bf16") * scale)
        place = (image, channel, row, col)
        assert got[place] == wanted, f"{place}: {got[place]} != {wanted}"


@pytest.mark.parametrize("dataflow", ["os", "ws"])
def test_cycles_and_utilisation_are_those_of_the_array(tmp_path, dataflow):
    x = data(3, 4, 6, 5)
    network, _ = one_layer(tmp_path, "Conv", x.shape, (8, 2, 3, 3), group=2)
    chosen = plan(dataflow=dataflow)
    _, outcome, _ = result(network, x, chosen)
    facts = outcome.facts(Energy(2.0, "as given"))
    (layer,) = facts["layers"]
    m = 3 * 4 * 3
    assert {key: layer[key] for key in ("products", "m", "k", "n", "macs")} == {
        "products": 2,
        "m": m,
        "k": 18,
        "n": 4,
        "macs": 2 * m * 18 * 4,
    }
    assert layer["cycles"] == 2 * chosen.array.cycles(m, 18, 4) == facts["total"]["cycles"]
    assert layer["utilisation"] == pytest.approx(chosen.array.utilisation(m, 18, 4))
    assert layer["energy_nj"] == pytest.approx(2 * m * 18 * 4 * 2.0 / 1000)
    assert layer["sqnr_own_db"] == layer["sqnr_db"] == facts["outputs"]["y"]["sqnr_db"]
    assert 20 < layer["sqnr_db"] < 40


def test_nan_and_overflow_propagate(tmp_path):
    """A sum beyond FP16 is infinite, and so is the output; a NaN operand gives NaN."""
    x = np.ones((2, 8), np.float32)
    x[1] = 1e-6
    network = load(
        save(
            tmp_path / "m.onnx",
            [node("MatMul", "x w", "y", "layer")],
            {"x": x.shape},
            ["y"],
            {"w": np.ones((8, 1), np.float32)},
        )
    )
    got, _, quantizers = result(network, x, plan(acc="fp16"))
    assert np.isinf(got[0, 0])
    assert got[1, 0] == pytest.approx(0)
    x[1, 3] = np.nan
    for acc in ("fp32", "exact"):
        outcome = run(network, [{"x": x}], plan(acc=acc), quantizers)
        assert np.isnan(outcome.outputs["y"][0]).tolist() == [[False], [True]]


@pytest.mark.parametrize(
    ("mac", "acc", "size", "dataflow"),
    [
        ("e4m3", "fp32", "2x2", "os"),
        pytest.param("e5m2", "exact", "2x3", "ws", marks=pytest.mark.slow),
    ],
)
def test_network_on_compiled_rtl_has_the_same_bits(tmp_path, mac, acc, size, dataflow):
    """All layers of a network on the RTL of the array, cycles counted on its streams."""
    network = load(small_network(tmp_path / "m.onnx"))
    x = data(1, 2, 6, 5)
    chosen = plan(mac, acc, size, dataflow, weights="per=channel")
    fast, of_model, quantizers = result(network, x, chosen)
    on_rtl = run(network, [{"x": x}], chosen, quantizers, backend="rtl")
    assert [layer.name for layer in on_rtl.layers] == [
        "first",
        "depthwise",
        "scores",
        "mixed",
        "classes",
    ]
    assert (on_rtl.outputs["y"][0] == fast).all()
    for ours, theirs in zip(of_model.layers, on_rtl.layers, strict=True):
        assert (ours.macs, ours.cycles) == (theirs.macs, theirs.cycles), ours.name
        assert ours.own.error == theirs.own.error > 0


def test_runs_add_up_and_without_comparison_nothing_changes(tmp_path):
    network = load(small_network(tmp_path / "m.onnx"))
    x = data(4, 2, 6, 5)
    chosen = plan("int8", "int32", weights="per=channel,range=mse", activations="range=percentile")
    quantizers = calibrate_network(network, [{"x": x[:2]}, {"x": x[2:]}], chosen)
    whole = run(network, [{"x": x}], chosen, quantizers)
    parts = run(
        network, [{"x": x[:1]}, {"x": x[1:2]}, {"x": x[2:]}], chosen, quantizers, compare=False
    )
    assert np.concatenate(parts.outputs["y"]) == pytest.approx(whole.outputs["y"][0], abs=1e-6)
    assert parts.macs == whole.macs
    assert parts.references == {}
    assert parts.sqnr_db("y") is None
    assert 10 < whole.sqnr_db("y") < 60
    last = whole.layers[-1]
    assert last.own.sqnr_db > last.whole.sqnr_db


def test_calibration_is_saved_and_loaded(tmp_path):
    network = load(small_network(tmp_path / "m.onnx"))
    x = data(2, 2, 6, 5)
    chosen = plan(weights="per=block", activations="range=mse")
    quantizers = calibrate_network(network, [{"x": x}], chosen)
    path = save_calibration(tmp_path / "q.json", quantizers)
    again = run(network, [{"x": x}], chosen, load_calibration(path))
    first = run(network, [{"x": x}], chosen, quantizers)
    assert (again.outputs["y"][0] == first.outputs["y"][0]).all()
    path.write_text(path.read_text().replace("first/a", "first/c"))
    message = (
        f"Quantizers file {str(path)!r} must have the entries LAYER/a and LAYER/b for each layer"
    )
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        load_calibration(path)


def wrong_quantizers(tmp_path, change):
    network = load(small_network(tmp_path / "m.onnx"))
    x = data(1, 2, 6, 5)
    quantizers = calibrate_network(network, [{"x": x}], plan())
    run(network, [{"x": x}], change(quantizers) or plan(), quantizers)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda quantizers: quantizers.pop("mixed") and None,
            "Quantizers are missing for the layer 'mixed'",
        ),
        (
            lambda quantizers: plan(weights="per=channel"),
            (
                "Node 'first' (Conv) quantizers must be e4m3 and e4m3,per=channel, not 'e4m3 and "
                "e4m3'"
            ),
        ),
    ],
)
def test_quantizers_of_another_plan_are_refused(tmp_path, change, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        wrong_quantizers(tmp_path, change)


@pytest.mark.parametrize(
    ("schemes", "message"),
    [
        (
            {"activations": "per=channel"},
            (
                "Plan activations must be per=tensor or per=block, because K runs "
                "over the channels, not 'e4m3,per=channel'"
            ),
        ),
        ({"weights": "per=row"}, "Scheme per must be one of tensor, channel, block, not 'row'"),
        (
            {"mac": "int8", "weights": "per=block", "activations": "zero_point=yes"},
            "zero_point=yes cannot be combined with per=block: drop one of them",
        ),
        (
            {"mac": "int8", "activations": "zero_point=yes", "headroom": True},
            "Headroom cannot be combined with zero_point=yes: drop one of them",
        ),
    ],
)
def test_plan_wrong(schemes, message):
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        plan(**schemes)


def test_progress_names_the_layer_at_intervals(tmp_path, monkeypatch):
    """Progress is limited in a layer of many products too, also on the RTL."""
    told = []
    monkeypatch.setattr(Progress, "__call__", lambda self, text: told.append(text))
    monkeypatch.setattr(Progress, "at_once", lambda self, text: told.append(f"at once: {text}"))
    x = data(1, 4, 6, 5)
    network, _ = one_layer(tmp_path, "Conv", x.shape, (4, 1, 3, 3), group=4)
    result(network, x, plan(), backend="cycle")
    assert "running: layer, product 4 of 4" in told
    assert "calibrating: step 1 of 1, layer (Conv)" in told
    assert not [text for text in told if text.startswith("at once")]


@pytest.mark.parametrize("operator", ["MatMul", "Gemm"])
def test_zero_points_cost_no_accuracy(tmp_path, operator):
    """Against the product of the decoded values, including padding and both zero points."""
    x = data(6, 40) + 1.5
    network, w = one_layer(tmp_path, operator, x.shape, (40, 5))
    chosen = plan(
        "uint8xint8", "exact", weights="per=channel,zero_point=yes", activations="zero_point=yes"
    )
    got, _, quantizers = result(network, x, chosen)
    by_x, by_w = quantizers["layer"]
    assert by_x.zero_point[0] > 0
    assert by_w.zero_point.any()
    assert got == pytest.approx((by_x(x) @ by_w(w)).astype(np.float32), rel=1e-5, abs=1e-5)
    assert abs(got - x @ w).max() < 0.3


def test_padding_is_zero_with_a_zero_point(tmp_path):
    x = np.full((1, 2, 3, 3), 5, np.float32)
    network, _ = one_layer(tmp_path, "Conv", x.shape, (2, 2, 3, 3), pads=[1, 1, 1, 1])
    got, outcome, _ = result(network, x, plan("int8", "exact", activations="zero_point=yes"))
    assert got == pytest.approx(outcome.references["y"][0], abs=0.3)


@pytest.mark.parametrize(
    ("weights", "activations"),
    [("per=block", "per=block"), ("per=block", ""), ("per=channel", "per=block")],
)
def test_blocks_are_products_of_their_own(tmp_path, weights, activations):
    """MXFP8 with FP32 sums: every block of K summed, scaled and added up in FP32."""
    x = data(5, 80)
    network, w = one_layer(tmp_path, "MatMul", x.shape, (80, 3))
    chosen = plan(acc="fp32", weights=weights, activations=activations)
    got, outcome, _ = result(network, x, chosen)
    a = decode_blocks(encode_blocks(x, "e4m3")) if activations else calibrate(x, "e4m3")(x)
    b = (
        decode_blocks(encode_blocks(w, "e4m3", axis=0))
        if weights == "per=block"
        else calibrate(w, "e4m3,per=channel", axis=1)(w)
    )
    assert got == pytest.approx((a @ b).astype(np.float32), rel=1e-5, abs=1e-5)
    cycles = chosen.array.cycles
    assert outcome.cycles == 2 * cycles(5, BLOCK, 3) + cycles(5, 80 - 2 * BLOCK, 3)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("weights", ["", "per=channel"])
def test_headroom_keeps_sums_within_the_accumulator(tmp_path, groups, weights):
    """E4M3 in FP16: the fewest doublings that keep the largest sum below half the range."""
    x, limit = abs(data(2, 8, 5, 5)), 65504
    w = data(4, 8 // groups, 3, 3)
    w[1] = 0.01  # The least scale of a channel, and its largest codes everywhere.
    network, _ = one_layer(tmp_path, "Conv", x.shape, w, group=groups)
    (_, full, before), (_, roomy, after) = (
        result(network, x, plan(acc="fp16-sat", weights=weights, headroom=headroom))
        for headroom in (False, True)
    )
    scale = after["layer"][0].scale * after["layer"][1].scale.reshape(-1, 1, 1)
    assert limit / 4 < np.abs(roomy.references["y"][0] / scale).max() <= limit / 2
    # Shared out between both, all channels alike, the odd one to the activations.
    first, second = (
        np.log2(now.scale / then.scale)
        for now, then in zip(after["layer"], before["layer"], strict=True)
    )
    assert (first[0] - second).tolist() in ([0.0] * len(second), [1.0] * len(second))
    assert first[0] + second[0] == int(first[0] + second[0]) > 2
    assert roomy.layers[0].whole.sqnr_db > 25 > 15 > full.layers[0].whole.sqnr_db


def test_headroom_changes_nothing_where_sums_fit(tmp_path):
    x = data(3, 20)
    network, _ = one_layer(tmp_path, "MatMul", x.shape, (20, 4))
    got, wanted = (
        result(network, x, plan(acc="fp32", headroom=headroom))[0] for headroom in (True, False)
    )
    assert (got == wanted).all()


def test_mx_formats_of_four_and_six_bits(tmp_path):
    """W4A8, MXFP6 and MXINT8 run; fewer bits, more noise."""
    x = data(16, 64)
    network, _ = one_layer(tmp_path, "MatMul", x.shape, (64, 8))
    noise = {
        mac: result(network, x, plan(mac, "fp32", weights="per=block", activations="per=block"))[
            1
        ].sqnr_db("y")
        for mac in ("int8m6", "e4m3", "e2m3", "e4m3xe2m1", "e2m1")
    }
    assert noise["int8m6"] > noise["e4m3"] > noise["e4m3xe2m1"] > noise["e2m1"] > 10
    assert noise["int8m6"] > noise["e2m3"] > noise["e4m3xe2m1"]
