# SPDX-License-Identifier: Apache-2.0
"""A GEMM engine against the golden model, through its bus. Runs inside a simulator."""

import cocotb

from tests.cocotb.bench import Design
from tests.cocotb.gemm_bench import DONE, ERROR, GemmBench

SPEC = Design.load().gemm
ARRAY = SPEC.array
LANES = ARRAY.mac.lanes
HIGH, DEEP = ARRAY.schedule.height, ARRAY.rows * LANES
#: A single product, a whole tile, edges that are no multiples of the array, few rows and columns.
SHAPES = [
    (1, 1, 1),
    (HIGH, DEEP, ARRAY.cols),
    (HIGH + 1, DEEP + 1, ARRAY.cols + 1),
    (2 * HIGH + 1, 3, 1),
    (1, 5, 2 * ARRAY.cols + 1),
]
EDGES = SHAPES[2]
PAUSES = (0.0, 0.5)
RESETS = 4
#: Checks of a start, of an end and of its acknowledgement.
AROUND = 4 + 4 + 2


def words(shape) -> int:
    """Words of C of a product."""
    return SPEC.words(*shape)[2]


@cocotb.test
async def products_with_random_waits(dut):
    """Products of several shapes over a bus that never pauses, and over one that mostly does."""
    bench = GemmBench(dut, "products_with_random_waits", seed=31)
    await bench.start()
    await bench.put("IRQ_ENABLE", DONE)
    for pause in PAUSES:
        bench.bus.pause = pause
        for shape in SHAPES:
            await bench.product(shape)
    assert bench.bus.waits, "nothing ever waited"
    bench.checker.close(len(PAUSES) * sum(words(shape) + AROUND for shape in SHAPES))


@cocotb.test
async def back_to_back(dut):
    """The same operands again, started in the cycle after the end; sizes stay as they are."""
    bench = GemmBench(dut, "back_to_back", seed=32)
    await bench.start()
    await bench.put("IRQ_ENABLE", DONE)
    wanted = await bench.load(EDGES)
    await bench.begin(EDGES)
    for _ in range(3):
        await bench.ended(EDGES)
        # A start clears ``done`` by itself.
        bench.checker.equal(await bench.put("CONTROL", 1), True, "a start behind the end")
        bench.checker.equal(int(dut.irq.value), 0, "interrupt after a start")
    await bench.ended(EDGES)
    await bench.compare(wanted, EDGES)
    await bench.product(SHAPES[1])
    bench.checker.close(4 + 3 * 6 + 4 + words(EDGES) + words(SHAPES[1]) + AROUND)


@cocotb.test
async def busy_engine_refuses(dut):
    """While a product runs, all accesses are refused and reported, and the product is right."""
    bench = GemmBench(dut, "busy_engine_refuses", seed=33)
    await bench.start()
    await bench.put("IRQ_ENABLE", DONE)
    shape = HIGH + 1, 4 * LANES, ARRAY.cols
    for name in ("CONTROL", "M", "K", "N", "A", "B", "C"):
        wanted = await bench.load(shape)
        await bench.begin(shape)
        if name == "C":
            refused = await bench.bus.read(bench.map.base(bench.map.window(name))) is None
        elif name in "AB":
            refused = not await bench.bus.write(bench.map.base(bench.map.window(name)), 1)
        else:
            refused = not await bench.put(name, 1)
        bench.checker.equal(refused, True, f"{name} refused under way")
        bench.checker.equal(
            await bench.get("ERROR"), bench.map.field("ERROR", "busy").mask, f"ERROR after {name}"
        )
        bench.checker.equal(await bench.put("ERROR", 0x3F), True, "ERROR can be cleared")
        await bench.ended(shape)
        await bench.compare(wanted, f"{shape} with {name} under way")
        await bench.acknowledge()
    bench.checker.close(7 * (3 + AROUND + words(shape)))


@cocotb.test
async def reset_in_mid_product(dut):
    """A reset while sizes are checked, while it computes, near the end; then a product."""
    bench = GemmBench(dut, "reset_in_mid_product", seed=34)
    await bench.start()
    for number in range(RESETS):
        await bench.put("IRQ_ENABLE", DONE)
        await bench.load(EDGES)
        await bench.begin(EDGES)
        await bench.idle(number * SPEC.cycles(*EDGES) // RESETS)
        await bench.reset()
        for name in ("STATUS", "ERROR", "M", "K", "N", "IRQ_ENABLE"):
            bench.checker.equal(await bench.get(name), 0, f"{name} after a reset")
        await bench.put("IRQ_ENABLE", DONE)
        await bench.product(EDGES)
    bench.checker.close(RESETS * (4 + 6 + AROUND + words(EDGES)))


@cocotb.test
async def interrupt_tells_what_is_enabled(dut):
    """Interrupts at the end and at a refused start, with neither, one or both enabled."""
    bench = GemmBench(dut, "interrupt_tells_what_is_enabled", seed=35)
    await bench.start()
    shape, checks = SHAPES[0], 0
    wrong = [(0, 1, 1), (1, 0, 1), (1, 1, 0), (SPEC.depth_a * ARRAY.rows + 1, 1, 1)]
    await bench.load(shape)
    for enabled in (0, DONE, ERROR, DONE | ERROR):
        await bench.put("IRQ_ENABLE", enabled)
        for sizes in (shape, *wrong):
            await bench.begin(sizes)
            await bench.idle(SPEC.cycles(*shape) + 2)
            refused = SPEC.refusals(*sizes)
            bits = sum(bench.map.field("ERROR", name).mask for name in refused)
            bench.checker.equal(await bench.get("ERROR"), bits, f"ERROR after {sizes}")
            bench.checker.equal(await bench.get("STATUS"), 0 if refused else 2, f"STATUS, {sizes}")
            bench.checker.equal(
                int(dut.irq.value),
                int(bool(enabled & (ERROR if refused else DONE))),
                f"irq after {sizes}, enabled {enabled}",
            )
            await bench.put("ERROR", 0x3F)
            await bench.put("STATUS", 2)
            bench.checker.equal(int(dut.irq.value), 0, f"irq after {sizes} was cleared")
            checks += 8
    assert checks == 4 * (1 + len(wrong)) * 8
    bench.checker.close(checks)
