# SPDX-License-Identifier: Apache-2.0
"""Distribute work on the rows of a result over the processors."""

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import lru_cache

#: Blocks per processor; several, so that a busy processor does not delay the rest.
BLOCKS = 4
#: Number of products below which one thread is faster.
LEAST = 1 << 20


@lru_cache
def _pool() -> ThreadPoolExecutor:
    """Persistent threads: starting them takes as long as millions of products."""
    return ThreadPoolExecutor(os.cpu_count())


if hasattr(os, "register_at_fork"):  # A forked process does not have its parent's threads.
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
    """Call ``work`` with slices that cover ``range(rows)``, in threads if there are many products.

    The length of all slices but the last is a multiple of ``multiple``, and at most ``most``
    rounded up to such a multiple. Each processor gets ``blocks`` slices on average. numpy and the
    compiled kernels release the GIL.
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
            left.clear()  # Nothing is left, or a call failed.

    others = [_pool().submit(some) for _ in range(min(workers, len(parts)) - 1)]
    try:
        some()
    finally:
        # Do not wait for helpers that have not started when no block is left, so that a busy pool,
        # or nested calls, cannot block this.
        begun = [other for other in others if not other.cancel()]
        wait(begun)
    for other in begun:
        other.result()


def _taken(left: deque[slice]) -> Iterator[slice]:
    """Blocks, each taken by only one thread."""
    while True:
        try:
            block = left.popleft()
        except IndexError:
            return
        yield block
