# SPDX-License-Identifier: Apache-2.0
"""A generated array against the golden model. Runs inside a simulator; see `tests.cocotb.run`."""

import cocotb
from cocotb.triggers import FallingEdge

from tests.cocotb.array_bench import A, ArrayBench, B, C
from tests.cocotb.design import Design

ARRAY = Design.load().array
ROWS, COLS, LANES = ARRAY.rows, ARRAY.cols, ARRAY.mac.lanes
#: Depths of a tile in products: least, fewer beats than rows, as many, more; a lane left over.
DEPTHS = sorted({1, max(1, ROWS - 1) * LANES, ROWS * LANES, (ROWS + 1) * LANES + (LANES > 1),
                 (ROWS + COLS + 3) * LANES})
TILES = 4
#: Chances of a pause on A, B and C.
STALLS = [(0.5, 0.1, 0.0), (0.1, 0.6, 0.2), (0.0, 0.0, 0.9), (0.4, 0.4, 0.4)]
STALLED_TILES = 6
RESETS = 6


@cocotb.test
async def cycles_without_stalls(dut):
    """Tiles of one depth back to back: values, and the cycle of each beat by the closed form."""
    bench = ArrayBench(dut, "cycles_without_stalls", seed=11)
    await bench.start()
    for k in DEPTHS:
        await bench.reset()
        for _ in range(TILES):
            bench.send(k)
        await bench.compare()
        beats = bench.monitors[C].transfers
        begin = bench.monitors[A].transfers[0].cycle
        wanted = [begin + tile * ARRAY.interval(k) + ARRAY.first_result(k) + row
                  for tile in range(TILES) for row in range(ROWS)]
        bench.checker.all_equal([beat.cycle for beat in beats], wanted,
                                lambda index, k=k: f"cycle of beat {index} of C, K={k}")
        bench.checker.equal(beats[-1].cycle + 1 - begin, ARRAY.cycles(TILES * ROWS, k, COLS),
                            f"cycles in all, K={k}")
    bench.checker.close(len(DEPTHS) * (2 * TILES * ROWS + 3))


@cocotb.test
async def two_tiles(dut):
    """A tile without and one with stalls: what an event simulator can do of a large array."""
    bench = ArrayBench(dut, "two_tiles", seed=16)
    await bench.start()
    bench.send(ROWS * LANES)
    await bench.until(lambda: bench.sources[A].waiting == 0)
    bench.stall(0.1, 0.1, 0.2)
    bench.send(max(1, ROWS // 2) * LANES)
    await bench.compare()
    bench.checker.close(2 * ROWS + 2)


@cocotb.test
async def random_stalls(dut):
    """Tiles of mixed depth through streams that pause."""
    bench = ArrayBench(dut, "random_stalls", seed=12)
    await bench.start()
    for chances in STALLS:
        await bench.reset()
        bench.stall(*chances)
        for _ in range(STALLED_TILES):
            bench.send(bench.rng.randint(1, (ROWS + COLS) * LANES))
        await bench.compare()
    assert bench.monitors[C].waits, "no beat of C had to wait"
    bench.checker.close(len(STALLS) * (STALLED_TILES * ROWS + 2))


@cocotb.test
async def reset_in_mid_tile(dut):
    """Reset while a tile is fed, or while one is drained, then tiles that must be right."""
    bench = ArrayBench(dut, "reset_in_mid_tile", seed=13)
    await bench.start()
    for number in range(RESETS):
        bench.stall(0.2, 0.2, 0.5)
        k = (ROWS + COLS) * LANES
        for _ in range(4):
            bench.send(k)
        stream, beats = (A, bench.rng.randint(1, 2 * (ROWS + COLS) - 1)) if number % 2 else (
            C, ROWS + bench.rng.randint(0, ROWS - 1))
        await bench.until(lambda stream=stream, beats=beats: bench.taken(stream) >= beats)
        await bench.reset()
        bench.stall(0.1, 0.1, 0.1)
        for _ in range(2):
            bench.send(bench.rng.randint(1, 2 * ROWS * LANES))
        await bench.compare()
    bench.checker.close(RESETS * (2 * ROWS + 2))


@cocotb.test
async def tlast_mismatch_is_reported(dut):
    """``error`` rises when the ends of A and B differ, stays, and falls with reset; A decides."""
    bench = ArrayBench(dut, "tlast_mismatch_is_reported", seed=14)
    await bench.start()
    beats = ROWS + 2
    for wrong_end in (0, beats - 2, None):
        await bench.reset()
        bench.send(beats * LANES)
        await bench.compare()
        bench.checker.equal(bool(dut.error.value), False, "error after a tile without one")
        a, b = bench.random_tiles(beats * LANES)
        for name, data, end in ((A, bench.model.beats_a(a), beats - 1),
                                (B, bench.model.beats_b(b), wrong_end)):
            bench.sources[name].send((one, index == end) for index, one in enumerate(data))
        bench.expect(a, b)
        bench.send(LANES)
        await bench.compare()
        bench.checker.equal(bool(dut.error.value), True, f"error with B's end at {wrong_end}")
    await bench.reset()
    await FallingEdge(dut.clk)
    bench.checker.equal(bool(dut.error.value), False, "error after reset")
    bench.checker.close(3 * (ROWS + 2 + 3 * ROWS + 2 + 2) + 1)


@cocotb.test
async def one_operand_alone_waits(dut):
    """A beat of one operand is not taken before the other's is there."""
    bench = ArrayBench(dut, "one_operand_alone_waits", seed=15)
    await bench.start()
    for early, late in ((A, B), (B, A)):
        await bench.reset()
        bench.send(2 * LANES)
        held = list(bench.sources[late].take_back())
        for _ in range(10):
            await FallingEdge(dut.clk)
        bench.checker.equal(bench.taken(early), 0, f"beats of {early} taken alone")
        bench.sources[late].send(held)
        await bench.compare()
    bench.checker.close(2 * (1 + ROWS + 2))
