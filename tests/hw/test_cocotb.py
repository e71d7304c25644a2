# SPDX-License-Identifier: Apache-2.0
"""Benches of generated Verilog in an event simulator, compared with the model."""

import pytest

from hw.build import generate
from hw.spec import ArraySpec, GemmSpec, parse_spec
from tests.cocotb.run import run_bench
from tests.support.boards import BOARD
from tests.support.specs import (
    ARRAYS,
    EXHAUSTED_MACS,
    FLOAT_MACS,
    GEMMS,
    LARGE_ARRAYS,
    MACS,
    VARIED_MACS,
    WEIGHT_ARRAYS,
    WEIGHT_GEMMS,
)
from tests.support.tiers import tiers

pytestmark = pytest.mark.cocotb

#: Narrow accumulators, whose ends are near: two sums for each end, and uint8 has but one.
ENDS = {
    "int8,acc=int17": 4,
    "int8,acc=int20-sat": 4,
    "e2m3,acc=exact:1": 4,
    "uint8": 2,
    "int4,acc=int9,adder=carry-save": 4,
    "e4m3,acc=fx40m18s": 4,
    "e4m3,acc=fx32m10": 4,
    "e5m2,acc=fx48m12t": 4,
    "e4m3,acc=fp16": 4,
    "e5m2xe4m3,acc=fp16-sat": 4,
}
#: Floating-point accumulators that go through the bench; all go through compiled RTL.
FLOATING = ("e4m3,acc=fp16", "e5m2xe4m3,acc=fp16-sat", "e5m2,acc=fp16,lanes=2,pipeline=3")


def mac_counts(name: str) -> dict[str, int]:
    """Checks that each test of the bench must have made."""
    mac = (MACS | FLOAT_MACS)[name]
    return {
        "every_product": 2 ** (mac.a.width + mac.b.width),
        "every_pair_in_sums": 512,
        "short_sums": 300,
        "both_ends": ENDS.get(name, 4),
        # With one register, a sum that ended just before the reset is already at the output.
        "reset_in_mid_sum": 60 if mac.latency > 1 else 90,
    }


#: Special codes of two policies, both signs, sums that saturate, are rounded and in floating point,
#: registers, lanes, each adder and multiplier.
OFTEN_MACS = (
    "int8,acc=int20-sat",
    "e4m3,acc=fx40m18s",
    "e4m3fnuz",
    "int8,pipeline=3",
    "int8,lanes=4",
    "uint8xint8,multiplier=array",
    "e2m5,multiplier=booth",
    "int8,adder=prefix",
    "e4m3,lanes=2,adder=inferred,multiplier=inferred",
    "int4,acc=int9,adder=carry-save",
    "e4m3,acc=fp16",
)


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", tiers(EXHAUSTED_MACS, ["int8"]))
def test_mac_matches_golden_on_every_pair(name, tmp_path):
    manifest = generate(MACS[name], tmp_path / "rtl")
    assert run_bench(manifest, "tb_mac", tmp_path / "run") == mac_counts(name)


@pytest.mark.parametrize("name", tiers((*VARIED_MACS, *FLOATING), OFTEN_MACS))
def test_mac_matches_golden_in_sums(name, tmp_path):
    manifest = generate((MACS | FLOAT_MACS)[name], tmp_path / "rtl")
    tests = ["short_sums", "reset_in_mid_sum", *(["both_ends"] if name in ENDS else [])]
    counts = run_bench(manifest, "tb_mac", tmp_path / "run", tests=tests)
    assert counts == {test: mac_counts(name)[test] for test in tests}


@pytest.mark.slow
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", VARIED_MACS)
def test_varied_mac_matches_golden_on_every_pair(name, tmp_path):
    tests = ("every_product", "every_pair_in_sums")
    manifest = generate(MACS[name], tmp_path / "rtl")
    counts = run_bench(manifest, "tb_mac", tmp_path / "run", tests=tests)
    assert counts == {test: mac_counts(name)[test] for test in tests}


@pytest.mark.slow  # In every run an array goes through this simulator.
@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["e4m3xe5m2"])
def test_mac_matches_golden_in_verilator(name, tmp_path):
    manifest = generate(MACS[name], tmp_path / "rtl")
    counts = run_bench(manifest, "tb_mac", tmp_path / "run", simulator="verilator")
    assert counts == mac_counts(name)


def array_counts(array: ArraySpec, depths: int) -> dict[str, int]:
    """Checks that each test of the bench must have made; ``depths`` tile depths are tried."""
    rows = array.rows
    # After the rows of C: A and B were taken together, and none of their beats is left.
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
OFTEN_ARRAYS = (
    "int8,array=1x1",
    "e5m2,array=1x3",
    "e4m3,lanes=2,array=2x2",
    "e4m3,acc=fp16,array=3x2",
    "int8,acc=int20-sat,pipeline=1,array=3x2",
    "int8,pipeline=1,adder=carry-save,array=2x3",
    "int8,acc=int20,array=4x2,out=int8,scale=pow2,zero_point=yes",
    "e4m3,acc=fp32,array=1x1,out=bf16,saturate=no",
)
#: Weight stationary: floating point with registers, exact with flags, lanes, an output stage.
WEIGHTS = (
    "e4m3,acc=fp16,pipeline=2,array=3x2,dataflow=ws,depth=5",
    "e5m2,array=2x3,dataflow=ws,depth=4",
    "int8,lanes=2,pipeline=3,array=2x2,dataflow=ws,depth=6",
    "int8,acc=int20,array=3x2,dataflow=ws,depth=5,out=int8,scale=pow2,zero_point=yes",
    "e4m3,array=2x3,dataflow=ws,depth=4,out=e4m3,scale=fp32",
)


@pytest.mark.parametrize("name", tiers(ARRAYS, OFTEN_ARRAYS))
def test_array_matches_golden(name, tmp_path):
    array = ARRAYS[name]
    manifest = generate(array, tmp_path / "rtl")
    counts = run_bench(manifest, "tb_array", tmp_path / "run")
    assert counts == array_counts(array, depths_of(array))


@pytest.mark.parametrize("name", tiers(LARGE_ARRAYS, ["e2m1,array=12x10"]))
def test_large_array_matches_golden(name, tmp_path):
    array = LARGE_ARRAYS[name]
    manifest = generate(array, tmp_path / "rtl")
    counts = run_bench(manifest, "tb_array", tmp_path / "run", tests=["two_tiles"])
    assert counts == {"two_tiles": 2 * array.rows + 2}


@pytest.mark.parametrize(
    "spelling", tiers(["e5m2,array=2x2", "e2m1xe5m2,array=2x1"], ["e2m1xe5m2,array=2x1"])
)
def test_array_matches_golden_in_verilator(spelling, tmp_path):
    array = parse_spec(spelling)
    manifest = generate(array, tmp_path / "rtl")
    counts = run_bench(manifest, "tb_array", tmp_path / "run", simulator="verilator")
    assert counts == array_counts(array, depths_of(array))


@pytest.mark.parametrize("name", tiers(WEIGHTS, WEIGHTS[:-1]))
def test_weight_stationary_array_matches_golden(name, tmp_path):
    array = WEIGHT_ARRAYS[name]
    step = array.rows * array.mac.lanes
    shapes = [
        (1, 1, 1),
        (max(1, array.rows - 1), 3 * step - 1, array.cols),
        (array.rows, 2 * step, 1),
        (array.depth + 2, step + 1, array.cols + 1),
    ]
    # A row of C for each row of a product and column of tiles.
    rows = [m * -(-n // array.cols) for m, _, n in shapes]
    counts = run_bench(generate(array, tmp_path / "rtl"), "tb_array", tmp_path / "run")
    # After the rows of C: no operands are left; the cycles of the first and last one.
    assert counts == {
        "cycles_without_stalls": sum(rows) + 3 * len(shapes),
        "random_stalls": 4 * (sum(rows) + 1),
        "reset_in_mid_tile": 6 * (rows[-1] + 1),
    }


#: One of each bus and dataflow, lanes.
FAST_ENGINES = (
    "e4m3,acc=fp16,array=3x2,dataflow=ws,depth=4,depths=50x33x70,bus=axi4lite",
    "int4,acc=int12,lanes=3,array=2x3,depths=24x40x24,bus=wishbone",
)
SLOW = (
    "e4m3,acc=fp16,array=3x2,depths=50x70x33,bus=axi4lite",
    "e4m3,acc=fp16,lanes=3,array=2x3,depths=24x40x24,bus=wishbone",
    (
        "e4m3,acc=fp16-rtz,lanes=3,pipeline=4,array=2x3,dataflow=ws,depth=5,depths=40x24x24,"
        "bus=wishbone"
    ),
    "int8,array=4x4,depths=64x64x64,bus=axi4lite",
    "e4m3,array=4x4,depths=64x48x40,bus=wishbone",
)


def engine_counts(spec: GemmSpec) -> dict[str, int]:
    """Checks that each test of the bench must have made."""
    cols, high = spec.array.cols, spec.array.schedule.height
    sizes = [(1, 1), (high, cols), (high + 1, cols + 1), (2 * high + 1, 1), (1, 2 * cols + 1)]
    words = [m * -(-n // cols) for m, n in sizes]
    # Four writes to start; interrupt, status, errors, cycles; acknowledged, interrupt gone.
    around = 4 + 4 + 2
    return {
        "products_with_random_waits": 2 * (sum(words) + around * len(sizes)),
        "back_to_back": 4 + 3 * 6 + 4 + words[2] + words[1] + around,
        # 7 accesses: refused, reported, cleared.
        "busy_engine_refuses": 7 * (3 + around + high + 1),
        "reset_in_mid_product": 4 * (4 + 6 + around + words[2]),
        # 4 settings, 5 starts: four writes, errors, status, interrupt, interrupt gone.
        "interrupt_tells_what_is_enabled": 4 * 5 * 8,
    }


@pytest.mark.parametrize("name", tiers((*FAST_ENGINES, *SLOW), FAST_ENGINES))
def test_engine_matches_golden(name, tmp_path):
    spec = (GEMMS | WEIGHT_GEMMS)[name]
    counts = run_bench(generate(spec, tmp_path / "rtl"), "tb_gemm", tmp_path / "run")
    assert counts == engine_counts(spec)


#: Checks that each test of the bench makes.
NOISE_COUNTS = {
    "line_noise": 60,
    "wrong_check": 30,
    "byte_without_a_stop_bit": 5,
    "cut_in_mid_frame": 48,
    "reset_in_mid_transfer": 36,
    "full_buffer": 12,
}
#: The shortest of them.
FAST_NOISE = ("byte_without_a_stop_bit",)


@pytest.mark.parametrize(
    "names",
    [
        FAST_NOISE,
        pytest.param(
            tuple(name for name in NOISE_COUNTS if name not in FAST_NOISE), marks=pytest.mark.slow
        ),
    ],
    ids=["fast", "slow"],
)
def test_line_reports_every_loss(names, tmp_path):
    manifest = generate(BOARD, tmp_path)
    counts = run_bench(manifest, "tb_board", tmp_path / "run", tests=list(names))
    assert counts == {name: NOISE_COUNTS[name] for name in names}
