# SPDX-License-Identifier: Apache-2.0
"""Operands and settings of a GEMM engine, and what the model makes of them."""

import numpy as np

import sim
from hw.spec import GemmSpec, Scale
from sim.rtl.engine import EngineDriver
from tests.support.mac_operands import port_of_flag

__all__ = ["blocks", "draw", "noisy", "results", "set_output"]


def draw(spec: GemmSpec, rng, shape) -> tuple[np.ndarray, np.ndarray]:
    """Codes (M, K) and (K, N): any, or, so that sums stay finite, halved ones of few values."""
    m, k, n = shape
    mac = spec.array.mac
    few = rng.random() < 0.5
    a, b = (rng.integers(0, 1 << fmt.width, size, dtype=np.uint64)
            for fmt, size in ((mac.a, (m, k)), (mac.b, (k, n))))
    return (a >> np.uint64(2), b >> np.uint64(2)) if few else (a, b)


def blocks(spec: GemmSpec) -> tuple[tuple[int, int], tuple[int, int]]:
    """Rows and columns of A, and of B, that a word of their memories holds."""
    array = spec.array
    return array.schedule.a_block, (array.mac.lanes, array.cols)


def noisy(spec: GemmSpec, rng, a, b) -> list[np.ndarray]:
    """Operands up to whole words, noise beyond the edges of the matrices."""
    found = []
    for inside, block, fmt in zip((a, b), blocks(spec), (spec.array.mac.a, spec.array.mac.b),
                                  strict=True):
        whole = [-(-size // step) * step for size, step in zip(inside.shape, block, strict=True)]
        found.append(rng.integers(0, 1 << fmt.width, whole, dtype=np.uint64))
        found[-1][:inside.shape[0], :inside.shape[1]] = inside
    return found


def set_output(driver: EngineDriver, rng) -> dict[str, int]:
    """Settings of the output stages, written to the registers, as `sim.output` takes them."""
    out, options = driver.spec.array.out, {}
    if out and out.scale is not Scale.NONE:
        options["scale"] = int(rng.integers(-3, 4)) if out.scale is Scale.POW2 else int(
            np.float32(2.0 ** rng.uniform(-6, 6)).view(np.uint32))
        assert driver.put("SCALE", options["scale"] % (1 << 32))
    if out and out.zero_point:
        options["zero_point"] = int(rng.integers(-100, 100))
        assert driver.put("ZERO_POINT", options["zero_point"] % (1 << 32))
    return options


def results(spec: GemmSpec, a, b, options) -> tuple[np.ndarray, np.ndarray]:
    """Codes and flags that the model gives."""
    mac, out = spec.array.mac, spec.array.out
    sums, flags = sim.matmul_with_flags(a, b, mac)
    if out:
        codes = sim.output(sums, out, flags=flags if out.flag_bits else None, **options)
        return codes.astype(object), np.zeros_like(flags)
    shown = np.array([port_of_flag(flag, mac.flag_bits) for flag in flags.flat], dtype=np.uint8)
    return sums.astype(object) % (1 << mac.acc.width), shown.reshape(flags.shape)
