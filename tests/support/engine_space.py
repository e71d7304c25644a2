# SPDX-License-Identifier: Apache-2.0
"""Checks of a GEMM engine's address space: what can be read and written where."""

from hw.spec.registers import Access
from sim.rtl.engine import EngineDriver

__all__ = ["check_identity", "check_space"]


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
