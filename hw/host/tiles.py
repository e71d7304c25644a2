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

    As many tiles at once as fit all memories; if K does not, single tiles, K in whole words of A,
    or, if the memory of B holds no such word, in whole words of B.
    """
    array, (rows, steps) = spec.array, spec.array.schedule.a_block
    lanes, words, beats = array.mac.lanes, -(-k // steps), array.beats(k)
    if words <= spec.depth_a and beats <= spec.depth_b:
        high = min(spec.depth_c, rows * (spec.depth_a // words), m)
        wide, step = array.cols * min(spec.depth_b // beats, spec.depth_c // high), k
    else:
        high = min(spec.depth_c, rows * spec.depth_a, array.schedule.height, m)
        wide = array.cols
        step = min(steps * (spec.depth_a // -(-high // rows)), lanes * spec.depth_b)
        step -= step % steps if step > steps else 0
    parts = tuple(range(first, min(first + step, k)) for first in range(0, k, step))
    for top in range(0, m, high):
        for left in range(0, n, wide):
            yield Block(range(top, min(top + high, m)), range(left, min(left + wide, n)), parts)
