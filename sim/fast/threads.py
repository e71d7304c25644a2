# SPDX-License-Identifier: Apache-2.0
"""Work on the rows of a result, spread over the processors."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

__all__ = ["by_rows"]

#: Blocks a processor, so that one that is busy elsewhere does not hold up the rest.
BLOCKS = 4
#: Products that are computed sooner than threads are started.
LEAST = 1 << 20


def by_rows(rows: int, work: Callable[[slice], None], *, products: int, multiple: int = 1,
            most: int = 1 << 30) -> None:
    """Call ``work`` with slices that cover ``range(rows)``, in threads if ``products`` are many.

    All slices but the last have a length that is a multiple of ``multiple``, and none is longer
    than ``most`` or that. numpy and the compiled kernels let other threads run meanwhile.
    """
    workers = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    workers = workers if workers and products >= LEAST else 1
    length = min(-(-rows // (workers * BLOCKS if workers > 1 else 1)), most)
    length = -(-length // multiple) * multiple
    blocks = [slice(top, min(top + length, rows)) for top in range(0, rows, length)]
    if len(blocks) == 1 or workers == 1:
        for block in blocks:
            work(block)
        return
    with ThreadPoolExecutor(min(workers, len(blocks))) as pool:
        list(pool.map(work, blocks))
