# SPDX-License-Identifier: Apache-2.0
"""Checks of a compiled GEMM engine through nothing but its bus and its interrupt."""

import numpy as np

from hw.spec import GemmSpec
from sim.rtl.engine import BUSES, EngineDriver, bus_words, operand_words
from tests.support.engine_hold import check_hold
from tests.support.engine_operands import blocks, draw, noisy, results, set_output
from tests.support.engine_space import check_identity, check_space

__all__ = ["check_engine"]

PRODUCTS = 24
TIMED = 100
RESETS = 6


def check_engine(spec: GemmSpec, model, seed: int) -> int:
    """Make all of the checks; gives the results compared."""
    rng = np.random.default_rng(seed)
    model.reset()
    driver = EngineDriver(BUSES[spec.bus](model), spec)
    check_identity(driver)
    compared = sum(_check_product(driver, model, rng, shape) for shape in _shapes(spec, rng))
    _check_refusals(driver, rng)
    _check_cycles(driver, model, rng)
    _check_rows_beyond(driver, rng)
    compared += check_hold(driver, rng)
    compared += _check_bytes(driver, rng)
    compared += _check_busy(driver, rng)
    compared += sum(_check_reset(driver, model, rng) for _ in range(RESETS))
    paused = EngineDriver(BUSES[spec.bus](model, pause=0.4, seed=seed), spec)
    compared += _check_product(paused, model, rng, (spec.array.rows + 1, 3, spec.array.cols))
    check_space(driver, rng)
    return compared


def _shapes(spec: GemmSpec, rng) -> list[tuple[int, int, int]]:
    """Sizes that fit: single, whole tiles, edges, few beats, full memories, random ones."""
    rows, cols, lanes = spec.array.rows, spec.array.cols, spec.array.mac.lanes
    high = spec.array.schedule.height
    shapes = [(1, 1, 1), (rows, rows * lanes, cols), (2 * high, lanes, 2 * cols),
              (high + 1, rows * lanes + 1, cols + 1), (high, 2 * rows * lanes, 1),
              (rows + 1, 2 * lanes + 1, cols + 1), (1, 5, 2 * cols + 1), (2 * rows + 1, 3, 1),
              (1, lanes * min(spec.depth_a, spec.depth_b), 1), (spec.depth_c, 1, 1),
              (1, 1, cols * spec.depth_c)]
    fitting = [shape for shape in shapes if not spec.refusals(*shape)]
    while len(fitting) < PRODUCTS:
        shape = tuple(int(rng.integers(1, top)) for top in (4 * rows, 8 * lanes, 4 * cols))
        fitting += [] if spec.refusals(*shape) else [shape]
    return fitting


def _check_product(driver: EngineDriver, model, rng, shape) -> int:
    """One product: codes, flags, cycles by the interrupt and by the register."""
    spec, case = driver.spec, (str(driver.spec), shape)
    m, k, n = shape
    a, b = draw(spec, rng, shape)
    options = set_output(driver, rng)
    driver.load(*noisy(spec, rng, a, b))
    assert driver.put("IRQ_ENABLE", 0b11)
    assert driver.start(m, k, n), case
    assert model.read("irq") == 0, case
    cycles = spec.cycles(m, k, n)
    irq = model.run({}, cycles=cycles + 4, outputs=["irq"])["irq"]
    # A bus without pauses takes the start one cycle before it answers, which is the last one.
    if not driver.bus.paused:
        assert irq.argmax() + 2 == cycles, case
    assert irq[-1] == 1, case
    assert (driver.errors(), driver.get("STATUS"), driver.get("CYCLES")) == ((), 2, cycles), case
    # Columns beyond N are there too, as sums of zeros.
    padded = np.pad(b, ((0, 0), (0, -n % spec.array.cols)))
    codes, flags = driver.result(m, padded.shape[1])
    wanted, shown = results(spec, a, padded, options)
    assert codes.shape == (m, padded.shape[1])
    assert (codes == wanted).all(), case
    assert (flags == shown).all(), case
    assert driver.put("STATUS", 2)
    assert model.read("irq") == 0, case
    return codes.size


def _check_cycles(driver: EngineDriver, model, rng) -> None:
    """Cycles of many sizes, whatever the operands; the interrupt tells the end."""
    spec, array, timed = driver.spec, driver.spec.array, 0
    assert driver.put("IRQ_ENABLE", 1)
    while timed < TIMED:
        shape = tuple(int(rng.integers(1, 1 + top)) for top in (
            max(6 * array.rows, 3 * array.schedule.height), 12 * array.mac.lanes, 6 * array.cols))
        if spec.refusals(*shape):
            continue
        cycles = spec.cycles(*shape)
        assert driver.start(*shape), (str(spec), shape)
        irq = model.run({}, cycles=cycles, outputs=["irq"])["irq"]
        assert (irq.argmax() + 2, irq[cycles - 2]) == (cycles, 1), (str(spec), shape)
        assert driver.get("CYCLES") == cycles, (str(spec), shape)
        timed += 1


def _check_bytes(driver: EngineDriver, rng) -> int:
    """Operands that are written byte by byte, noise on the lines of the other bytes."""
    spec = driver.spec
    shape = spec.array.rows, 2, spec.array.cols
    a, b = draw(spec, rng, shape)
    options = set_output(driver, rng)
    for name, words in zip("AB", operand_words(spec, a, b), strict=True):
        window = driver.map.window(name)
        for (place, lane), value in np.ndenumerate(bus_words(words, window)):
            address = driver.map.base(window) + window.stride * place + 4 * lane
            for byte in rng.permutation(4).tolist():
                noise, mask = int(rng.integers(1 << 32)), 0xFF << 8 * byte
                assert driver.bus.write(address, int(value) & mask | noise & ~mask, 1 << byte)
    assert driver.start(*shape)
    driver.wait(spec.cycles(*shape))
    assert driver.errors() == (), f"{spec}: registers must be readable while it is busy"
    codes, _ = driver.result(shape[0], shape[2])
    assert (codes == results(spec, a, b, options)[0]).all(), str(spec)
    return codes.size


def _check_refusals(driver: EngineDriver, rng) -> None:
    """Sizes that cannot be set the bits of ERROR that the spec names, and nothing starts."""
    spec = driver.spec
    (rows, steps), (lanes, cols) = blocks(spec)
    wrong = [(0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 0, 0), (1 << 31, 1, 1), (1, (1 << 32) - 1, 1),
             (1, 1, 1 << spec.size_bits), (1 << spec.size_bits, 0, 1),
             (rows * spec.depth_a + 1, 1, 1), (1, steps * spec.depth_a + 1, 1),
             (1, lanes * spec.depth_b + 1, 1), (1, 1, cols * spec.depth_b + 1),
             (spec.depth_c + 1, 1, 1)]
    wrong += [tuple(int(rng.integers(1, 1 << spec.size_bits)) for _ in range(3)) for _ in range(30)]
    driver.put("IRQ_ENABLE", 0b10)
    refused = 0
    for shape in wrong:
        expected = spec.refusals(*shape)
        if not expected:
            continue
        refused += 1
        assert driver.start(*shape), shape
        driver.bus.idle(spec.latency)
        assert driver.errors() == expected, (str(spec), shape)
        assert driver.get("STATUS") == 0, shape
        assert driver.bus.irq == 1, shape
        assert driver.put("ERROR", 0x3F)
        assert (driver.errors(), driver.bus.irq) == ((), 0), shape
    assert refused > 12


def _check_rows_beyond(driver: EngineDriver, rng) -> None:
    """A product with one row leaves the words of C behind it as they are."""
    spec = driver.spec
    window, many = driver.map.window("C"), min(spec.array.rows, spec.depth_c, spec.depth_a)
    after = []
    for m in (many, 1):
        a, b = draw(spec, rng, (m, 1, 1))
        driver.load(a, b)
        assert driver.start(m, 1, 1)
        driver.wait(spec.cycles(m, 1, 1))
        after.append([driver.bus.read(driver.map.base(window) + window.stride * place)
                      for place in range(1, many)])
    assert after[0] == after[1], str(spec)


def _check_busy(driver: EngineDriver, rng) -> int:
    """What would disturb a running product is refused, told, and changes nothing."""
    spec, compared = driver.spec, 0
    shape = spec.array.rows, 2, spec.array.cols
    locked = [register.name for register in driver.map.registers if register.locked]
    for name in [*locked, *driver.map.windows]:
        a, b = draw(spec, rng, shape)
        options = set_output(driver, rng)
        driver.load(a, b)
        assert driver.start(*shape)
        if name in locked:
            assert not driver.put(name, 1), name
        elif name.writable:
            assert not driver.bus.write(driver.map.base(name), 0), name
        else:
            assert driver.bus.read(driver.map.base(name)) is None, name
        driver.wait(spec.cycles(*shape))
        assert (driver.errors(), driver.get("STATUS")) == (("busy",), 2), (str(spec), name)
        codes, _ = driver.result(shape[0], shape[2])
        assert (codes == results(spec, a, b, options)[0]).all(), (str(spec), name)
        compared += codes.size
    return compared


def _check_reset(driver: EngineDriver, model, rng) -> int:
    """A reset while the engine runs ends it; registers are clear, and the next product is right."""
    spec = driver.spec
    shape = spec.array.rows + 1, 3, spec.array.cols
    a, b = draw(spec, rng, shape)
    driver.load(a, b)
    assert driver.start(*shape)
    driver.bus.idle(int(rng.integers(1, spec.cycles(*shape))))
    model.reset()
    assert [driver.get(name) for name in ("STATUS", "ERROR", "M", "IRQ_ENABLE")] == [0] * 4
    return _check_product(driver, model, rng, shape)
