# SPDX-License-Identifier: Apache-2.0
"""Checks side by side, each in a process and a folder of its own."""

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.exhaustive.outcome import Outcome
from tests.exhaustive.plan import Check

__all__ = ["run_checks"]

#: Checks at a time.
WORKERS = 2


def run_checks(checks: Sequence[Check]) -> Iterator[tuple[int, list[Outcome], float]]:
    """Index, outcomes and seconds of each check as it ends, on `WORKERS` processes."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as pool:
        pending = {pool.submit(_try, check): index for index, check in enumerate(checks)}
        try:
            for future in as_completed(pending):
                yield pending[future], *future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _try(check: Check) -> tuple[list[Outcome], float]:
    """Run one check, in a process of its own."""
    started = time.monotonic()
    with TemporaryDirectory(prefix="exhaustion-") as folder:
        outcomes = check.run(Path(folder))
    listed = [outcomes] if isinstance(outcomes, Outcome) else list(outcomes)
    return listed, time.monotonic() - started
