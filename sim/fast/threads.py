# SPDX-License-Identifier: Apache-2.0
"""Work on the rows of a result, spread over the processors."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache

#: Blocks a processor, so that one that is busy elsewhere does not hold up the rest.
BLOCKS = 4
#: Products that are computed sooner than threads are woken.
LEAST = 1 << 20


@lru_cache
def _pool() -> ThreadPoolExecutor:
    """Threads that stay, since to start them takes as long as millions of products."""
    return ThreadPoolExecutor(os.cpu_count())


if hasattr(os, "register_at_fork"):  # A forked process has none of its parent's threads.
    os.register_at_fork(after_in_child=_pool.cache_clear)


def by_rows(
    rows: int,
    work: Callable[[slice], None],
    *,
    products: int,
    multiple: int = 1,
    most: int = 1 << 30,
    blocks: int = BLOCKS,
) -> None:
    """Call ``work`` with slices that cover ``range(rows)``, in threads if ``products`` are many.

    All slices but the last have a length that is a multiple of ``multiple``, and none is longer
    than ``most`` or that; a processor gets ``blocks`` of them on average. numpy and the compiled
    kernels let other threads run meanwhile.
    """
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = workers if workers and products >= LEAST else 1
    length = min(-(-rows // (workers * blocks if workers > 1 else 1)), most)
    length = -(-length // multiple) * multiple
    parts = [slice(top, min(top + length, rows)) for top in range(0, rows, length)]
    left = deque(parts)

    def some() -> None:
        try:
            for block in _taken(left):
                work(block)
        finally:
            left.clear()  # Nothing is left, or work has failed.

    others = [_pool().submit(some) for _ in range(min(workers, len(parts)) - 1)]
    try:
        some()
    finally:
        # A helper that has not begun when no block is left is not waited for: a busy pool, or work
        # that shares its own, cannot hold this up.
        begun = [other for other in others if not other.cancel()]
        wait(begun)
    for other in begun:
        other.result()


def _taken(left: deque[slice]) -> Iterator[slice]:
    """Blocks, each taken by one thread only."""
    while True:
        try:
            block = left.popleft()
        except IndexError:
            return
        yield block
