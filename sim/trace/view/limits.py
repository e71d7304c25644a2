# SPDX-License-Identifier: Apache-2.0
"""What a page can show."""

from hw.spec import ArraySpec
from hw.spec.errors import require
from sim.vector import sum_dtype

__all__ = ["MAX_PLACES", "MAX_SIDE", "require_cycles", "require_viewable"]

#: Largest side of an array that is still told apart on a screen.
MAX_SIDE = 32
#: Processing elements times clock cycles: pages of some 3 MB for 32x32, of 7 MB for 4x4.
MAX_PLACES = 200_000


def require_viewable(spec: ArraySpec, m: int, k: int, n: int) -> None:
    """Raise SpecError unless a page can show this product, streams never stalling."""
    require(spec.out is None, "View array", "one without output stages", str(spec))
    require(not sum_dtype(spec.mac).hasobject, "View mac", "a unit whose sums fit int64",
            str(spec.mac))
    require(max(spec.rows, spec.cols) <= MAX_SIDE, "View array",
            f"at most {MAX_SIDE}x{MAX_SIDE}", spec.size)
    require_cycles(spec, spec.cycles(m, k, n))


def require_cycles(spec: ArraySpec, cycles: int) -> None:
    """Raise SpecError if a page would get too large."""
    require(cycles <= MAX_PLACES // (spec.rows * spec.cols), "View cycles",
            f"at most {MAX_PLACES // (spec.rows * spec.cols)} on {spec.size} elements", cycles)
