# SPDX-License-Identifier: Apache-2.0
"""RTL of sums in blocks: compiled units against the model, GPU results, and the end of a block."""

import numpy as np
import pytest

from hw import build
from hw.mac import mac
from hw.mac.block import promotion
from hw.spec import parse_mac
from sim.golden import BlockMac
from tests.support.compiled import compile_module
from tests.support.mac_operands import port_of_flag
from tests.support.mac_rtl import joined
from tests.support.stored import BLOCK_NAMES, recorded_blocks

#: Units of every kind of inner sum, outer sum and scale; short blocks, so that sums have several.
UNITS = (
    "mxfp8,block=4",
    "mxfp8-e5m2,block=4",
    pytest.param("mxfp6-e2m3,block=4,lanes=2", marks=pytest.mark.slow),
    "mxfp4,lanes=32",
    pytest.param("mxint8,block=4", marks=pytest.mark.slow),
    "nvfp4,lanes=16",
    "nvfp4,block=4",
    "e4m3,acc=fp32,block=4",
    "e5m2,acc=fp32,block=4",
    "e5m2,acc=fp16,inner=fp16,block=4,block-scale=ue4m3",
    pytest.param("e4m3xe5m2,acc=fp32,inner=hopper,block=64", marks=pytest.mark.slow),
    pytest.param(
        "e4m3,acc=fp32,inner=aligned:13,lanes=4,block=8,block-scale=fp32", marks=pytest.mark.slow
    ),
    "e4m3,acc=fp32,inner=aligned:13,lanes=4,block=8,block-scale=fp32-ab",
    "e5m2,acc=fp32,inner=fx54m20,block=4,block-scale=fp32",
    pytest.param("e5m2,acc=fp32,inner=fx54m20,block=4,block-scale=fp32-ab", marks=pytest.mark.slow),
    "int8,acc=int32,block=4",
    "int8,acc=fx20p2s,inner=fx17s,block=4,adder=prefix",
    pytest.param("e5m2,acc=fx60m16t,inner=fx54m20,block=4", marks=pytest.mark.slow),
    "e4m3,acc=bf16-rtz,inner=fx28m8t,block=4,block-scale=e8m0,pipeline=2",
    pytest.param("e3m4,acc=fp16-ftz-sat,inner=bf16,block=4,pipeline=1", marks=pytest.mark.slow),
    "e4m3,acc=fp16,block=1",
)


def sheet_of(spelling):
    spec = parse_mac(spelling)
    return build._texts(spec)[f"{spec.name}.md"]


#: Chance of a cycle without an operand pair.
IDLE = 0.2


def random_codes(fmt, rng, size):
    """Half of the codes are small numbers, so that sums stay finite; the others are any."""
    low = rng.integers(0, 1 << fmt.magnitude_bits - 1, size, dtype=np.uint32)
    sign = rng.integers(0, 2, size, dtype=np.uint32) * fmt.sign_code
    any_code = rng.integers(0, 1 << fmt.width, size, dtype=np.uint32)
    rare = rng.random(size) < 0.02
    return np.where(rare, any_code, low | sign)


def random_scales(scale, rng, size):
    """Scales near one; some are any code."""
    any_code = rng.integers(0, 1 << scale.width, size, dtype=np.uint64)
    if scale.width == 32:
        near = rng.normal(size=size).astype(np.float32).view(np.uint32).astype(np.uint64)
    else:
        near = (scale.one + rng.integers(-6, 7, size)).astype(np.uint64)
    return np.where(rng.random(size) < 0.05, any_code, near)


def stream(spec, rng, cycles):
    """Inputs by port, and by cycle the outputs that the model has right after that beat."""
    shape = (cycles, spec.lanes)
    a, b = (random_codes(fmt, rng, shape) for fmt in (spec.a, spec.b))
    valid = rng.random(cycles) >= IDLE
    first, last = np.zeros(cycles, bool), np.zeros(cycles, bool)
    rows = {"i_valid": valid, "i_a": joined(a, spec.a.width), "i_b": joined(b, spec.b.width)}
    scale = spec.blocks.scale
    if scale:
        rows |= {f"i_{side}_scale": random_scales(scale, rng, cycles) for side in "ab"}
    model, wanted, left = BlockMac(spec), [], 0
    for cycle in range(cycles):
        if not valid[cycle]:
            # Frame bits of an idle cycle mean nothing.
            first[cycle], last[cycle] = rng.integers(0, 2, 2)
            continue
        first[cycle] = left == 0
        left = left or int(rng.integers(1, 3 * spec.block // spec.lanes + 2))
        left -= 1
        last[cycle] = left == 0
        codes = scale and tuple(int(rows[f"i_{side}_scale"][cycle]) for side in "ab")
        model.step(
            a[cycle].tolist(),
            b[cycle].tolist(),
            first=bool(first[cycle]),
            last=bool(last[cycle]),
            scales=codes,
        )
        if last[cycle]:
            wanted.append((cycle, model.acc, int(model.flags)))
    return rows | {"i_first": first, "i_last": last}, wanted


@pytest.mark.parametrize("spelling", UNITS)
def test_streams_of_sums(spelling, tmp_path):
    seed, cycles = 11, 4000
    spec = parse_mac(spelling)
    rows, wanted = stream(spec, np.random.default_rng(seed), cycles)
    model = compile_module(mac(spec), tmp_path)
    tail = {name: np.zeros((spec.latency, *row.shape[1:]), row.dtype) for name, row in rows.items()}
    out = model.run({name: np.concatenate([rows[name], tail[name]]) for name in rows})
    ends = np.flatnonzero(out["o_valid"])
    assert ends.tolist() == [cycle + spec.latency for cycle, _, _ in wanted], spelling
    mask = (1 << spec.acc.width) - 1
    for end, (cycle, total, flags) in zip(ends, wanted, strict=True):
        got = int(out["o_data"][end])
        assert got == total & mask, (
            f"{spelling}: {got:#x} != {total & mask:#x}, cycle {cycle}, seed {seed}"
        )
        if spec.flag_bits:
            assert int(out["o_flags"][end]) == port_of_flag(flags, spec.flag_bits)
    totals = {total for _, total, _ in wanted}
    assert len(wanted) > 80
    assert len(totals) > len(wanted) // 3, f"{spelling}: too few different sums"


@pytest.mark.parametrize(
    "name",
    [
        "e4m3_e5m2_all_k160_promote",
        pytest.param("e5m2_e4m3_bits_k384_promote", marks=pytest.mark.slow),
        pytest.param("e4m3_e4m3_bits_k512_block_1x128_1x128", marks=pytest.mark.slow),
        pytest.param("e4m3_e4m3_bits_k256_block_1x128_128x128", marks=pytest.mark.slow),
    ],
)
def test_recorded_products_of_a_gpu(name, tmp_path):
    """A sample of the sums of a set, one unit for all of them."""
    assert name in BLOCK_NAMES
    spec, a, b, scales, expected = recorded_blocks(name)
    rows, cols = 8, 8
    a = np.pad(a, ((0, 0), (0, -a.shape[1] % spec.lanes)))
    b = np.pad(b, ((0, a.shape[1] - b.shape[0]), (0, 0)))
    steps = a.shape[1] // spec.lanes
    shape = (rows, cols, steps, spec.lanes)
    x = np.broadcast_to(a[:rows].reshape(rows, 1, steps, spec.lanes), shape)
    y = np.broadcast_to(b[:, :cols].T.reshape(1, cols, steps, spec.lanes), shape)
    place = np.broadcast_to(np.arange(steps), shape[:3]).ravel()
    ports = {
        "i_valid": np.ones(place.size, bool),
        "i_first": place == 0,
        "i_last": place == steps - 1,
        "i_a": joined(x.reshape(-1, spec.lanes), spec.a.width),
        "i_b": joined(y.reshape(-1, spec.lanes), spec.b.width),
    }
    if scales:
        block = np.arange(steps) * spec.lanes // spec.block
        of_a = scales["a_scale"][:rows].view(np.uint32)[:, None, block]
        of_b = np.ascontiguousarray(scales["b_scale"][:, :cols]).view(np.uint32).T[None, :, block]
        for side, codes in (("a", of_a), ("b", of_b)):
            ports[f"i_{side}_scale"] = np.broadcast_to(codes, shape[:3]).ravel().astype(np.uint64)
    model = compile_module(mac(spec), tmp_path)
    tail = {key: np.zeros((spec.latency, *row.shape[1:]), row.dtype) for key, row in ports.items()}
    out = model.run({key: np.concatenate([ports[key], tail[key]]) for key in ports})
    got = out["o_data"][np.flatnonzero(out["o_valid"])].reshape(rows, cols)
    np.testing.assert_array_equal(got, expected[:rows, :cols])


def test_the_end_of_a_block_is_a_mac():
    """The step of a block multiplies the inner sum by a scale; both are formats of their own."""
    unit = promotion(parse_mac("nvfp4"))
    assert (unit.a.width, unit.b.exp_bits, unit.b.man_bits) == (13, 6, 7)
    # The largest product of scales is finite, and its highest field is NaN's.
    assert unit.b.max >= 448.0**2
    assert promotion(parse_mac("mxfp8")).b.exp_bits == 9
    assert promotion(parse_mac("e4m3,acc=fp32,inner=hopper,block=128")).b.width == 2


def test_sheet_of_a_block_unit():
    text = sheet_of("mxfp8,lanes=8")
    assert "`acc += a_scale * b_scale * sum(a * b)` at the end of each block of 32 products" in text
    assert "- A block is 4 beat(s); `i_last` may end it early." in text
    assert "| `i_b_scale` | input | 8 |" in text
    assert "a_scale" not in sheet_of("e4m3,acc=fp32,inner=fx28m8,block=8")
