# SPDX-License-Identifier: Apache-2.0
"""Compiled steps of accumulators against numpy's, and values that travel through an array."""

import numpy as np
import pytest

import sim
from hw.spec import AlignedAccumulator, FixedAccumulator, parse_array, parse_mac
from sim.codes import code_dtype
from sim.cycle import matmul
from sim.cycle.history import ROOM, History
from sim.cycle.steps import advance, compilable, moves, plain
from sim.fast import numpy_only

UNITS = [
    "int8",
    "e4m3",
    "e5m2,acc=fx60m20",
    "int8,acc=int20-sat,lanes=3",
    "e4m3,acc=fp32",
    "e5m2,acc=fp32",
    "bf16,acc=bf16",
    "e5m2,acc=bf16-sat",
    "e4m3,acc=fp16",
    "e5m2,acc=fp16-rtz",
    "e5m2,acc=fp16-ftz,lanes=3",
    "bf16,acc=fp32,lanes=2",
    "fp16,acc=fp16",
    "e4m3,acc=aligned:13",
    "e4m3,acc=hopper",
    "int8,acc=aligned:9,lanes=3",
    "e4m3xe5m2,acc=aligned:25,lanes=2",
]


def sums(rng, mac, shape):
    """Any sums that a unit can hold; a NaN is the canonical one."""
    if isinstance(mac.acc, FixedAccumulator):
        return rng.integers(mac.acc.min, mac.acc.max, shape, endpoint=True)
    fmt = mac.acc.fmt
    aligned = isinstance(mac.acc, AlignedAccumulator)
    nan = mac.acc.nan_code if aligned else fmt.nan_code
    codes = rng.integers(0, 1 << fmt.width, shape)
    if aligned:
        codes &= -(1 << fmt.man_bits - mac.acc.fraction_bits)
    return np.where(codes & ~fmt.sign_code > fmt.inf_code, nan, codes)


def compiled(mac):
    """Step that numba compiles."""
    assert compilable(mac)
    return advance(mac)


@pytest.mark.parametrize("unit", UNITS)
def test_compiled_steps_equal_numpy(unit):
    """Any sums, then those of random operands, equal and opposite ones among them."""
    pytest.importorskip("numba")
    mac, rng = parse_mac(unit), np.random.default_rng(5)
    one, other = plain(mac), compiled(mac)
    distinct = set()
    for step in range(60):
        if step % 10 == 0:
            acc, flags = sums(rng, mac, (8, 9)), np.zeros((8, 9), np.uint8)
        a, b = (rng.integers(0, 1 << fmt.width, (8, mac.lanes, 9)) for fmt in (mac.a, mac.b))
        b = a & (1 << mac.b.width) - 1 if step % 3 == 0 else b
        # As registers hold them.
        a, b = a.astype(code_dtype(mac.a.width)), b.astype(code_dtype(mac.b.width))
        frame = (
            rng.integers(0, 8, (8, 9)).astype(np.uint8) if step % 2 else np.ones((8, 9), np.uint8)
        )
        got, wanted = (run(acc, flags, a, b, frame) for run in (other, one))
        assert (got[0] == wanted[0]).all(), step
        assert (got[1] == wanted[1]).all(), step
        acc, flags = wanted
        distinct |= set(acc.ravel().tolist())
    assert len(distinct) > 500


def one_sum(advance, mac, left, right):
    """Sum of the products of numbers, one a lane, from zero."""
    a, b = (sim.encode(each, fmt)[None, :, None] for each, fmt in ((left, mac.a), (right, mac.b)))
    zero, frame = np.zeros((1, 1), np.int64), np.full((1, 1), 3, np.uint8)
    return int(advance(zero, np.zeros((1, 1), np.uint8), a, b, frame)[0][0, 0])


def test_aligned_sums_that_cancel_keep_their_last_bit():
    """In any order: 16 products, as many of the other sign, and one of the least weight."""
    pytest.importorskip("numba")
    mac, rng = parse_mac("bf16,acc=aligned:48,lanes=33"), np.random.default_rng(8)
    large = np.full(16, 1.9921875)
    left, right = np.r_[large, 2.0**-48, -large], np.r_[large, 1, large]
    step, wanted = compiled(mac), one_sum(plain(mac), mac, left, right)
    assert wanted != 0
    for _ in range(2000):
        order = rng.permutation(33)
        assert one_sum(step, mac, left[order], right[order]) == wanted


@pytest.mark.parametrize("exponents", [(-700, -600), (-900, -1000), (600, -590), (1000, -1000)])
def test_products_beyond_the_range_of_binary64(exponents):
    mac = parse_mac("e11m4:ieee,acc=aligned:20,lanes=2")
    left, right = (np.full(2, 2.0**exponent) for exponent in exponents)
    assert one_sum(advance(mac), mac, left, right) == one_sum(plain(mac), mac, left, right)


@pytest.mark.parametrize("flow", ["os", "ws"])
def test_product_without_numba_is_the_same(flow):
    spec = parse_array("3x2", "e5m2,acc=fp16", dataflow=flow)
    rng = np.random.default_rng(6)
    a, b = (rng.integers(0, 256, shape).astype(np.uint8) for shape in ((7, 8), (8, 5)))
    with numpy_only():
        got = matmul(a, b, spec)
    assert (got.codes == sim.matmul(a, b, spec.mac)).all()


@pytest.mark.parametrize("flow", ["os", "ws"])
def test_sums_of_77_bits(flow):
    spec = parse_array("2x3", "e5m2,lanes=2", dataflow=flow)
    rng = np.random.default_rng(7)
    a, b = (rng.integers(0, 124, shape).astype(np.uint8) for shape in ((5, 20), (20, 4)))
    got, (wanted, flags) = matmul(a, b, spec), sim.matmul_with_flags(a, b, spec.mac)
    assert abs(wanted).max() > 1 << 63
    assert (got.codes == wanted).all()
    assert (got.flags == flags).all()
    assert got.cycles == spec.cycles(5, 20, 4)


def test_history_is_kept_beyond_its_room():
    """Registers delayed by two and three cycles, in every cycle; views do not change."""
    past, entered, seen = History((2,), 4), [np.zeros(2)] * 4, []
    for cycle in range(2 * ROOM + 7):
        entered.append(np.array([cycle, -cycle]))
        past.put(entered[-1] + 1)
        past.put(entered[-1])
        past.push()
        view = past.view((2, 2), 1, (0, 0), (None, -1))
        wanted = np.array([entered[-2], entered[-3]]).T
        assert (view == wanted).all()
        seen.append((view, wanted))
        assert (past.ago(3) == entered[:-4:-1]).all()
    assert all((view == wanted).all() for view, wanted in seen)
    past.clear()
    assert not past.ago(4).any()


@pytest.mark.parametrize(
    ("rows", "lanes", "cols", "step"), [(4, 1, 5, 1), (3, 2, 2, 3), (1, 1, 1, 2)]
)
def test_compiled_moves_equal_numpy(rows, lanes, cols, step):
    """Sums, their memory and weights, for random control in each column."""
    pytest.importorskip("numba")
    mac, rng, now = parse_mac("e4m3"), np.random.default_rng(8), 40
    ways = [moves(mac)]
    with numpy_only():
        ways.append(moves(mac))
    assert ways[0] != ways[1]
    for _ in range(20):
        acc, words = rng.integers(-99, 99, (rows, cols)), rng.integers(-99, 99, (2, 4, cols))
        flags, (read, before) = (
            rng.integers(0, 4, (rows, cols)).astype(np.uint8),
            rng.integers(0, 4, (2, 2, cols)),
        )
        words[1] &= 3
        control = np.concatenate([rng.integers(0, 2, (50, 4)), rng.integers(0, 4, (50, 2))], axis=1)
        states = [[x.copy() for x in (words, read, before)] for _ in ways]
        results = [
            way.enter(acc, flags, control, now, *state)
            for way, state in zip(ways, states, strict=True)
        ]
        weights, b = (
            rng.integers(0, 256, (3, rows, lanes, cols)),
            rng.integers(0, 256, (50, cols, lanes)),
        )
        swap, load = rng.integers(0, 2, (2, 50)).astype(np.uint8)
        moved = [way.exchange(*weights, b, swap, load, now, now - 1, now + 2, step) for way in ways]
        for got, wanted in zip(
            [*results[0], *states[0], *moved[0]], [*results[1], *states[1], *moved[1]], strict=True
        ):
            assert got.dtype == wanted.dtype
            assert (got == wanted).all()
