# SPDX-License-Identifier: Apache-2.0
"""Blocks of rows in threads: each is computed once, failures are raised, nothing blocks."""

import multiprocessing
import os
import threading

import numpy as np
import pytest

import sim
from sim.fast import threads

MANY = threads.LEAST


@pytest.fixture(autouse=True)
def two_processors(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)


def by_rows(rows, work, **options):
    threads.by_rows(rows, work, products=MANY, **options)


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (1, {}),
        (7, {}),
        (512, {}),
        (131, {"multiple": 8}),
        (100, {"most": 3}),
        (100, {"most": 3, "multiple": 8}),
    ],
)
def test_every_row_is_worked_on_once(rows, options):
    done, slices = np.zeros(rows, int), []

    def work(block):
        slices.append(block)
        done[block] += 1

    by_rows(rows, work, **options)
    assert done.tolist() == [1] * rows
    multiple = options.get("multiple", 1)
    lengths = [block.stop - block.start for block in sorted(slices, key=lambda each: each.start)]
    assert all(length % multiple == 0 for length in lengths[:-1])
    assert max(lengths) <= max(options.get("most", rows), multiple)


def test_both_processors_work():
    """Either block ends only when the other has begun."""
    both = threading.Barrier(2, timeout=30)
    by_rows(2, lambda block: both.wait())
    assert not both.broken


@pytest.mark.parametrize("helper", [False, True])
def test_failure_is_reported_and_stops_the_rest(helper):
    here, began, both = threading.current_thread(), [], threading.Barrier(2, timeout=30)

    def work(block):
        began.append(block)
        both.wait()
        if (threading.current_thread() is not here) == helper:
            raise IndexError("planted")

    with pytest.raises(IndexError, match=r"^planted$"):
        by_rows(2, work)
    assert len(began) == 2
    done = []
    with pytest.raises(ZeroDivisionError):
        by_rows(1000, lambda block: done.append(block) or 1 / 0, most=1)
    assert len(done) <= 2


def test_nested_work_ends():
    """Nested work, with more calls than threads."""
    rows, count = 16 * (os.cpu_count() or 1), []
    by_rows(rows, lambda block: by_rows(8, lambda part: count.append(part), most=1), most=1)
    assert len(count) == 8 * rows


def _product(_):
    codes = np.full((128, 128), 0x38, np.uint8)
    return sim.matmul(codes, codes, "e4m3,acc=fp32", backend="fast").tolist()


def test_a_forked_process_has_threads_of_its_own():
    wanted = _product(0)  # Starts threads, which a forked process does not have.
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_product, (0,)).get(60) == wanted
        assert pool.apply_async(_both, (0,)).get(60)


def _both(_):
    test_both_processors_work()
    return True
