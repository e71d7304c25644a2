# SPDX-License-Identifier: Apache-2.0
"""Generated MACs in an event simulator, against the golden model."""

import pytest

from hw.build import generate
from tests.cocotb.run import run_bench
from tests.support.specs import EXHAUSTED_MACS, FLOAT_MACS, MACS, VARIED_MACS
from tests.support.tiers import tiers

pytestmark = pytest.mark.cocotb

#: Narrow accumulators, whose ends are near: two sums for each end, and uint8 has but one.
ENDS = {"int8,acc=int17": 4, "int8,acc=int20-sat": 4, "e2m3,acc=exact:1": 4, "uint8": 2,
        "int4,acc=int9,adder=carry-save": 4, "e4m3,acc=fx40m18s": 4, "e4m3,acc=fx32m10": 4,
        "e5m2,acc=fx48m12t": 4, "e4m3,acc=fp16": 4, "e5m2xe4m3,acc=fp16-sat": 4}
#: Floating-point accumulators that go through the bench; all go through compiled RTL.
FLOATING = ("e4m3,acc=fp16", "e5m2xe4m3,acc=fp16-sat", "e5m2,acc=fp16,lanes=2,pipeline=3")


def wanted_counts(name: str) -> dict[str, int]:
    """Checks that each test of the bench must have made."""
    mac = (MACS | FLOAT_MACS)[name]
    return {
        "every_product": 2 ** (mac.a.width + mac.b.width),
        "every_pair_in_sums": 512,
        "short_sums": 300,
        "both_ends": ENDS.get(name, 4),
        # With one register on its way, a sum that ended just before reset is out already.
        "reset_in_mid_sum": 60 if mac.latency > 1 else 90,
    }


#: Special codes of two policies, both signs, sums that saturate, are rounded and in floating point,
#: registers, lanes, each adder and multiplier.
OFTEN = ("int8,acc=int20-sat", "e4m3,acc=fx40m18s", "e4m3fnuz", "int8,pipeline=3", "int8,lanes=4",
         "uint8xint8,multiplier=array",
         "e2m5,multiplier=booth", "int8,adder=prefix",
         "e4m3,lanes=2,adder=inferred,multiplier=inferred", "int4,acc=int9,adder=carry-save",
         "e4m3,acc=fp16")


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", tiers(EXHAUSTED_MACS, ["int8"]))
def test_mac_matches_golden_on_every_pair(name, tmp_path):
    manifest = generate(MACS[name], tmp_path / "rtl")
    assert run_bench(manifest, "tb_mac", tmp_path / "run") == wanted_counts(name)


@pytest.mark.parametrize("name", tiers((*VARIED_MACS, *FLOATING), OFTEN))
def test_mac_matches_golden_in_sums(name, tmp_path):
    manifest = generate((MACS | FLOAT_MACS)[name], tmp_path / "rtl")
    tests = ["short_sums", "reset_in_mid_sum", *(["both_ends"] if name in ENDS else [])]
    counts = run_bench(manifest, "tb_mac", tmp_path / "run", tests=tests)
    assert counts == {test: wanted_counts(name)[test] for test in tests}


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", VARIED_MACS)
def test_varied_mac_matches_golden_on_every_pair(name, tmp_path):
    tests = ("every_product", "every_pair_in_sums")
    manifest = generate(MACS[name], tmp_path / "rtl")
    counts = run_bench(manifest, "tb_mac", tmp_path / "run", tests=tests)
    assert counts == {test: wanted_counts(name)[test] for test in tests}


@pytest.mark.slow  # In every run an array goes through this simulator.
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["e4m3xe5m2"])
def test_mac_matches_golden_in_verilator(name, tmp_path):
    manifest = generate(MACS[name], tmp_path / "rtl")
    counts = run_bench(manifest, "tb_mac", tmp_path / "run", simulator="verilator")
    assert counts == wanted_counts(name)
