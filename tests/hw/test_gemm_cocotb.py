# SPDX-License-Identifier: Apache-2.0
"""Generated GEMM engines in an event simulator, against the golden model, over both buses."""

import pytest

from hw.build import generate
from hw.spec import GemmSpec
from tests.cocotb.run import run_bench
from tests.support.specs import GEMMS, WEIGHT_GEMMS
from tests.support.tiers import tiers

pytestmark = pytest.mark.cocotb

#: One of each bus and dataflow, lanes.
FAST = ("3x2x4:e4m3,acc=fp16:axi4lite:50x33x70", "2x3:int4,acc=int12,lanes=3:wishbone:24x40x24")
SLOW = ("3x2:e4m3,acc=fp16:axi4lite:50x70x33", "2x3:e4m3,acc=fp16,lanes=3:wishbone:24x40x24",
        "2x3x5:e4m3,acc=fp16-rtz,lanes=3,pipeline=4:wishbone:40x24x24",
        "4x4:int8:axi4lite:64x64x64", "4x4:e4m3:wishbone:64x48x40")


def wanted_counts(spec: GemmSpec) -> dict[str, int]:
    """Checks that each test of the bench must have made."""
    cols, high = spec.array.cols, spec.array.schedule.height
    sizes = [(1, 1), (high, cols), (high + 1, cols + 1), (2 * high + 1, 1), (1, 2 * cols + 1)]
    words = [m * -(-n // cols) for m, n in sizes]
    # Four writes to start; interrupt, status, errors, cycles; acknowledged, interrupt gone.
    around = 4 + 4 + 2
    return {
        "products_with_random_waits": 2 * (sum(words) + around * len(sizes)),
        "back_to_back": 4 + 3 * 6 + 4 + words[2] + words[1] + around,
        # 7 accesses: refused, told, cleared.
        "busy_engine_refuses": 7 * (3 + around + high + 1),
        "reset_in_mid_product": 4 * (4 + 6 + around + words[2]),
        # 4 settings, 5 starts: four writes, errors, status, interrupt, interrupt gone.
        "interrupt_tells_what_is_enabled": 4 * 5 * 8,
    }


@pytest.mark.parametrize("name", tiers((*FAST, *SLOW), FAST))
def test_engine_matches_golden(name, tmp_path):
    spec = (GEMMS | WEIGHT_GEMMS)[name]
    counts = run_bench(generate(spec, tmp_path / "rtl"), "tb_gemm", tmp_path / "run")
    assert counts == wanted_counts(spec)
