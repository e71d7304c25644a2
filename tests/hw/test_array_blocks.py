# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""Arrays that add in blocks: RTL against the model, closed-form cycles, stalls, short blocks."""

import re

import numpy as np
import pytest

import sim
from hw.array import array
from hw.emit.netlist import module_ports
from hw.spec import SpecError, parse_spec
from sim.rtl.array import matmul
from sim.tiling import A, B, C
from tests.support.compiled import compile_module

#: Arrays with blocks longer and shorter than a drain, few rows and many, of every kind of edge.
ARRAYS = {
    "int8,acc=int32,block=8,array=4x3": (9, 21, 7),
    "int8,acc=fx24s,inner=fx18s,block=2,array=3x3": (7, 11, 3),
    "mxfp8,block=4,array=4x4": (9, 14, 5),
    "mxfp4,lanes=8,array=8x4": (9, 70, 9),
    "nvfp4,lanes=16,array=2x5": (5, 50, 11),
    "mxfp8,lanes=32,array=1x2": (3, 100, 5),
    "e5m2,acc=fp32,block=8,array=9x2": (10, 30, 4),
    "e4m3,acc=fp32,inner=aligned:13,lanes=4,block=16,block-scale=fp32,array=3x2": (4, 40, 3),
    "e4m3,acc=fp16,inner=fx28m8t,block=6,pipeline=1,array=8x3,out=e4m3": (9, 20, 4),
}


def operands(spec, shape, rng):
    """Codes of a and b, and scales if the unit has them; few special codes."""
    m, k, n = shape
    codes = []
    for fmt, size in ((spec.mac.a, (m, k)), (spec.mac.b, (k, n))):
        small = rng.integers(0, 1 << fmt.magnitude_bits - 1, size)
        small |= rng.integers(0, 2, size) * fmt.sign_code
        rare = rng.random(size) < 0.003
        codes.append(np.where(rare, rng.integers(0, 1 << fmt.width, size), small).astype(np.uint16))
    scale = spec.mac.blocks.scale
    if scale is None:
        return (*codes, None)
    blocks = -(-k // spec.mac.block)
    scales = []
    for size in ((m, blocks), (blocks, n)):
        if scale.width == 32:
            scales.append(rng.normal(size=size).astype(np.float32).view(np.uint32))
        else:
            scales.append((scale.one + rng.integers(-4, 5, size)).astype(np.uint8))
    return (*codes, tuple(scales))


def expected(spec, a, b, scales):
    """Bits of the results and their flags, from `sim.matmul`."""
    named = {} if scales is None else {"a_scale": scales[0], "b_scale": scales[1]}
    sums, flags = sim.matmul_with_flags(a, b, spec.mac, **named)
    if spec.out:
        return sim.output(sums, spec.out, flags=flags), np.zeros_like(flags)
    return sums.astype(object) & (1 << spec.mac.acc.width) - 1, flags


#: Arrays that `make test` checks; the others take longer to compile.
QUICK = tuple(ARRAYS)[:4]


@pytest.mark.parametrize(
    "spelling",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in ARRAYS],
)
def test_products_and_cycles(spelling, tmp_path):
    seed = 5
    spec, shape = parse_spec(spelling), ARRAYS[spelling]
    rng = np.random.default_rng(seed)
    model = compile_module(array(spec), tmp_path)
    m, k, n = shape
    for depth in (k, spec.mac.lanes, 3 * spec.mac.block):
        a, b, scales = operands(spec, (m, depth, n), rng)
        want, flags = expected(spec, a, b, scales)
        for stall in ({}, {A: 0.3, B: 0.2}, {C: 0.6}, {A: 0.2, B: 0.3, C: 0.5}):
            got = matmul(model, spec, a, b, scales=scales, stall=stall, seed=seed)
            where = f"{spelling}, K = {depth}, stalls {stall}, seed {seed}"
            np.testing.assert_array_equal(got.codes.astype(object), want, where)
            if spec.flag_bits == 2:
                np.testing.assert_array_equal(got.flags, flags, where)
            if not stall:
                assert got.cycles == spec.cycles(m, depth, n), where
        assert model.read("error") == 0


def test_utilisation_is_full_where_a_block_lasts_as_long_as_a_drain():
    spec = parse_spec("mxfp8,array=32x32")
    assert spec.block_beats == spec.rows
    # 1,000 tiles of 32 blocks: all but the fill and the drain are products.
    m, k, n = 32 * 40, 1024, 32 * 25
    assert spec.interval(k) == 1024
    assert spec.utilisation(m, k, n) > 0.9999
    half = parse_spec("mxfp8,lanes=2,array=32x32")
    assert half.interval(1024) == 1024
    assert half.utilisation(m, k, n) == pytest.approx(0.5, abs=1e-3)


def test_ports_of_scales():
    spec = parse_spec("mxfp8,array=4x3")
    ports = {port.name: port.width for port in module_ports(array(spec))}
    assert (ports["s_axis_a_tuser"], ports["s_axis_b_tuser"]) == (32, 24)
    plain = {port.name for port in module_ports(array(parse_spec("int8,block=8,array=2x2")))}
    assert "s_axis_a_tuser" not in plain


def test_engine_wrong():
    spelling = "int8,acc=fx32,inner=fx19,block=8,array=2x2,dataflow=os"
    message = f"GEMM array must be one whose sums are not in blocks, not {spelling!r}"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        parse_spec(f"{spelling},bus=wishbone")


def test_weight_stationary_wrong():
    message = "Array dataflow must be os with sums in blocks, not 'ws'"
    with pytest.raises(SpecError, match=f"^{re.escape(message)}$"):
        parse_spec("mxfp8,array=4x4,dataflow=ws")
