# SPDX-License-Identifier: Apache-2.0
"""A generated array against the golden model. Runs inside a simulator; see `tests.cocotb.run`."""

import cocotb
from cocotb.triggers import FallingEdge

from hw.spec import Dataflow
from tests.cocotb.array_bench import A, ArrayBench, B, C, WeightBench
from tests.cocotb.bench import Design

ARRAY = Design.load().array
ROWS, COLS, LANES = ARRAY.rows, ARRAY.cols, ARRAY.mac.lanes
STEP = ROWS * LANES
OS = ARRAY.dataflow is Dataflow.OS
Bench = ArrayBench if OS else WeightBench
#: Checks after the rows of C: no operands are left; A and B were taken together.
ENDS = 2 if OS else 1
#: Depths of a tile in products: least, fewer beats than rows, as many, more; a lane left over.
DEPTHS = sorted(
    {1, max(1, ROWS - 1) * LANES, STEP, (ROWS + 1) * LANES + (LANES > 1), (ROWS + COLS + 3) * LANES}
)
#: One product; several passes of few rows, of as many as the array has, of more than the memory
#: holds; several columns of tiles.
SHAPES = [
    (1, 1, 1),
    (max(1, ROWS - 1), 3 * STEP - 1, COLS),
    (ROWS, 2 * STEP, 1),
    ((ARRAY.depth or 0) + 2, STEP + 1, COLS + 1),
]
TILES = 4
#: Products that follow each other without a pause: tiles of one depth, or one product.
RUNS = [[(ROWS, k, COLS)] * TILES for k in DEPTHS] if OS else [[shape] for shape in SHAPES]
#: What is under way when a reset comes.
BUSY = [(ROWS, (ROWS + COLS) * LANES, COLS)] * 4 if OS else SHAPES[-1:] * 3
#: Chances of a pause on A, B and C.
STALLS = [(0.5, 0.1, 0.0), (0.1, 0.6, 0.2), (0.0, 0.0, 0.9), (0.4, 0.4, 0.4)]
STALLED_TILES = 6
RESETS = 6


def rows(shapes) -> int:
    """Rows of C of some products."""
    return sum(ARRAY.stream_beats(*shape).c for shape in shapes)


def tiles(rng, count: int, k: int):
    """Products of tiles of any depth up to ``k``."""
    return [(ROWS, rng.randint(1, k), COLS) for _ in range(count)]


def due(shapes) -> list[tuple[int, int]]:
    """Rows of C, by their place, and the cycle in which each is due by the closed forms."""
    (m, k, n), count = shapes[0], len(shapes)
    first, last = ARRAY.first_result(k, m), ARRAY.cycles(count * m, k, n) - 1
    if not OS:
        return [(0, first), (-1, last)]
    return [
        *(
            (tile * ROWS + row, tile * ARRAY.interval(k) + first + row)
            for tile in range(count)
            for row in range(ROWS)
        ),
        (-1, last),
    ]


@cocotb.test
async def cycles_without_stalls(dut):
    """Products of several shapes: values, and cycles by the closed form."""
    bench = Bench(dut, "cycles_without_stalls", seed=11)
    await bench.start()
    for shapes in RUNS:
        await bench.reset()
        for shape in shapes:
            bench.product(*shape)
        await bench.compare()
        begin = min(bench.monitors[name].transfers[0].cycle for name in (A, B))
        for place, cycle in due(shapes):
            bench.checker.equal(
                bench.monitors[C].transfers[place].cycle - begin,
                cycle,
                f"cycle of row {place} of C, {shapes}",
            )
    bench.checker.close(sum(rows(shapes) + ENDS + len(due(shapes)) for shapes in RUNS))


@cocotb.test(skip=not OS)
async def two_tiles(dut):
    """One tile without stalls and one with stalls; an event simulator is too slow for more."""
    bench = Bench(dut, "two_tiles", seed=16)
    await bench.start()
    bench.product(ROWS, STEP, COLS)
    await bench.until(lambda: bench.sources[A].waiting == 0)
    bench.stall(0.1, 0.1, 0.2)
    bench.product(ROWS, max(1, ROWS // 2) * LANES, COLS)
    await bench.compare()
    bench.checker.close(2 * ROWS + 2)


@cocotb.test
async def random_stalls(dut):
    """Products of mixed shapes, one behind the other, through streams that pause."""
    bench = Bench(dut, "random_stalls", seed=12)
    await bench.start()
    checks = 0
    for chances in STALLS:
        await bench.reset()
        bench.stall(*chances)
        shapes = tiles(bench.rng, STALLED_TILES, (ROWS + COLS) * LANES) if OS else SHAPES
        for shape in shapes:
            bench.product(*shape)
        await bench.compare()
        checks += rows(shapes) + ENDS
    assert bench.monitors[C].waits, "no beat of C had to wait"
    bench.checker.close(checks)


@cocotb.test
async def reset_in_mid_tile(dut):
    """Reset while operands are taken, or while rows leave, then products that must be right."""
    bench = Bench(dut, "reset_in_mid_tile", seed=13)
    await bench.start()
    checks = 0
    for number in range(RESETS):
        bench.stall(0.2, 0.2, 0.5)
        for shape in BUSY:
            bench.product(*shape)
        half = [ARRAY.stream_beats(*shape) for shape in BUSY[: len(BUSY) // 2]]
        stream, way = ((A, "a"), (B, "b"), (C, "c"))[number % 3]
        count = bench.rng.randint(1, sum(getattr(beats, way) for beats in half))
        await bench.until(lambda stream=stream, count=count: bench.taken(stream) >= count)
        await bench.reset()
        bench.stall(0.1, 0.1, 0.1)
        shapes = tiles(bench.rng, 2, 2 * STEP) if OS else SHAPES[-1:]
        for shape in shapes:
            bench.product(*shape)
        await bench.compare()
        checks += rows(shapes) + ENDS
    bench.checker.close(checks)


@cocotb.test(skip=not OS)
async def tlast_mismatch_is_reported(dut):
    """``error`` rises when the ends of A and B differ, stays, and falls with reset; A decides."""
    bench = Bench(dut, "tlast_mismatch_is_reported", seed=14)
    await bench.start()
    beats = ROWS + 2
    for wrong_end in (0, beats - 2, None):
        await bench.reset()
        bench.product(ROWS, beats * LANES, COLS)
        await bench.compare()
        bench.checker.equal(bool(dut.error.value), False, "error after a tile without one")
        a, b = bench.random_operands(ROWS, beats * LANES, COLS)
        for name, data, end in (
            (A, bench.model.beats_a(a), beats - 1),
            (B, bench.model.beats_b(b), wrong_end),
        ):
            bench.sources[name].send((one, index == end) for index, one in enumerate(data))
        bench.expect(a, b)
        bench.product(ROWS, LANES, COLS)
        await bench.compare()
        bench.checker.equal(bool(dut.error.value), True, f"error with B's end at {wrong_end}")
    await bench.reset()
    await FallingEdge(dut.clk)
    bench.checker.equal(bool(dut.error.value), False, "error after reset")
    bench.checker.close(3 * (ROWS + 2 + 3 * ROWS + 2 + 2) + 1)


@cocotb.test(skip=not OS)
async def one_operand_alone_waits(dut):
    """A beat of one operand is not taken before the other's is there."""
    bench = Bench(dut, "one_operand_alone_waits", seed=15)
    await bench.start()
    for early, late in ((A, B), (B, A)):
        await bench.reset()
        bench.product(ROWS, 2 * LANES, COLS)
        held = list(bench.sources[late].take_back())
        for _ in range(10):
            await FallingEdge(dut.clk)
        bench.checker.equal(bench.taken(early), 0, f"beats of {early} taken alone")
        bench.sources[late].send(held)
        await bench.compare()
    bench.checker.close(2 * (1 + ROWS + 2))
