# SPDX-License-Identifier: Apache-2.0
"""Checks of a compiled GEMM engine through its bus and its interrupt only."""

import numpy as np

import sim
from hw.spec import GemmSpec, Scale
from hw.spec.registers import Access
from sim.rtl.engine import BUSES, EngineDriver, bus_words, operand_words
from tests.support.mac_operands import port_of_flag

PRODUCTS = 24
TIMED = 100
RESETS = 6
#: Beats of each part of K.
HELD_PARTS = ((1, 1), (2, 1, 3), (1, 4), (3, 2))


def draw(spec: GemmSpec, rng, shape) -> tuple[np.ndarray, np.ndarray]:
    """Codes (M, K) and (K, N): any, or, so that sums stay finite, halved ones of few values."""
    m, k, n = shape
    mac = spec.array.mac
    few = rng.random() < 0.5
    a, b = (
        rng.integers(0, 1 << fmt.width, size, dtype=np.uint64)
        for fmt, size in ((mac.a, (m, k)), (mac.b, (k, n)))
    )
    return (a >> np.uint64(2), b >> np.uint64(2)) if few else (a, b)


def blocks(spec: GemmSpec) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of A, and of B, that a word of their memories holds."""
    array = spec.array
    return array.schedule.a_block, (array.mac.lanes, array.cols)


def noisy(spec: GemmSpec, rng, a, b) -> list[np.ndarray]:
    """Operands up to whole words, noise beyond the edges of the matrices."""
    found = []
    for inside, block, fmt in zip(
        (a, b), blocks(spec), (spec.array.mac.a, spec.array.mac.b), strict=True
    ):
        whole = [-(-size // step) * step for size, step in zip(inside.shape, block, strict=True)]
        found.append(rng.integers(0, 1 << fmt.width, whole, dtype=np.uint64))
        found[-1][: inside.shape[0], : inside.shape[1]] = inside
    return found


def set_output(driver: EngineDriver, rng) -> dict[str, int]:
    """Settings of the output stages, written to the registers, as `sim.output` takes them."""
    out, options = driver.spec.array.out, {}
    if out and out.scale is not Scale.NONE:
        options["scale"] = (
            int(rng.integers(-3, 4))
            if out.scale is Scale.POW2
            else int(np.float32(2.0 ** rng.uniform(-6, 6)).view(np.uint32))
        )
        assert driver.put("SCALE", options["scale"] % (1 << 32))
    if out and out.zero_point:
        options["zero_point"] = int(rng.integers(-100, 100))
        assert driver.put("ZERO_POINT", options["zero_point"] % (1 << 32))
    return options


def results(spec: GemmSpec, a, b, options) -> tuple[np.ndarray, np.ndarray]:
    """Codes and flags of the model."""
    mac, out = spec.array.mac, spec.array.out
    sums, flags = sim.matmul_with_flags(a, b, mac)
    if out:
        codes = sim.output(sums, out, flags=flags if out.flag_bits else None, **options)
        return codes.astype(object), np.zeros_like(flags)
    shown = np.array([port_of_flag(flag, mac.flag_bits) for flag in flags.flat], dtype=np.uint8)
    return sums.astype(object) % (1 << mac.acc.width), shown.reshape(flags.shape)


def check_engine(spec: GemmSpec, model, seed: int) -> int:
    """Make all checks; return the number of results compared."""
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
    shapes = [
        (1, 1, 1),
        (rows, rows * lanes, cols),
        (2 * high, lanes, 2 * cols),
        (high + 1, rows * lanes + 1, cols + 1),
        (high, 2 * rows * lanes, 1),
        (rows + 1, 2 * lanes + 1, cols + 1),
        (1, 5, 2 * cols + 1),
        (2 * rows + 1, 3, 1),
        (1, lanes * min(spec.depth_a, spec.depth_b), 1),
        (spec.depth_c, 1, 1),
        (1, 1, cols * spec.depth_c),
    ]
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
    """Cycles of many sizes; the interrupt marks the end."""
    spec, array, timed = driver.spec, driver.spec.array, 0
    assert driver.put("IRQ_ENABLE", 1)
    while timed < TIMED:
        shape = tuple(
            int(rng.integers(1, 1 + top))
            for top in (
                max(6 * array.rows, 3 * array.schedule.height),
                12 * array.mac.lanes,
                6 * array.cols,
            )
        )
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
    wrong = [
        (0, 1, 1),
        (1, 0, 1),
        (1, 1, 0),
        (0, 0, 0),
        (1 << 31, 1, 1),
        (1, (1 << 32) - 1, 1),
        (1, 1, 1 << spec.size_bits),
        (1 << spec.size_bits, 0, 1),
        (rows * spec.depth_a + 1, 1, 1),
        (1, steps * spec.depth_a + 1, 1),
        (1, lanes * spec.depth_b + 1, 1),
        (1, 1, cols * spec.depth_b + 1),
        (spec.depth_c + 1, 1, 1),
    ]
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
        after.append(
            [
                driver.bus.read(driver.map.base(window) + window.stride * place)
                for place in range(1, many)
            ]
        )
    assert after[0] == after[1], str(spec)


def _check_busy(driver: EngineDriver, rng) -> int:
    """Accesses that would disturb a running product are refused, reported, and have no effect."""
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


def check_hold(driver: EngineDriver, rng) -> int:
    """Products in parts; gives the results compared."""
    spec = driver.spec
    tops = min(spec.array.schedule.height, spec.depth_c), spec.array.cols
    sizes = [tops, *(tuple(int(rng.integers(1, 1 + top)) for top in tops) for _ in HELD_PARTS[1:])]
    return sum(
        _check_parts(driver, rng, m, n, parts)
        for (m, n), parts in zip(sizes, HELD_PARTS, strict=True)
    )


def _check_parts(driver: EngineDriver, rng, m: int, n: int, parts) -> int:
    """One tile, K in parts: the sums stay, C does not change before the last part, cycles."""
    spec, lanes = driver.spec, driver.spec.array.mac.lanes
    a, b = draw(spec, rng, (m, lanes * sum(parts), n))
    options, first = set_output(driver, rng), 0
    base = driver.map.base(driver.map.window("C"))
    before = driver.bus.read(base)
    for beats in parts[:-1]:
        part = slice(first, first + lanes * beats)
        driver.load(a[:, part], b[part])
        assert driver.start(m, lanes * beats, n, hold=True)
        cycles = spec.cycles(m, lanes * beats, n, hold=True)
        driver.wait(cycles)
        assert (driver.errors(), driver.get("STATUS"), driver.get("CYCLES")) == ((), 6, cycles)
        assert driver.bus.read(base) == before
        first += lanes * beats
    driver.load(a[:, first:], b[first:])
    if m == spec.array.schedule.height:
        assert driver.start(m + 1, lanes * parts[-1], n, hold=True)
        driver.bus.idle(spec.latency)
        assert driver.errors() == spec.refusals(m + 1, lanes * parts[-1], n, hold=True) != ()
        assert driver.get("STATUS") == 4
    assert driver.start(m, lanes * parts[-1], n)
    driver.wait(spec.cycles(m, lanes * parts[-1], n))
    assert (driver.errors(), driver.get("STATUS")) == ((), 2)
    codes, flags = driver.result(m, n)
    wanted, shown = results(spec, a, b, options)
    assert (codes == wanted).all(), (str(spec), parts)
    assert (flags == shown).all(), (str(spec), parts)
    return codes.size


def check_identity(driver: EngineDriver) -> None:
    """Constants are there, nothing else is set, constants and states cannot be written."""
    for register in driver.map.registers:
        (*_, field) = register.fields
        value = driver.get(register.name)
        assert value == (field.value if field.access is Access.CONSTANT else 0), register.name
        fixed = all(f.access in (Access.CONSTANT, Access.STATUS) for f in register.fields)
        assert driver.put(register.name, 0) != fixed, register.name


def check_space(driver: EngineDriver, rng) -> None:
    """Bytes are written one by one; what is not there is refused, and reads give no data."""
    table, bus = driver.map, driver.bus
    for strobe in range(16):
        driver.put("M", 0x01020304)
        assert bus.write(table.offset("M"), 0xA0B0C0D0, strobe)
        mask = sum(0xFF << 8 * byte for byte in range(4) if strobe >> byte & 1)
        assert driver.get("M") == 0xA0B0C0D0 & mask | 0x01020304 & ~mask
    regions = [0, *(window.region for window in table.windows)]
    words = 1 << table.region_bits - 2
    for region in regions:
        place = rng.integers(0, words, 40)
        for word in [*place.tolist(), words - 1]:
            address = (region << table.region_bits) + 4 * word
            writable, readable = _kinds(table, region, word)
            assert (bus.read(address) is not None) == readable, hex(address)
            if region:
                assert bus.write(address, 0) == writable, hex(address)


def _kinds(table, region: int, word: int) -> tuple[bool, bool]:
    """Whether a word of the address space can be written (of a window), and read."""
    if region == 0:
        return False, word < len(table.registers)
    (window,) = (known for known in table.windows if known.region == region)
    row, lane = word >> window.lane_bits, word & (1 << window.lane_bits) - 1
    there = row < window.depth and lane < window.lanes
    return there and window.writable, there and not window.writable
