# SPDX-License-Identifier: Apache-2.0
"""Floating-point and tensor-core MACs: compiled RTL against model, host and recorded results."""

import numpy as np
import pytest

import sim
from hw.mac.align_window import AlignWindow
from hw.mac.fixed_window import FixedWindow
from hw.spec import parse_mac
from sim import golden
from synth.flow import design
from tests.exhaustive.states import check_every_state
from tests.support.float_steps import (
    compile_step,
    product_classes,
    random_accumulators,
    wanted_codes,
)
from tests.support.mac_rtl import check_walks, compiled_mac, sums_by_step
from tests.support.specs import ALIGNED_MACS, FLOAT_MACS
from tests.support.stored import NAMES, recorded
from tests.support.tiers import tiers

#: Each accumulator, rounding and overflow, operands of 8 and 16 bits, integers, lanes, registers,
#: adders, multipliers.
OFTEN = (
    "e4m3,acc=fp16",
    "e4m3,acc=fp32",
    "e5m2,acc=fp32,pipeline=1",
    "int8,acc=fp16",
    "uint8,acc=bf16-rtz",
    "e5m2xe4m3,acc=fp16-sat",
    "e5m2,acc=e3m4-ftz",
    "int8,acc=bf16,lanes=3",
    "e4m3,acc=fp16,adder=prefix",
    "e4m3,acc=fp16,adder=inferred,multiplier=inferred",
    "bf16,acc=fp32,multiplier=booth",
)
#: Wide and narrow windows, integers with registers; presets are compared with recorded results.
OFTEN_ALIGNED = (
    "e5m2,acc=aligned:25,lanes=3",
    "e5m2,acc=aligned:1",
    "int8,acc=aligned:9,lanes=4,pipeline=2",
    "e4m3:fn-dazxe5m2,acc=aligned:13,lanes=3",
)
#: Units for which every pair of codes can be tried.
NARROW = [
    spelling
    for spelling, spec in FLOAT_MACS.items()
    if spec.lanes == 1 and spec.a.width + spec.b.width <= 16
]


@pytest.mark.parametrize("spelling", tiers(FLOAT_MACS | ALIGNED_MACS, OFTEN + OFTEN_ALIGNED))
def test_mac_equals_the_model_after_every_step(tmp_path, spelling):
    check_walks(
        (FLOAT_MACS | ALIGNED_MACS)[spelling], tmp_path, seed=20 if spelling in FLOAT_MACS else 30
    )


@pytest.mark.parametrize("spelling", tiers(NARROW, set(NARROW) & set(OFTEN)))
def test_mac_starts_from_zero_with_every_pair(tmp_path, spelling):
    spec = FLOAT_MACS[spelling]
    model = compiled_mac(spec, tmp_path)
    a, b = (np.arange(1 << fmt.width, dtype=np.uint64) for fmt in (spec.a, spec.b))
    a, b = a[:, None], b[None]
    got = sums_by_step(spec, model, a, b)[..., 0]
    assert got.size == 1 << spec.a.width + spec.b.width
    wanted = sim.matmul(a, b, spec)
    wrong = np.argwhere(got != wanted)
    assert not wrong.size, (
        f"{got[tuple(wrong[0])]:#x} != {wanted[tuple(wrong[0])]:#x} (model) "
        f"for the codes {wrong[0]}"
    )


@pytest.mark.parametrize(
    "spelling",
    tiers(
        [
            "e4m3,acc=fp16",
            "e4m3,acc=bf16",
            "e5m2,acc=fp16",
            "e5m2,acc=fp16-rtz",
            "e5m2,acc=fp16-sat-ftz",
            "int8,acc=bf16",
            "e3m4,acc=fp16",
            "e4m3:fn-daz,acc=fp16",
            "e5m2:ieee-dazxe4m3,acc=fp16",
            "int8,acc=fp16",
            "int8xuint8,acc=fp16-sat",
            "int8,acc=fp16-rtz",
        ],
        ["e4m3,acc=bf16", "e5m2,acc=fp16-sat-ftz", "e4m3:fn-daz,acc=fp16", "int8,acc=fp16-rtz"],
    ),
)
def test_step_equals_the_host_for_every_accumulator(tmp_path, spelling):
    # All products: tests/exhaustive.
    outcome = check_every_state(parse_mac(spelling), tmp_path, limit=12)
    assert outcome.wrong == 0, outcome.conditions
    assert outcome.counts["states"][0] >= 12 * 4_000, outcome.counts


def check_random(spec, model, seed, count):
    """Random operands and accumulators close to them."""
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(0, 1 << fmt.width, count).astype(np.uint64) for fmt in (spec.a, spec.b))
    acc = random_accumulators(spec, rng, a, b)
    got = model.run({"i_acc": acc, "i_a": a, "i_b": b})["o_acc"]
    wrong = np.flatnonzero(got != wanted_codes(spec, acc, a, b))
    assert not wrong.size, (
        f"seed {seed}: {got[wrong[0]]:#x} for accumulator {acc[wrong[0]]:#x} "
        f"and the codes {a[wrong[0]]:#x}, {b[wrong[0]]:#x}"
    )
    assert len(np.unique(got)) > count // 8


WIDE = [
    "e4m3,acc=fp32",
    "e3m4,acc=fp32",
    "int8,acc=fp32",
    "e4m3,acc=fp32-rtz",
    "e4m3:fn-daz,acc=fp32",
]


@pytest.mark.parametrize(
    "spelling", tiers(WIDE, ["e4m3,acc=fp32", "int8,acc=fp32", "e4m3,acc=fp32-rtz"])
)
def test_step_equals_the_host_for_random_accumulators(tmp_path, spelling):
    spec = parse_mac(spelling)
    check_random(spec, compile_step(spec, tmp_path), 22, 1 << 17)


@pytest.mark.slow
@pytest.mark.parametrize("spelling", WIDE)
def test_step_equals_the_host_for_ten_million_accumulators(tmp_path, spelling):
    spec = parse_mac(spelling)
    model = compile_step(spec, tmp_path, "-O2")
    for seed in range(10):
        check_random(spec, model, seed, 1 << 20)


@pytest.mark.parametrize(
    "spelling",
    [
        "e2m1,acc=e5m2",
        "e4m3,acc=e5m2",
        "e5m2,acc=e5m2-ftz",
        "e2m1,acc=e3m4-rtz",
        "int4,acc=e3m4-sat",
        "e3m2,acc=e3m4",
        "e5m2fnuz,acc=e5m2-sat-ftz",
    ],
)
def test_frame_holds_every_code_that_can_be_reached(spelling):
    spec = parse_mac(spelling)
    frame, classes = AlignWindow(spec), product_classes(spec)
    classes = classes[:: max(1, len(classes) // 200)]
    reached, pending = {0}, [0]
    while pending:
        acc = pending.pop()
        sums = {golden.Mac(spec, acc=acc).step([a], [b]) for a, b in classes}
        pending += sums - reached
        reached |= sums
    assert len(reached) > 8
    assert all(frame.holds(code) for code in reached)


def test_frame_needs_no_more_than_the_operands_can_do():
    fp16, fp32, exact = (
        AlignWindow(parse_mac(text)) for text in ("e4m3,acc=fp16", "e4m3,acc=fp32", "int8,acc=fp32")
    )
    assert (fp16.width, fp16.exp_bits, fp16.clamps, fp16.overflows) == (13, 5, True, True)
    assert (fp32.width, fp32.exp_bits, fp32.clamps, fp32.overflows) == (26, 7, False, False)
    assert (fp16.shape.leads, fp32.shape.leads, exact.shape.ragged) == (True, False, 14)
    assert not fp16.has_minus_zero
    assert AlignWindow(parse_mac("e5m2,acc=fp16")).has_minus_zero


@pytest.mark.parametrize(
    ("spelling", "width"),
    [
        ("int8,acc=fp16", 17),
        ("uint8,acc=fp16-rtz", 17),
        ("int8,acc=fp16,lanes=4", 17),
        ("int4,acc=e3m4-sat", 8),
        ("e2m1,acc=e3m4-sat", 8),
        # Too many columns, NaN among the operands, a sum that rounds to minus zero.
        ("int8,acc=fp32", None),
        ("e4m3,acc=fp16", None),
        ("e2m5,acc=e3m4", None),
        ("e2m3,acc=e3m4", None),
    ],
)
def test_fixed_window_is_used_if_it_has_few_columns(spelling, width):
    window = FixedWindow(AlignWindow(parse_mac(spelling)))
    assert (window.width if window.is_worth_it else None) == width


@pytest.mark.synth
@pytest.mark.parametrize(
    ("spelling", "bar"),
    [("e4m3,acc=fp16", 800), ("e4m3,acc=fp32", 1336), ("int8,acc=fp16-sat", 911)],
)
def test_gates_stay_within_the_bar(spelling, bar):
    found = design.count_mac(parse_mac(spelling)).two_input
    assert bar // 2 < found <= bar


@pytest.mark.parametrize("pair", tiers(["e4m3_e4m3", "e4m3_e5m2", "e5m2_e4m3"], ["e5m2_e4m3"]))
def test_mac_gives_every_recorded_bit(tmp_path, pair):
    names = [name for name in NAMES if name.startswith(pair)]
    assert len(names) == 5
    model = compiled_mac(recorded(names[0])[0], tmp_path)
    checked = 0
    for name in names:
        mac, a, b, wanted = recorded(name)
        got = sums_by_step(mac, model, a, b)[..., -1]
        wrong = np.argwhere(got != wanted)
        assert not wrong.size, (
            f"{name}: {got[tuple(wrong[0])]:#x} != "
            f"{wanted[tuple(wrong[0])]:#x} (recorded) in {wrong[0]}"
        )
        checked += wanted.size
    assert checked == 5 * 64 * 64


def test_mac_chains_groups_along_k(tmp_path):
    """K of 32 groups, all in one accumulator: beyond the recorded lengths."""
    mac = parse_mac("e5m2xe4m3", acc="hopper")
    model = compiled_mac(mac, tmp_path)
    rng = np.random.default_rng(31)
    a, b = (
        sim.encode(rng.normal(size=shape) * 8, fmt)
        for shape, fmt in (((40, 1024), mac.a), ((1024, 40), mac.b))
    )
    got = sums_by_step(mac, model, a, b)
    assert (got[..., -1] == sim.matmul(a, b, mac)).all()
    assert np.unique(got[..., -1]).size > 1000
