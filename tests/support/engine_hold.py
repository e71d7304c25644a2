# SPDX-License-Identifier: Apache-2.0
"""Checks of a GEMM engine whose sums stay in the array from one product to the next."""

from sim.rtl.engine import EngineDriver
from tests.support.engine_operands import draw, results, set_output

__all__ = ["check_hold"]

#: Beats of each part of K.
HELD_PARTS = ((1, 1), (2, 1, 3), (1, 4), (3, 2))


def check_hold(driver: EngineDriver, rng) -> int:
    """Products in parts; gives the results compared."""
    spec = driver.spec
    tops = min(spec.array.schedule.height, spec.depth_c), spec.array.cols
    sizes = [tops, *(tuple(int(rng.integers(1, 1 + top)) for top in tops) for _ in HELD_PARTS[1:])]
    return sum(_check_parts(driver, rng, m, n, parts)
               for (m, n), parts in zip(sizes, HELD_PARTS, strict=True))


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
