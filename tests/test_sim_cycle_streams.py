# SPDX-License-Identifier: Apache-2.0
"""Streams and cycle numbers of the clock-by-clock model against compiled RTL."""

import json

import numpy as np
import pytest

import sim.rtl
from hw.generate import generate
from hw.spec import parse_array
from sim.cycle import matmul
from sim.rtl import gemm

SHAPES = [(1, 1, 1), (2, 3, 3), (4, 1, 4), (5, 7, 8), (9, 4, 5), (3, 16, 7), (4, 40, 3)]
STALLS = [{}, {"a": 0.4}, {"b": 0.6}, {"c": 0.5}, {"a": 0.3, "b": 0.3, "c": 0.3},
          {"a": 0.05, "c": 0.9}]


def compiled(mac, size, folder):
    spec = parse_array(size, mac)
    manifest = json.loads(generate(spec, folder).read_text())
    return spec, sim.rtl.compile([folder / f"{spec.name}.v"], spec.name, manifest["ports"],
                                 shared=["pe_*"], optimize="-O0")


def compare(spec, model, shape, stall, seed):
    """Hold every output of every cycle of one product to the RTL; gives the cycles compared.

    The model's inputs depend on its outputs; the RTL gets the same ones and must answer them alike.
    """
    rng, (m, k, n), seen = np.random.default_rng(seed), shape, []
    patterns = {name: np.append(rng.random(97) < share, False) for name, share in stall.items()}
    a = rng.integers(0, 1 << spec.mac.a.width, (m, k), dtype=np.uint64)
    b = rng.integers(0, 1 << spec.mac.b.width, (k, n), dtype=np.uint64)
    got = matmul(a, b, spec, stalls=patterns, watch=lambda *wires: seen.append(wires))
    sent, found = zip(*seen, strict=True)
    model.reset()
    given = {f"{gemm.A}_tvalid": [x.a_tvalid for x in sent],
             f"{gemm.B}_tvalid": [x.b_tvalid for x in sent],
             f"{gemm.A}_tlast": [x.a_tlast for x in sent],
             f"{gemm.B}_tlast": [x.b_tlast for x in sent],
             f"{gemm.C}_tready": [x.c_tready for x in sent],
             f"{gemm.A}_tdata": words([x.a_tdata for x in sent], spec.mac.a.width),
             f"{gemm.B}_tdata": words([x.b_tdata for x in sent], spec.mac.b.width)}
    ran = model.run(given)
    for axis, name in ((gemm.A, "a_tready"), (gemm.B, "b_tready"), (gemm.C, "c_tvalid")):
        wanted = [getattr(x, name) for x in found]
        assert np.array_equal(ran[f"{axis}_{name[2:]}"], wanted), (name, shape, stall, seed)
    offered = np.flatnonzero([x.c_tvalid for x in found])
    assert np.array_equal(ran[f"{gemm.C}_tlast"][offered], [found[i].c_tlast for i in offered])
    data = gemm.unpack(ran[f"{gemm.C}_tdata"].reshape(len(sent), -1)[offered], spec.slot_width,
                       spec.cols)
    sums = np.array([found[i].c_tdata for i in offered]).astype(object)
    assert (data.astype(object) == sums % (1 << spec.slot_width)).all(), (shape, stall, seed)
    if not stall:
        assert got.cycles == spec.cycles(m, k, n)
    return len(sent)


def words(codes, width):
    return gemm.pack(np.array(codes).reshape(len(codes), -1), width)


@pytest.mark.parametrize(("mac", "size"), [
    ("e4m3", "2x3"), ("int8", "3x2"), ("e4m3,acc=fp16,pipeline=2", "4x4"), ("e5m2,acc=fp32", "2x3"),
    ("e4m3,acc=aligned:13,lanes=2", "3x2"), ("int8,adder=carry-save", "3x3")])
def test_streams_equal_the_rtl_in_every_cycle(tmp_path, mac, size):
    """Shapes by stalls, 42 a unit and 252 in all."""
    spec, model = compiled(mac, size, tmp_path)
    cases = [(shape, stall) for shape in SHAPES for stall in STALLS]
    cycles = [compare(spec, model, *case, seed) for seed, case in enumerate(cases)]
    assert len(cycles) == 42
    assert sum(cycles) > 2000


@pytest.mark.slow
@pytest.mark.parametrize(("mac", "size"), [("e4m3", "16x16"), ("e4m3,acc=fp32", "16x16"),
                                           ("int8", "32x32")])
def test_streams_of_a_large_array_equal_the_rtl(tmp_path, mac, size):
    spec, model = compiled(mac, size, tmp_path)
    for seed, stall in enumerate(STALLS):
        assert compare(spec, model, (40, 50, 70), stall, seed) >= spec.cycles(40, 50, 70)
