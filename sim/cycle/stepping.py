# SPDX-License-Identifier: Apache-2.0
"""One step of all elements: compiled by numba where it is installed, else numpy's.

Both give the same bits. Compiled are steps of units whose operands have tables; others are
`sim.vector`'s, on Python integers where int64 is too narrow.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from hw.spec import AlignedAccumulator, FixedAccumulator, MacSpec
from sim.cycle import plain_weights
from sim.cycle.plain import Advance, plain
from sim.fast.floating import in_float32
from sim.fast.kernels import has_numba
from sim.fast.results import dropped
from sim.fast.tables import MAX_WIDTH, within
from sim.vector import fixed, sum_dtype

__all__ = ["Moves", "advance", "moves"]

#: Binades of products up and down that binary64 holds, scaled to any common place.
DOUBLE = 900


class Moves(NamedTuple):
    """`enter` and `exchange` of `sim.cycle.plain_weights`, or their compiled twins."""

    enter: Callable[..., Any]
    exchange: Callable[..., Any]


def moves(mac: MacSpec, *, compiled: bool | None = None) -> Moves:
    """How sums and weights move; ``compiled`` by default where sums are of int64."""
    can_be = has_numba() and sum_dtype(mac) == np.int64
    if not (can_be if compiled is None else compiled):
        return Moves(plain_weights.enter, plain_weights.exchange)
    from sim.cycle import compiled_weights

    return Moves(compiled_weights.enter, compiled_weights.exchange)


def advance(mac: MacSpec, *, compiled: bool | None = None) -> Advance:
    """What one clock edge does to accumulators; ``compiled`` by default if that can be."""
    can_be = has_numba() and _compilable(mac)
    if not (can_be if compiled is None else compiled):
        return plain(mac)
    from sim.cycle.compiled_aligned import aligned_advance
    from sim.cycle.compiled_fixed import fixed_advance
    from sim.cycle.compiled_float import float_advance
    from sim.cycle.compiled_single import single_advance

    if isinstance(mac.acc, FixedAccumulator):
        return fixed_advance(mac)
    if isinstance(mac.acc, AlignedAccumulator):
        return aligned_advance(mac)
    drop = dropped(mac.acc.fmt)
    if in_float32(mac) and drop is not None:
        return single_advance(mac, drop)
    return float_advance(mac)


def _compilable(mac: MacSpec) -> bool:
    """Whether there is a compiled step for the unit."""
    if max(mac.a.width, mac.b.width) > MAX_WIDTH:
        return False
    if isinstance(mac.acc, AlignedAccumulator):
        return within(mac, -DOUBLE, DOUBLE)
    return not isinstance(mac.acc, FixedAccumulator) or fixed.narrow(mac, mac.acc)
