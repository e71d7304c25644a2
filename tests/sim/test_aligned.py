# SPDX-License-Identifier: Apache-2.0
"""Tensor-core accumulation: recorded results, both models against each other, cases by hand."""

import numpy as np
import pytest

import sim
from hw.spec import CATALOG, parse_mac
from tests.support.stored import NAMES, recorded
from tests.support.tiers import tiers

FP32 = CATALOG["fp32"]


def test_recorded_sets_are_there():
    assert len(NAMES) == 15
    assert {name.rpartition("_")[2] for name in NAMES} == {"k32", "k64"}


@pytest.mark.parametrize("backend", ["fast", "vector"])
@pytest.mark.parametrize("name", NAMES)
def test_model_gives_the_recorded_bits(name, backend):
    mac, a, b, want = recorded(name)
    np.testing.assert_array_equal(sim.matmul(a, b, mac, backend=backend), want)


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("k32")])
def test_plain_model_gives_the_recorded_bits(name):
    mac, a, b, want = recorded(name)
    np.testing.assert_array_equal(sim.matmul(a[:16], b, mac, backend="golden"), want[:16])


@pytest.mark.parametrize(
    "wrong",
    ["acc=aligned:12,lanes=32", "acc=aligned:14,lanes=32", "acc=ada", "acc=blackwell", "acc=fp32"],
)
def test_recorded_bits_distinguish_variants(wrong):
    """The recorded results distinguish the right model from similar ones."""
    mac, a, b, want = recorded("e4m3_e4m3_bits_k64")
    got = sim.matmul(a, b, parse_mac(f"{mac.pair},{wrong}"))
    assert 0.01 < np.mean(got != want)


def finite(rng, fmt, shape):
    """Codes of finite values, those of middling magnitude the most frequent."""
    magnitude = np.clip(rng.normal(fmt.max_code / 2, fmt.max_code / 16 + 1, shape), 0, fmt.max_code)
    return magnitude.astype(np.uint32) | rng.choice([0, fmt.sign_code], shape).astype(np.uint32)


#: Presets, windows narrower and wider than a product, integers, operands of 16 bits.
OFTEN = (
    "e5m2,acc=hopper",
    "e5m2xe4m3,acc=blackwell",
    "e4m3,acc=aligned:3,lanes=5",
    "e5m2,acc=aligned:1",
    "int8,acc=aligned:13,lanes=4",
    "bf16,acc=aligned:25,lanes=4",
)


@pytest.mark.parametrize(
    "spelling",
    tiers(
        (
            *OFTEN,
            "e4m3,acc=hopper",
            "e4m3,acc=ada",
            "e2m1,acc=aligned:20,lanes=8",
            "fp16,acc=aligned:16,lanes=2",
            "e3m4xint4,acc=aligned:9,lanes=3",
            "binary8p3e,acc=aligned:13,lanes=2",
        ),
        OFTEN,
    ),
)
def test_twin_equals_the_plain_model(spelling):
    mac = parse_mac(spelling)
    rng = np.random.default_rng(1)
    a = rng.integers(0, 1 << mac.a.width, (24, 70), np.uint32)
    b = rng.integers(0, 1 << mac.b.width, (70, 24), np.uint32)
    # Special values would dominate most sums, so some rows and columns have none.
    a[:16], b[:, :16] = finite(rng, mac.a, (16, 70)), finite(rng, mac.b, (70, 16))
    got = sim.matmul(a, b, mac, backend="vector")
    np.testing.assert_array_equal(got, sim.matmul(a, b, mac, backend="golden"))
    assert np.unique(got).size > 20


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        ([256.0, 2.0**-6], [448.0, 2.0**-6], 114688.0),  # The small product lies below the window.
        ([1.0, 2.0**-7], [1.0, 2.0**-6], 1.0 + 2.0**-13),  # The last place of the window.
        ([1.0, 2.0**-7], [1.0, 2.0**-7], 1.0),
        ([1.0, -(2.0**-7)], [1.0, 2.0**-7], 1.0),  # Truncated toward zero, not down.
        ([1.75, 1.75, 2.0**-7], [1.75, 1.75, 2.0**-6], 6.125),  # The sum is truncated.
        ([1.0, -1.0, 0.0], [1.0, 1.0, -1.0], 0.0),
    ],
)
def test_hopper_by_hand(a, b, want):
    e4m3 = CATALOG["e4m3"]
    got = sim.dot(sim.encode(a, e4m3), sim.encode(b, e4m3), parse_mac("e4m3", acc="hopper"))
    assert sim.decode(got, FP32) == want
    assert got != FP32.sign_code


@pytest.mark.parametrize(
    ("a", "b", "want"),
    [
        ([0x7F], [0x00], 0x7FFFFFFF),  # NaN
        ([0x7C], [0x00], 0x7FFFFFFF),  # Inf * 0
        ([0x7C, 0x7C], [0x3C, 0xBC], 0x7FFFFFFF),  # Inf - Inf
        ([0x7C, 0x3C], [0x3C, 0x3C], 0x7F800000),
        ([0xFC, 0x3C], [0x3C, 0x3C], 0xFF800000),
    ],
)
def test_specials_by_hand(a, b, want):
    got = sim.dot(np.array(a), np.array(b), parse_mac("e5m2", acc="hopper"))
    assert hex(got) == hex(want)


def test_overflow_is_infinite():
    bf16 = CATALOG["bf16"]
    big = sim.encode([3e38, 3e38], bf16)
    mac = parse_mac("bf16,acc=aligned:25,lanes=2")
    assert sim.dot(big, sim.encode([1.0, 1.0], bf16), mac) == FP32.inf_code
    assert sim.dot(big, sim.encode([-1.0, -1.0], bf16), mac) == FP32.inf_code | FP32.sign_code
