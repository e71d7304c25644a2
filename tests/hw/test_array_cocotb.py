# SPDX-License-Identifier: Apache-2.0
"""Generated arrays in an event simulator, against the golden model."""

import pytest

from hw.build import generate
from hw.spec import ArraySpec, parse_array
from tests.cocotb.run import run_bench
from tests.support.specs import ARRAYS, LARGE_ARRAYS, WEIGHT_ARRAYS
from tests.support.tiers import tiers

pytestmark = pytest.mark.cocotb


def wanted_counts(array: ArraySpec, depths: int) -> dict[str, int]:
    """Checks that each test of the bench must have made; ``depths`` tile depths are tried."""
    rows = array.rows
    # Behind the rows of C: A and B were taken together, and none of their beats is left.
    ends = 2
    return {
        # 4 tiles of each depth: value and cycle of every row, and the cycles in all.
        "cycles_without_stalls": depths * (4 * rows + ends + 4 * rows + 1),
        # 6 tiles under each of 4 sets of stalls.
        "random_stalls": 4 * (6 * rows + ends),
        # 6 resets, 2 tiles behind each.
        "reset_in_mid_tile": 6 * (2 * rows + ends),
        # 3 mismatches: a tile and no error; that tile again, a wrong one, another and an error.
        "tlast_mismatch_is_reported": 3 * (rows + ends + 1 + 3 * rows + ends + 1) + 1,
        "two_tiles": 2 * rows + ends,
        "one_operand_alone_waits": 2 * (1 + rows + ends),
    }


def depths_of(array: ArraySpec) -> int:
    """Number of different tile depths: of 1, rows - 1, rows, rows + 1, rows + cols + 3 beats."""
    return min({1: 3, 2: 4}.get(array.rows, 5) + (array.mac.lanes > 1), 5)


#: Of each width of flags, shape, accumulator but the aligned ones (in lockstep with the model in
#: `tests/sim/test_cycle.py`) and kind of output stage; registers, lanes, sums resolved at the edge.
OFTEN = ("1x1:int8", "1x3:e5m2", "2x2:e4m3,lanes=2", "3x2:e4m3,acc=fp16",
         "3x2:int8,acc=int20-sat,pipeline=1", "2x3:int8,pipeline=1,adder=carry-save",
         "4x2:int8,acc=int20,out=int8,scale=pow2,zero_point=yes",
         "1x1:e4m3,acc=fp32,out=bf16,saturate=no")
#: Weight stationary: floating point with registers, exact with flags, lanes, an output stage.
WEIGHTS = ("3x2x5:e4m3,acc=fp16,pipeline=2", "2x3x4:e5m2", "2x2x6:int8,lanes=2,pipeline=3",
           "3x2x5:int8,acc=int20,out=int8,scale=pow2,zero_point=yes",
           "2x3x4:e4m3,out=e4m3,scale=fp32")


@pytest.mark.parametrize("name", tiers(ARRAYS, OFTEN))
def test_array_matches_golden(name, tmp_path):
    array = ARRAYS[name]
    manifest = generate(array, tmp_path / "rtl")
    counts = run_bench(manifest, "tb_array", tmp_path / "run")
    assert counts == wanted_counts(array, depths_of(array))


@pytest.mark.parametrize("name", tiers(LARGE_ARRAYS, ["12x10:e2m1"]))
def test_large_array_matches_golden(name, tmp_path):
    array = LARGE_ARRAYS[name]
    manifest = generate(array, tmp_path / "rtl")
    counts = run_bench(manifest, "tb_array", tmp_path / "run", tests=["two_tiles"])
    assert counts == {"two_tiles": 2 * array.rows + 2}


@pytest.mark.parametrize("spelling", tiers(["2x2:e5m2", "2x1:e2m1xe5m2"], ["2x1:e2m1xe5m2"]))
def test_array_matches_golden_in_verilator(spelling, tmp_path):
    array = parse_array(*spelling.split(":"))
    manifest = generate(array, tmp_path / "rtl")
    counts = run_bench(manifest, "tb_array", tmp_path / "run", simulator="verilator")
    assert counts == wanted_counts(array, depths_of(array))


@pytest.mark.parametrize("name", tiers(WEIGHTS, WEIGHTS[:-1]))
def test_weight_stationary_array_matches_golden(name, tmp_path):
    array = WEIGHT_ARRAYS[name]
    step = array.rows * array.mac.lanes
    shapes = [(1, 1, 1), (max(1, array.rows - 1), 3 * step - 1, array.cols),
              (array.rows, 2 * step, 1), (array.depth + 2, step + 1, array.cols + 1)]
    # A row of C for each row of a product and column of tiles.
    rows = [m * -(-n // array.cols) for m, _, n in shapes]
    counts = run_bench(generate(array, tmp_path / "rtl"), "tb_array", tmp_path / "run")
    # Behind the rows of C: none of the operands is left; the cycles of the first and last one.
    assert counts == {"cycles_without_stalls": sum(rows) + 3 * len(shapes),
                      "random_stalls": 4 * (sum(rows) + 1),
                      "reset_in_mid_tile": 6 * (rows[-1] + 1)}
