# SPDX-License-Identifier: Apache-2.0
"""A generated MAC against the golden model. Runs inside a simulator; see `tests.cocotb.run`."""

import cocotb

from tests.cocotb.bench import Design
from tests.cocotb.mac_bench import MacBench
from tests.support.mac_operands import (
    codes,
    corner_codes,
    cut_into_sums,
    every_pair,
    extreme_pairs,
    products_to_the_end,
)

SUMS = 512
SHORT_SUMS = 300
RESETS = 60
#: Products that it may take to reach the end of the accumulator.
REACH = 9000

MAC = Design.load().mac
CORNERS = [corner_codes(MAC.a), corner_codes(MAC.b)]
EXTREMES = [pair for pair in extreme_pairs(MAC) if products_to_the_end(MAC, pair) <= REACH]


def random_sum(rng):
    """Operand codes of a short sum; none, a tenth or half of them are at a corner."""
    length = rng.randint(1, 3 * MAC.lanes + 3)
    share = rng.choice([0, 0.1, 0.5])
    return [
        [
            rng.choice(rng.choice(corners)) if rng.random() < share else rng.choice(finite)
            for _ in range(length)
        ]
        for (finite, *corners) in CORNERS
    ]


@cocotb.test
async def every_product(dut):
    """Each pair of operand codes as a sum of its own, one a cycle."""
    bench = MacBench(dut, "every_product", seed=1)
    pairs = every_pair(MAC)
    await bench.start()
    await bench.send_products(pairs)
    await bench.finish(sums=len(codes(MAC.a)) * len(codes(MAC.b)))


@cocotb.test
async def every_pair_in_sums(dut):
    """All pairs, cut into sums of random length that follow each other without a pause."""
    bench = MacBench(dut, "every_pair_in_sums", seed=2)
    await bench.start()
    pairs = every_pair(MAC)
    for a, b in cut_into_sums(pairs * (1 + 4 * SUMS // len(pairs)), SUMS, bench.rng):
        await bench.send_sum(a, b)
    await bench.finish(sums=SUMS)


@cocotb.test
async def short_sums(dut):
    """Sums of few products with special operands here and there: flags stick, then are cleared."""
    bench = MacBench(dut, "short_sums", seed=3)
    await bench.start(idle=0.2)
    for _ in range(SHORT_SUMS):
        await bench.send_sum(*random_sum(bench.rng))
    await bench.finish(sums=SHORT_SUMS)


@cocotb.test(skip=not EXTREMES)
async def both_ends(dut):
    """Extreme products up to the end of the accumulator, one further, and back again."""
    assert EXTREMES, f"no end of the accumulator is within {REACH} products"
    bench = MacBench(dut, "both_ends", seed=4)
    await bench.start()
    for pair in EXTREMES:
        fits = products_to_the_end(MAC, pair)
        back = extreme_pairs(MAC)[-1 if pair == EXTREMES[0] else 0]
        for run in ([pair] * max(1, fits), [pair] * (fits + 1) + [back] * 3):
            await bench.send_sum(*zip(*run, strict=True))
    await bench.finish(sums=2 * len(EXTREMES))


@cocotb.test
async def reset_in_mid_sum(dut):
    """A sum broken off by reset leaves nothing behind; beats during reset do not count."""
    bench = MacBench(dut, "reset_in_mid_sum", seed=5)
    await bench.start(idle=0.1)
    for round_number in range(RESETS):
        await bench.break_off(*random_sum(bench.rng), ended=bool(round_number % 2))
        await bench.send_sum(*random_sum(bench.rng))
    await bench.finish(sums=RESETS + (RESETS // 2 if bench.design.latency == 1 else 0))
