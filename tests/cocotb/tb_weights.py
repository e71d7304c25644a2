# SPDX-License-Identifier: Apache-2.0
"""A weight-stationary array against the golden model. Runs inside a simulator."""

import cocotb

from tests.cocotb.design import Design
from tests.cocotb.weight_bench import A, B, C, WeightBench

ARRAY = Design.load().array
STEP = ARRAY.rows * ARRAY.mac.lanes
#: One product; several passes of few rows, of as many as the array has, of more than the memory
#: holds; several columns of tiles.
SHAPES = [(1, 1, 1), (max(1, ARRAY.rows - 1), 3 * STEP - 1, ARRAY.cols), (ARRAY.rows, 2 * STEP, 1),
          (ARRAY.depth + 2, STEP + 1, ARRAY.cols + 1)]
#: Chances of a pause on A, B and C.
STALLS = [(0.5, 0.1, 0.0), (0.1, 0.6, 0.2), (0.0, 0.0, 0.9), (0.4, 0.4, 0.4)]
RESETS = 6


def beats(shape: tuple[int, int, int]) -> int:
    """Beats of C of a product."""
    return ARRAY.stream_beats(*shape).c


@cocotb.test
async def cycles_without_stalls(dut):
    """Products of several shapes: values, and cycles by the closed form."""
    bench = WeightBench(dut, "cycles_without_stalls", seed=21)
    await bench.start()
    for shape in SHAPES:
        await bench.reset()
        bench.product(*shape)
        await bench.compare()
        begin = min(bench.monitors[name].transfers[0].cycle for name in (A, B))
        rows = bench.monitors[C].transfers
        bench.checker.equal(rows[-1].cycle + 1 - begin, ARRAY.cycles(*shape), f"cycles of {shape}")
        bench.checker.equal(rows[0].cycle - begin, ARRAY.first_result(shape[1], shape[0]),
                            f"first result of {shape}")
    bench.checker.close(sum(beats(shape) + 3 for shape in SHAPES))


@cocotb.test
async def random_stalls(dut):
    """Products of all shapes, one behind the other, through streams that pause."""
    bench = WeightBench(dut, "random_stalls", seed=22)
    await bench.start()
    for chances in STALLS:
        await bench.reset()
        bench.stall(*chances)
        for shape in SHAPES:
            bench.product(*shape)
        await bench.compare()
    assert bench.monitors[C].waits, "no beat of C had to wait"
    bench.checker.close(len(STALLS) * (sum(map(beats, SHAPES)) + 1))


@cocotb.test
async def reset_in_mid_tile(dut):
    """Reset while operands are taken, or while rows leave, then a product that must be right."""
    bench = WeightBench(dut, "reset_in_mid_tile", seed=23)
    await bench.start()
    for number in range(RESETS):
        bench.stall(0.2, 0.2, 0.5)
        for _ in range(3):
            bench.product(*SHAPES[-1])
        stream = (A, B, C)[number % 3]
        count = bench.rng.randint(1, beats(SHAPES[-1]))
        await bench.until(lambda stream=stream, count=count: bench.taken(stream) >= count)
        await bench.reset()
        bench.stall(0.1, 0.1, 0.1)
        bench.product(*SHAPES[-1])
        await bench.compare()
    bench.checker.close(RESETS * (beats(SHAPES[-1]) + 1))
