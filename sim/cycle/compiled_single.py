# SPDX-License-Identifier: Apache-2.0
"""Steps that are one addition of binary32, compiled by numba."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from hw.spec import Flag, FloatAccumulator, MacSpec
from sim.cycle.plain import Advance
from sim.fast.rounding import HALF
from sim.fast.tables import values
from sim.golden import special_code

__all__ = ["single_advance"]


@intrinsic
def _single_bits(typing: Any, x: Any) -> Any:
    """Bits of a binary32 number."""
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.zext(builder.bitcast(args[0], ir.IntType(32)), ir.IntType(64))
    return types.int64(types.float32), generate


@intrinsic
def _single(typing: Any, bits: Any) -> Any:
    """Binary32 number of these bits."""
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.trunc(args[0], ir.IntType(32)), ir.FloatType())
    return types.float32(types.int64), generate


@intrinsic
def _half_bits(typing: Any, x: Any) -> Any:
    """Bits of a binary32 number rounded to binary16."""
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        half = builder.fptrunc(args[0], ir.HalfType())
        return builder.zext(builder.bitcast(half, ir.IntType(16)), ir.IntType(64))
    return types.int64(types.float32), generate


@intrinsic
def _half(typing: Any, bits: Any) -> Any:
    """Binary32 number of the binary16 number of these bits."""
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        half = builder.bitcast(builder.trunc(args[0], ir.IntType(16)), ir.HalfType())
        return builder.fpext(half, ir.FloatType())
    return types.float32(types.int64), generate


@njit(cache=True)
def _singles(acc: Any, a: Any, b: Any, frame: Any, x: Any, y: Any, drop: Any, nan: Any) -> Any:
    """All elements of an array whose sums are binary32, the upper bits of it, or binary16."""
    rows, _, cols = a.shape
    total = np.empty_like(acc)
    for r in range(rows):
        for c in range(cols):
            if not frame[r, c] & 1:
                total[r, c] = acc[r, c]
                continue
            old = 0 if frame[r, c] & 2 else acc[r, c]
            start = _half(old) if drop == HALF else _single(old << drop)
            number = start + x[a[r, 0, c]] * y[b[r, 0, c]]
            if drop == HALF:
                bits = _half_bits(number)
            else:
                bits = _single_bits(number)
                if drop:
                    bits = bits + (bits >> drop & 1) + (1 << drop - 1) - 1 >> drop
            total[r, c] = bits if number == number else nan
    return total


def single_advance(mac: MacSpec, drop: int) -> Advance:
    """`sim.cycle.stepping.advance` where binary32 additions will do (`sim.fast.floating`).

    ``drop`` is what `sim.fast.results.dropped` tells of the accumulator's format.
    """
    assert isinstance(mac.acc, FloatAccumulator)
    x, y = (values(side).astype(np.float32) for side in (mac.a, mac.b))
    nan = special_code(mac.acc.fmt, Flag.NAN)
    return lambda acc, flags, a, b, frame: (_singles(acc, a, b, frame, x, y, drop, nan), flags)
