# SPDX-License-Identifier: Apache-2.0
"""Tensor-core MACs: compiled RTL against recorded results and against the model."""

import numpy as np
import pytest

import sim
from hw.spec import parse_mac
from tests.support.mac_rtl import check_walks, compiled_mac, sums_by_step
from tests.support.specs import ALIGNED_MACS
from tests.support.stored import NAMES, recorded
from tests.support.tiers import tiers

#: Wide and narrow windows, integers with registers; presets are held to what was recorded.
OFTEN = ("e5m2,acc=aligned:25,lanes=3", "e5m2,acc=aligned:1",
         "int8,acc=aligned:9,lanes=4,pipeline=2", "e4m3:fn-dazxe5m2,acc=aligned:13,lanes=3")


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
        assert not wrong.size, (f"{name}: {got[tuple(wrong[0])]:#x} != "
                                f"{wanted[tuple(wrong[0])]:#x} (recorded) in {wrong[0]}")
        checked += wanted.size
    assert checked == 5 * 64 * 64


@pytest.mark.parametrize("spelling", tiers(ALIGNED_MACS, OFTEN))
def test_mac_equals_the_model_behind_every_step(tmp_path, spelling):
    check_walks(ALIGNED_MACS[spelling], tmp_path, seed=30)


def test_mac_chains_groups_along_k(tmp_path):
    """K of 32 groups, all in one accumulator: beyond the recorded lengths."""
    mac = parse_mac("e5m2xe4m3", acc="hopper")
    model = compiled_mac(mac, tmp_path)
    rng = np.random.default_rng(31)
    a, b = (sim.encode(rng.normal(size=shape) * 8, fmt)
            for shape, fmt in (((40, 1024), mac.a), ((1024, 40), mac.b)))
    got = sums_by_step(mac, model, a, b)
    assert (got[..., -1] == sim.matmul(a, b, mac)).all()
    assert np.unique(got[..., -1]).size > 1000
