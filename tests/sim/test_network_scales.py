# SPDX-License-Identifier: Apache-2.0
"""Zero points, blocks with scales of their own, and scales that leave the accumulator room."""

import numpy as np
import pytest

from sim.quantize import BLOCK, calibrate, decode_blocks, encode_blocks
from tests.support.network_models import data, one_layer, plan, result


@pytest.mark.parametrize("operator", ["MatMul", "Gemm"])
def test_zero_points_cost_no_accuracy(tmp_path, operator):
    """Against the product of what the codes stand for, padding and both zero points included."""
    x = data(6, 40) + 1.5
    network, w = one_layer(tmp_path, operator, x.shape, (40, 5))
    chosen = plan("uint8xint8", "exact", weights="per=channel,zero_point=yes",
                  activations="zero_point=yes")
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


@pytest.mark.parametrize(("weights", "activations"), [
    ("per=block", "per=block"), ("per=block", ""), ("per=channel", "per=block")])
def test_blocks_are_products_of_their_own(tmp_path, weights, activations):
    """MXFP8 with FP32 sums: every block of K summed, scaled and added up in FP32."""
    x = data(5, 80)
    network, w = one_layer(tmp_path, "MatMul", x.shape, (80, 3))
    chosen = plan(acc="fp32", weights=weights, activations=activations)
    got, outcome, _ = result(network, x, chosen)
    a = decode_blocks(encode_blocks(x, "e4m3")) if activations else calibrate(x, "e4m3")(x)
    b = (decode_blocks(encode_blocks(w, "e4m3", axis=0)) if weights == "per=block" else
         calibrate(w, "e4m3,per=channel", axis=1)(w))
    assert got == pytest.approx((a @ b).astype(np.float32), rel=1e-5, abs=1e-5)
    cycles = chosen.array.cycles
    assert outcome.cycles == 2 * cycles(5, BLOCK, 3) + cycles(5, 80 - 2 * BLOCK, 3)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("weights", ["", "per=channel"])
def test_headroom_keeps_sums_within_the_accumulator(tmp_path, groups, weights):
    """E4M3 in FP16: the doublings are as few as keep the largest sum of codes below half of it."""
    x, limit = abs(data(2, 8, 5, 5)), 65504
    w = data(4, 8 // groups, 3, 3)
    w[1] = 0.01  # The least scale of a channel, and its largest codes everywhere.
    network, _ = one_layer(tmp_path, "Conv", x.shape, w, group=groups)
    (_, full, before), (_, roomy, after) = (
        result(network, x, plan(acc="fp16-sat", weights=weights, headroom=headroom))
        for headroom in (False, True))
    scale = after["layer"][0].scale * after["layer"][1].scale.reshape(-1, 1, 1)
    assert limit / 4 < np.abs(roomy.references["y"][0] / scale).max() <= limit / 2
    # Shared out between both, all channels alike, the odd one to the activations.
    first, second = (np.log2(now.scale / then.scale) for now, then
                     in zip(after["layer"], before["layer"], strict=True))
    assert (first[0] - second).tolist() in ([0.0] * len(second), [1.0] * len(second))
    assert first[0] + second[0] == int(first[0] + second[0]) > 2
    assert roomy.layers[0].whole.sqnr_db > 25 > 15 > full.layers[0].whole.sqnr_db


def test_headroom_changes_nothing_where_sums_fit(tmp_path):
    x = data(3, 20)
    network, _ = one_layer(tmp_path, "MatMul", x.shape, (20, 4))
    got, wanted = (result(network, x, plan(acc="fp32", headroom=headroom))[0]
                   for headroom in (True, False))
    assert (got == wanted).all()


def test_mx_formats_of_four_and_six_bits(tmp_path):
    """W4A8, MXFP6 and MXINT8 run; fewer bits, more noise."""
    x = data(16, 64)
    network, _ = one_layer(tmp_path, "MatMul", x.shape, (64, 8))
    noise = {mac: result(network, x, plan(mac, "fp32", weights="per=block",
                                          activations="per=block"))[1].sqnr_db("y")
             for mac in ("int8m6", "e4m3", "e2m3", "e4m3xe2m1", "e2m1")}
    assert noise["int8m6"] > noise["e4m3"] > noise["e4m3xe2m1"] > noise["e2m1"] > 10
    assert noise["int8m6"] > noise["e2m3"] > noise["e4m3xe2m1"]
