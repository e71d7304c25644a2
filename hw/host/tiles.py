# SPDX-License-Identifier: Apache-2.0
"""How a product of any size is cut so that each part fits the memories of an engine."""

from collections.abc import Iterator
from dataclasses import dataclass

from hw.spec import GemmSpec

__all__ = ["Block", "blocks"]


@dataclass(frozen=True, slots=True)
class Block:
    """Rows and columns of C that are computed at once, and the parts of K, in order.

    The sums stay in the array from one part to the next.
    """

    rows: range
    cols: range
    parts: tuple[range, ...]


def blocks(spec: GemmSpec, m: int, k: int, n: int) -> Iterator[Block]:
    """Blocks of ``C[M, N]``; those that share rows come behind each other.

    As many tiles at once as fit all memories; if K does not, single tiles, K in whole beats.
    """
    array = spec.array
    deepest = min(spec.depth_a, spec.depth_b)
    beats = min(array.beats(k), deepest)
    whole = beats == array.beats(k)
    high = min(spec.depth_c, array.rows * (spec.depth_a // beats if whole else 1), m)
    wide = array.cols * min(spec.depth_b // beats if whole else 1, spec.depth_c // high)
    step = k if whole else deepest * array.mac.lanes
    parts = tuple(range(first, min(first + step, k)) for first in range(0, k, step))
    for top in range(0, m, high):
        for left in range(0, n, wide):
            yield Block(range(top, min(top + high, m)), range(left, min(left + wide, n)), parts)
